"""`enigma teach --logprobs`: probabilities are kept with the examples where a provider gives them, and never in the way."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.trainer_host.teacher import faults
from tests.trainer_host.teacher.fake_api import Asked, FakeApi, logprobs_of
from tests.trainer_host.teacher.served import Served
from trainer_host.cli import main
from trainer_host.data.dataset import Row, open_dataset
from trainer_host.teacher.protocol import Json
from trainer_host.workspace import Workspace

ORDER = ["teach", "--task", "chat", "--no-judge", "--examples", "6", "--provider", "openai", "--price", "1,4"]
THINGS = ("kettle", "lantern", "ladder", "violin", "parrot", "umbrella", "carpet", "mirror", "basket", "wheel")
PLACES = ("harbour", "attic", "garden", "station", "bakery", "forest", "museum", "valley", "market", "tower")


def talk(asked: Asked) -> Json:
    """A conversation that the verifier takes, whatever length was asked for."""
    rng = random.Random(asked.digest)

    def turn() -> tuple[str, str]:
        one, other, third = rng.sample(THINGS, 3)
        here, there, far = rng.sample(PLACES, 3)
        said = f"The {one} belongs to the {other} at the {there}, so carry it past the {far} in the morning, and ask whoever "
        return (
            f"Where did my {third} go that stood in the {here} for {rng.randint(3, 900)} days?",
            f"{said}opens the door there whether a {third} came in after {rng.randint(3, 900)} others.",
        )

    found = re.search(r"Earlier has (\d)", asked.text)
    turns = [turn() for _ in range(int(found[1]) + 1 if found else 1)]
    earlier = [{"person": person, "assistant": assistant} for person, assistant in turns[:-1]]
    return {"earlier": earlier, "message": turns[-1][0], "reply": turns[-1][1]}


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    api = FakeApi(answer=talk, logprobs=lambda asked, text: logprobs_of(text))
    served = Served(api)
    monkeypatch.setenv("ENIGMA_HOME", str(tmp_path / "home"))
    for name in ("OPENAI", "ANTHROPIC"):
        monkeypatch.setenv(f"{name}_BASE_URL", f"{api.url}/v1")
        monkeypatch.setenv(f"{name}_API_KEY", "sk-test-0123456789abcdefghijklmnop")
    try:
        yield api
    finally:
        served.stop()


def rows(tmp_path: Path, name: str = "openai") -> list[Row]:
    dataset = open_dataset(Workspace(tmp_path / "home").dataset(f"{name}-chat"))
    return [row for split in ("train", "heldout") for row in dataset.rows(split)]


def test_the_rows_keep_what_else_the_teacher_might_have_written(
    provider: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ORDER, "--logprobs"]) == 0
    assert all(asked.body["logprobs"] is True and asked.body["top_logprobs"] == 5 for asked in provider.asked)
    for row in rows(tmp_path):
        soft = row.meta["soft"]
        assert isinstance(soft, dict)
        written = "".join(chances[0][0] for _, chances in soft["at"])
        assert written == row.output["reply"]  # each piece of it, in turn; the end is ""
        assert soft["at"][-1] == [len(written.encode()), [["", 0.75], ["q", 0.25]]]
        assert all(chances[0][1] == 0.75 for _, chances in soft["at"]) and row.meta["model"] == "gpt-5-mini"
    card = open_dataset(Workspace(tmp_path / "home").dataset("openai-chat"))
    assert card.figures["with_probabilities"] == card.figures["accepted"] == 6
    assert "probabilities" not in capsys.readouterr().err

    sent = len(provider.asked)
    assert main([*ORDER, "--name", "plain"]) == 0  # without, they are neither asked for nor kept
    assert all("logprobs" not in asked.body for asked in provider.asked[sent:])
    assert all("soft" not in row.meta for row in rows(tmp_path, "plain"))


def malformed(asked: Asked, text: str) -> object:
    content = logprobs_of(text)["content"]
    assert isinstance(content, list)
    shapes: tuple[object, ...] = (
        "none", {"content": "none"}, {"content": content[1:]}, {"content": [*content, {"token": "x", "logprob": -1}]},
        {"content": [{**entry, "logprob": "low"} for entry in content]}, {"content": [None] * 3},
    )  # fmt: skip
    return shapes[asked.number % len(shapes)]


@pytest.mark.parametrize("given", [None, malformed], ids=["ignored", "malformed"])
def test_a_provider_that_gives_none_or_nonsense_still_teaches_and_it_is_said(
    provider: FakeApi,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    given: Callable[[Asked, str], object] | None,
) -> None:
    provider.logprobs = given
    assert main([*ORDER, "--logprobs"]) == 0
    assert len(rows(tmp_path)) == 6 and all("soft" not in row.meta for row in rows(tmp_path))
    said = " ".join((capture := capsys.readouterr()).out.split() + capture.err.split())
    assert "chat: 0 of 6 examples have probabilities" in said


def test_a_model_that_refuses_them_is_asked_without_and_that_is_remembered(provider: FakeApi, tmp_path: Path) -> None:
    def refuses(asked: Asked) -> faults.Fault | None:
        if "logprobs" in asked.body:
            return faults.status(403, "You are not allowed to request logprobs from this model")
        return None

    provider.script = refuses
    assert main([*ORDER, "--logprobs", "--concurrency", "1"]) == 0
    assert len(rows(tmp_path)) == 6
    assert sum("logprobs" in asked.body for asked in provider.asked) == 1
    sent = len(provider.asked)
    assert main([*ORDER, "--logprobs", "--name", "again", "--seed", "2"]) == 0
    assert all("logprobs" not in asked.body for asked in provider.asked[sent:])


def test_personal_data_does_not_come_back_with_the_pieces(provider: FakeApi, tmp_path: Path) -> None:
    mail = "jane.doe@example.com"

    def personal(asked: Asked) -> Json:
        made = talk(asked)
        return {**made, "reply": f"Write to {mail}. {made['reply']}"}

    provider.answer = personal
    assert main([*ORDER, "--logprobs"]) == 0
    kept = rows(tmp_path)
    assert kept and all("<EMAIL_1>" in str(row.output["reply"]) and "soft" not in row.meta for row in kept)
    assert mail not in json.dumps([row.meta for row in kept])


REFUSED = (
    (["--provider", "anthropic"], "anthropic has no log-probabilities (its wire is Anthropic's); leave out --logprobs"),
    (["--batch"], "leave out --batch or --logprobs"),
    (["--provider", "built-in"], "The built-in teacher has no log-probabilities"),
)


@pytest.mark.parametrize(("options", "sentence"), REFUSED)
def test_who_has_none_is_told_before_anything_is_asked(
    provider: FakeApi, capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
) -> None:
    assert main([*ORDER, "--logprobs", *options]) == 2
    assert sentence in " ".join(capsys.readouterr().err.split()) and not provider.asked


def test_a_lesson_that_was_begun_without_is_not_resumed_with(
    provider: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ORDER, "--budget", "0.0001"]) == 1
    assert main(["teach", "--resume", "--price", "1,4", "--logprobs"]) == 2
    assert "--logprobs can't be changed" in capsys.readouterr().err
