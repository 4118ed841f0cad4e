from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.trainer_host.samples import FRONT_DESK, REPO
from trainer_host.cli import main


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "trainer_host.cli", *arguments],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from trainer_host.cli import build_parser; build_parser().format_help(); "
        "heavy = {'torch', 'numpy', 'rich', 'onnxruntime', 'aiohttp', 'nacl', 'asyncio'} & sys.modules.keys(); "
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "--data", "none"], "There is no dataset 'none'"),
        (["train", "--data", "Not A Name"], "can't be a name"),
        (["export", "none"], "There is no run 'none'"),
        (["gate", "none"], "There is no run 'none'"),
        (["bundle", "none"], "There is no run 'none'"),
        (["push", "none"], "There is no bundle of 'none'"),
        (["ask", "home-en", "hello"], "There is no paired device"),
        (["data", "show", "none"], "There is no dataset 'none'"),
        (["data", "import", "none.csv", "--task", "router"], "There is no file or folder none.csv"),
        (["data", "import", "none"], "There is no file or folder none"),
        (["data", "import", str(FRONT_DESK), "--task", "router", "--held-out", "2"], "from 0.05 to 0.5"),
        (["data", "import", str(FRONT_DESK), "--task", "router", "--column", "text"], "--column takes FIELD=NAME"),
        (["data", "import", str(FRONT_DESK), "--task", "router", "--inventory", "x"], "router has no inventory"),
        (["devices", "forget", "none"], "no paired device 'none'"),
        (["quickstart", "--examples", "3"], "--examples must be from 1000"),
        (["quickstart", "--json", "/no/such/folder/x.json"], "can't be written"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--home", str(tmp_path / "home"), *arguments]) == 2
    said = capsys.readouterr()
    assert sentence in said.err
    assert len(said.err.strip().splitlines()) == 1
    assert "Traceback" not in said.err + said.out


def test_what_a_command_does_not_know_is_named_beside_its_own_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["runs", "list", "mine"])
    said = capsys.readouterr().err
    assert ended.value.code == 2 and "usage: enigma runs list" in said and "unrecognized arguments: mine" in said


def test_a_home_that_is_a_file_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "home").write_text("")
    home = ["--home", str(tmp_path / "home")]
    for arguments in (
        ["data", "import", str(FRONT_DESK), "--task", "router"],
        ["devices", "key"],
        ["quickstart", "--no-input"],
    ):
        assert main([*home, *arguments]) == 2
        assert "can't be" in capsys.readouterr().err


def test_home_may_stand_before_and_behind_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = str(tmp_path / "home")
    assert main(["--home", home, "devices", "key"]) == 0
    first = capsys.readouterr().out
    assert main(["devices", "key", "--home", home]) == 0
    assert capsys.readouterr().out == first
    assert len(first.strip()) == 64


def test_rows_are_imported_shown_listed_and_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = ["--home", str(tmp_path / "home")]
    assert main([*home, "data", "list"]) == 0
    assert "no datasets" in capsys.readouterr().out
    assert main([*home, "data", "import", str(FRONT_DESK), "--task", "router"]) == 0
    assert "220 rows to train, 55 held out" in capsys.readouterr().out
    assert main([*home, "data", "list"]) == 0
    assert "front-desk" in capsys.readouterr().out
    assert main([*home, "data", "show", "front-desk", "--rows", "1"]) == 0
    shown = capsys.readouterr().out
    assert "sha256:" in shown and "heldout" in shown
    assert main([*home, "data", "export", "front-desk", str(tmp_path / "out.csv")]) == 0
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 276
    assert main([*home, "train", "--data", "front-desk", "--task", "robot"]) == 2
    assert "teaches the task router, not robot" in capsys.readouterr().err


def test_words_stand_before_or_behind_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from edge_runtime.cli import build_parser as of_edge

    for line in (
        ["trust", "add", "KEY", "--state", "here"],
        ["trust", "add", "--state", "here", "KEY"],
        ["trust", "--state", "here", "add", "KEY"],
        ["trust", "--name", "mine", "add", "--state", "here", "KEY"],
    ):
        read = of_edge().parse_args(line)
        assert (read.action, read.key, read.state) == ("add", "KEY", Path("here")), line
    read = of_edge().parse_args(["documents", "ask", "--limit", "2", "how", "--json", "much", "--", "-x"])
    assert (read.action, read.words, read.limit, read.json) == ("ask", ["how", "much", "-x"], 2, True)
    assert of_edge().parse_args(["trust", "--state", "here"]).action == "list"
    for wrong, sentence in ((["trust", "add", "a", "b"], "arguments: b"), (["install", "--state", "x"], "BUNDLE")):
        with pytest.raises(SystemExit):
            of_edge().parse_args(wrong)
        assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("none", ["nan", "inf", "-inf", "1e999", "much"])
def test_an_option_that_is_no_finite_number_is_refused(capsys: pytest.CaptureFixture[str], none: str) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--data", "x", f"--seconds={none}"])
    assert "argument --seconds" in capsys.readouterr().err
