"""Local-only mode: a teacher that is far away isn't asked, and whoever wanted it is told why."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.trainer_host.samples import REPO


def test_a_teacher_far_away_is_refused_in_one_sentence_and_nothing_is_spent(tmp_path: Path) -> None:
    environment = {**os.environ, "ENIGMA_LOCAL_ONLY": "1", "OPENAI_API_KEY": "sk-abcdefghijklmnop1234"}
    command = ["teach", "--task", "router", "--examples", "3", "--provider", "openai"]
    done = subprocess.run(
        [sys.executable, "-m", "trainer_host.cli", "--home", str(tmp_path / "home"), *command],
        capture_output=True,
        text=True,
        env=environment,
        cwd=REPO,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("enigma: Local-only mode is on, so openai") and "sk-" not in done.stdout + done.stderr
