"""An adapter the whole way: trained over a run, gated over its base's own file, signed, and smaller than its base."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("peft", reason="PEFT is in the extra 'llm'")

from edge_runtime.bundle import read_envelope, unpack_bundle
from trainer_host.cli import main
from trainer_host.data.dataset import open_dataset, seal, write_rows
from trainer_host.teacher.lesson import Lesson, checked_lesson
from trainer_host.teacher.teach import give
from trainer_host.workspace import Workspace


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A base that learnt no percentages, and a dataset of percentages."""
    workspace = Workspace(tmp_path_factory.mktemp("home"))
    give(workspace, checked_lesson(Lesson("built-in", ("math",), 400, "built-in", seed=1)), None)
    data = open_dataset(workspace.dataset("built-in-math"))
    for name, wanted in (("plain", False), ("percent", True)):
        folder = workspace.data / name
        folder.mkdir()
        for split in ("train", "heldout"):
            rows = [
                row for row in data.rows(split) if ("%" in str(row.output["answer"] + row.input["question"])) is wanted
            ]
            write_rows(folder / f"{split}.jsonl", rows[:180])
        seal(folder, name=name, task="math", teacher="built-in", seed=1, params={}, figures={})
    run(workspace, "train", "--data", "plain", "--size", "nano", "--epochs", "2", "--rows", "2", "--name", "base")
    run(workspace, "export", "base", "--adapters")
    return workspace


def run(home: Workspace, *command: str) -> None:
    assert main(["--home", str(home.home), *command]) == 0


def test_an_adapter_knows_what_its_base_doesnt_and_travels_alone(
    home: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--init", "base", "--lora", "r=4", "--epochs", "4", "--rows", "2", "--rate", "3e-3"]
    run(home, "train", "--data", "percent", "--name", "skill", *more)
    assert main(["--home", str(home.home), "export", "skill", "--adapter"]) == 2
    assert "enigma gate base" in capsys.readouterr().err
    run(home, "gate", "base", "--rows", "12")
    run(home, "export", "skill", "--adapter")
    run(home, "gate", "skill", "--rows", "12")
    run(home, "bundle", "skill")
    run(home, "bundle", "base")
    capsys.readouterr()
    run(home, "compare", "base", "skill", "--data", "percent", "--rows", "12")
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    files = [row for row in rows if len(row) > 2 and row[1].startswith(("model.", "adapter."))]
    perplexity = {row[0]: float(row[-1]) for row in files}
    assert perplexity["skill"] < perplexity["base"] / 1.5

    bundles = {name: home.bundles / f"{name}-1.0.0.enigma" for name in ("base", "skill")}
    assert bundles["skill"].stat().st_size < bundles["base"].stat().st_size / 2
    with bundles["skill"].open("rb") as source:
        manifest = unpack_bundle(bundles["skill"], read_envelope(source), tmp_path)
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "adapter.onnx_adapter",
        "golden.json",
        "manifest.json",
        "template.json",
    ]
    exported = json.loads((home.runs / "base" / "export.json").read_bytes())["models"]
    assert manifest.options["adapter"]["base"] == "base"  # type: ignore[index]
    assert manifest.options["adapter"]["model"] in {item["sha256"] for item in exported}  # type: ignore[index]
    assert 0 < manifest.metrics["adapter_share"] < 0.1  # type: ignore[operator]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["export", "base", "--adapter"], "'base' has no adapter of its own"),
        (["export", "base", "--adapter", "--cache", "int8"], "give --adapters and --cache where you export the base"),
    ],
)
def test_what_is_no_adapter_is_refused_in_one_sentence(
    home: Workspace, command: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--home", str(home.home), *command]) == 2
    error = capsys.readouterr().err
    assert says in error and error.startswith("enigma: ") and error.count("\n") == 1
