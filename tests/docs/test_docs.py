from __future__ import annotations

import re
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_tests_that_the_docs_name_exist() -> None:
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (REPO / "tests").rglob("test_*.py"))
    have = set(re.findall(r"^ *(?:async )?def (test_\w+)\(", tests, re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"`(test_\w+)`", page.read_text(encoding="utf-8"))}
    assert named and named <= have, sorted(named - have)


def test_commands_in_the_docs_exist() -> None:
    """Every `enigma ...` line of the pages parses as far as its command."""
    from trainer_host.cli import build_parser

    [commands] = [a for a in build_parser()._actions if a.dest == "command" or (hasattr(a, "choices") and a.choices)]
    known = set(commands.choices or ())
    for page in PAGES:
        for line in re.findall(r"^(?:    )?enigma ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE):
            assert line in known, f"{page.name}: enigma {line}"
