from __future__ import annotations

import argparse
import functools
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
PAGES = sorted((REPO / "docs").glob("*.md"))


def test_the_reference_of_commands_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/make_reference.py", "--check"],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", [REPO / "README.md", *PAGES], ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, heading = target.partition("#")
        where = page.parent / name if name else page
        assert where.exists(), f"{page.name} links to {target}"
        assert not heading or heading in headings(where), f"{page.name} links to {target}"


@functools.cache
def headings(page: Path) -> set[str]:
    """What links call a page's headings: small letters, strokes for spaces, no marks."""
    lines = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def test_tests_that_the_docs_name_exist() -> None:
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (REPO / "tests").rglob("test_*.py"))
    have = set(re.findall(r"^ *(?:async )?def (test_\w+)\(", tests, re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"`(test_\w+)`", page.read_text(encoding="utf-8"))}
    assert named and named <= have, sorted(named - have)


@functools.cache
def parsers() -> dict[str, argparse.ArgumentParser]:
    import edge_runtime.cli
    import firmware_bridge.cli
    import trainer_host.cli

    return {
        "enigma": trainer_host.cli.build_parser(),
        "enigma-edge": edge_runtime.cli.build_parser(),
        "enigma-bridge": firmware_bridge.cli.build_parser(),
    }


def commands_of(page: Path) -> list[list[str]]:
    """The words of the commands that a page's blocks of code show: without comments, pipes and those that `...` stands in."""
    text = re.sub(r"\\\n\s*", "", page.read_text(encoding="utf-8"))
    lines = re.findall(r"^(?:    |\$ |> )?(enigma(?:-edge|-bridge)? .*)$", text, re.MULTILINE)
    typed = [one for line in lines for one in re.split(r"\s(?:&&|\|\|)\s", re.split(r"\s#\s", line)[0])]
    # One of `take|assist` is enough; what a command in `$(...)` prints may be anything.
    plain = [re.sub(r"\$\([^)]*\)", "printed", re.sub(r"(?<=\w)(?:\|\w+)+", "", one)) for one in typed]
    found = [shlex.split(re.split(r"\s(?:[|&]|2?>)", one)[0]) for one in plain]
    return [words for words in found if words[0] in parsers() and not {"--help", "..."} & set(words)]


# The reference is made of the parsers, and shows no whole command.
@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "cli.md"], ids=lambda page: page.name)
def test_commands_in_the_docs_are_understood(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused: list[str] = []
    for command, *words in commands_of(page):
        try:
            parsers()[command].parse_args(words)
        except SystemExit:
            refused.append(f"{command} {' '.join(words)}\n{capsys.readouterr().err}")
    assert not refused, "\n".join(refused)


def test_the_choices_for_a_task_that_the_docs_list_are_those_that_it_takes() -> None:
    from trainer_host.teacher.options import FORMS

    lines = (REPO / "docs" / "teaching.md").read_text(encoding="utf-8").splitlines()
    rows = [line.split("|")[1] for line in lines if re.match(r"\| `\w+\.\w+`", line)]
    listed = {name for row in rows for name in re.findall(r"`(\w+\.\w+)`", row)}
    assert listed == {f"{task}.{name}" for task, names in FORMS.items() for name in names}


def test_events_and_metrics_of_a_device_are_in_the_docs() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (REPO / "edge_runtime").rglob("*.py"))
    page = (REPO / "docs" / "device-api.md").read_text(encoding="utf-8")
    watch = page[page.index("## Watch") : page.index("## Errors")]
    told = {
        kind for row in re.findall(r"^\| (`\w+`[^|]*)\|", watch, re.MULTILINE) for kind in re.findall(r"`(\w+)`", row)
    }
    assert set(re.findall(r"\.emit\(\s*\"([a-z_]+)\"", code)) <= told
    docs = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
    assert set(re.findall(r"\"(enigma_[a-z_]+)\"", code)) <= set(re.findall(r"\benigma_[a-z_]+\b", docs))


def test_commands_are_found_in_the_docs() -> None:
    assert all(commands_of(REPO / "docs" / page) for page in ("start.md", "voice.md", "specialists.md", "robots.md"))
