from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.trainer_host.sandbox.attacks import BREAKING_OUT, RESOURCES, Attack
from trainer_host.sandbox import Limits, run_python
from trainer_host.sandbox.isolation import Way

PATIENT = Limits(cpu_seconds=1, wall_seconds=5.0, total_seconds=120.0)


def aimed(attack: Attack, planted: dict[str, object]) -> str:
    """The attack's source with the names of what is planted; braces of its own code stay."""
    source = attack.source
    for name, value in planted.items():
        source = source.replace(f"{{{name}!r}}", repr(value)).replace(f"{{{name}}}", str(value))
    return source


def test_no_attack_breaks_out(way: Way, planted: dict[str, object]) -> None:
    assert len(BREAKING_OUT) + len(RESOURCES) >= 40
    outcomes = run_python([aimed(attack, planted) for attack in BREAKING_OUT], PATIENT, way)
    escaped = [
        f"{attack.name}: {outcome}"
        for attack, outcome in zip(BREAKING_OUT, outcomes, strict=True)
        if outcome.status == "ok" or "escaped" in outcome.output or "alone knows this" in outcome.output
    ]
    assert not escaped
    assert list(Path(str(planted["folder"])).iterdir()) == []
    assert not Path("/tmp/enigma-sandbox-planted").exists()


def test_the_attacks_are_real_and_work_without_a_sandbox(planted: dict[str, object]) -> None:
    for attack in BREAKING_OUT:
        if attack.works_bare:
            done = subprocess.run(
                [sys.executable, "-c", aimed(attack, planted)], capture_output=True, text=True, timeout=60
            )
            assert "escaped" in done.stdout, f"{attack.name}: {done.stderr}"


def test_what_takes_too_much_is_stopped_and_named(any_way: Way) -> None:
    outcomes = run_python([source for _, source, _ in RESOURCES], PATIENT, any_way)
    ended = {name: outcome.status for (name, _, _), outcome in zip(RESOURCES, outcomes, strict=True)}
    assert ended == {name: status for name, _, status in RESOURCES}
    assert not any("escaped" in outcome.output for outcome in outcomes)


def test_a_snippet_sees_the_standard_library_and_nothing_else(way: Way) -> None:
    source = (
        "import os, sys\nfound = []\n"
        "for folder, folders, files in os.walk('/'):\n"
        "    if folder == os.path.dirname(os.__file__): folders.clear(); continue\n"
        "    found += [os.path.join(folder, name) for name in files]\n"
        "print(*sorted(found), sep='\\n'); print(sorted(os.environ), os.getuid(), os.uname().nodename)"
    )
    [outcome] = run_python([source], way=way)
    *files, last = outcome.output.splitlines()
    assert "/sandbox/inside.py" in files
    strange = [name for name in files if not (".so" in name or name == "/sandbox/inside.py" or "/bin/python" in name)]
    assert strange == []
    assert "SECRET" not in last and "HOME'" not in last.replace("PYTHONHOME'", "")
    assert " 65534 " in last
    assert os.uname().nodename not in last


def test_one_snippet_leaves_nothing_to_the_next(way: Way) -> None:
    outcomes = run_python(
        [
            "import builtins, math; builtins.len = 1; math.pi = 3; x = 1",
            "import math; assert len([1]) == 1 and math.pi > 3.1; assert 'x' not in globals()",
            "import os\nfor fd in range(3, 300):\n    try: os.close(fd)\n    except OSError: pass",
            "pass",
        ],
        way=way,
    )
    assert [outcome.status for outcome in outcomes] == ["ok", "ok", "killed", "ok"]
