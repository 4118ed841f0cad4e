"""A language model the whole way: taught, trained, quantized, gated, signed, pushed, and right on a device."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import pytest

from tests.trainer_host.samples import REPO
from trainer_host.cli import main
from trainer_host.data.dataset import open_dataset
from trainer_host.release import devices
from trainer_host.release.edge_process import edge_running, pairing_code
from trainer_host.release.keys import signing_key
from trainer_host.tasks import task_spec
from trainer_host.trainer_ai import TrainerAI
from trainer_host.workspace import Workspace

TRAIN = ["train", "--data", "built-in-math", "--name", "sums", "--size", "nano", "--epochs", "6", "--seed", "3"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    from trainer_host.teacher.lesson import Lesson, checked_lesson
    from trainer_host.teacher.teach import give

    workspace = Workspace(tmp_path_factory.mktemp("home"))
    give(workspace, checked_lesson(Lesson("built-in", ("math",), 1500, "built-in", seed=1)), None)
    return workspace


def run(home: Workspace, *command: str) -> None:
    assert main(["--home", str(home.home), *command]) == 0


def test_a_killed_training_goes_on_and_the_model_is_right_on_a_device(
    home: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    killed = [sys.executable, "-m", "trainer_host.cli", "--home", str(home.home), *TRAIN]
    with subprocess.Popen(
        killed, cwd=REPO, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(REPO)}
    ) as one:
        first = home.training / "sums" / "checkpoints" / "now.json"
        while not first.exists() and one.poll() is None:  # however long this machine takes
            time.sleep(0.05)
        one.send_signal(signal.SIGKILL)
    assert first.exists() and not (home.runs / "sums").exists()
    run(home, *TRAIN)
    run(home, "export", "sums")
    run(home, "gate", "sums", "--rows", "120")
    run(home, "bundle", "sums")
    bundle = home.bundles / "sums-1.0.0.enigma"
    assert bundle.stat().st_size < 1_000_000  # int4: the smallest file that the gate lets pass
    run(home, "runs", "list")
    assert "interrupted" in (said := capsys.readouterr().out) and "done" in said

    data = open_dataset(home.dataset("built-in-math"))
    rows = list(data.rows("heldout"))[:100]
    spec = task_spec("math")
    common = Counter(str(row.output["answer"]) for row in data.rows("train")).most_common(1)[0][0]
    baseline = sum(spec.score(row.output, {"answer": common}) for row in rows) / len(rows)
    state = tmp_path / "device"
    state.mkdir()
    with edge_running(state, tmp_path / "device.log") as url:
        devices.pair(home, url, pairing_code(state), "test", signing_key(home))
        trainer = TrainerAI(home.home)
        trainer.push(str(bundle), "test")
        answers = devices.ask(devices.device_named(home, "test"), "sums", [row.input for row in rows])
        asked = {"question": "What is 1234 + 4321?"}  # longer numbers than it ever saw
        assert trainer.ask("sums", asked, "test")["answer"] == "5555"
        chat = {"model": "sums", "messages": [{"role": "user", "content": "What is 1 + 1?"}]}
        body = json.dumps(chat).encode()
        request = urllib.request.Request(
            f"{url}/v1/chat/completions", body, {"Content-Type": "application/json", "Host": url.split("//")[1]}
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=60)
        assert "/v1/run/sums" in json.loads(refused.value.read())["error"]["message"]
    right = sum(spec.score(row.output, answer) for row, answer in zip(rows, answers, strict=True)) / len(rows)
    assert right > 0.85 > baseline + 0.5
    scores = json.loads((home.runs / "sums" / "gate.json").read_text())["scores"]
    assert {score["precision"] for score in scores} == {"fp32", "int8", "int4"}


def test_one_model_learns_two_tasks(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    from trainer_host.teacher.lesson import Lesson, checked_lesson
    from trainer_host.teacher.teach import give

    give(home, checked_lesson(Lesson("built-in", ("chat",), 200, "built-in", seed=1)), None)
    run(home, "data", "combine", "built-in-math", "built-in-chat", "--to", "both")
    run(home, "train", "--data", "both", "--size", "nano", "--epochs", "1")
    run(home, "export", "both")
    run(home, "gate", "both", "--rows", "60")
    run(home, "bundle", "both")
    figures = json.loads((home.runs / "both" / "gate.json").read_text())["scores"][0]["figures"]
    assert {"accuracy_math", "accuracy_chat", "perplexity"} <= figures.keys()
    assert main(["--home", str(home.home), "data", "combine", "built-in-math", "built-in-math", "--to", "x"]) == 2
    assert "different tasks" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--size", "huge"], "There is no size 'huge'"),
        (["--size", "nano", "--init", "smollm2"], "not both"),
        (["--lora", "r=8"], "--init"),
        (["--epochs", "0"], "--epochs must be"),
        (["--init", "no/such/place"], "nothing to start from"),
        (["--context", "8"], "--context must be"),
        (["--size", "nano", "--context", "16"], "tokens, more than the 16"),
    ],
)
def test_bad_options_are_one_sentence(
    home: Workspace, options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--home", str(home.home), "train", "--data", "built-in-math", "--name", "bad", *options]) != 0
    error = capsys.readouterr().err
    assert says in error and error.startswith("enigma: ") and error.count("\n") == 1
    assert not (home.runs / "bad").exists()


def test_a_model_beside_itself_shows_no_difference_and_beside_a_worse_one_some(
    home: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    run(home, "train", "--data", "built-in-math", "--name", "short", "--size", "nano", "--epochs", "1")
    run(home, "export", "short")
    run(home, "compare", "sums", "sums", "--rows", "80")
    assert "no difference" in capsys.readouterr().out
    run(home, "compare", "short", "sums", "--rows", "80")
    assert "sums is better than short" in capsys.readouterr().out
    run(home, "compare", "sums", "both", "--rows", "40")  # the specialist beside the model of two tasks, in its task
    assert "both" in capsys.readouterr().out
    assert main(["--home", str(home.home), "compare", "sums", "both", "--data", "built-in-chat"]) == 2
    assert "one task" in capsys.readouterr().err


def test_a_model_learns_on_and_keeps_what_it_knew(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    from trainer_host.teacher.lesson import Lesson, checked_lesson
    from trainer_host.teacher.teach import give

    give(home, checked_lesson(Lesson("more", ("math",), 200, "built-in", seed=9)), None)
    more = ["--data", "more-math", "--init", "sums", "--old", "built-in-math", "--replay", "0.5", "--epochs", "2"]
    run(home, "train", "--name", "on", *more)
    run(home, "export", "on")
    run(home, "compare", "sums", "on", "--rows", "80")
    assert "no difference" in capsys.readouterr().out
    card = json.loads((home.runs / "on" / "config.json").read_text())
    assert card["start"]["name"] == "sums" and card["old"]["name"] == "built-in-math"
    assert main(["--home", str(home.home), "train", "--data", "more-math", "--replay", "0.5"]) == 2
    assert "--old names their dataset" in capsys.readouterr().err
