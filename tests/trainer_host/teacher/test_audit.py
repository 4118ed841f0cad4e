from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.trainer_host.samples import REPO
from trainer_host.errors import TrainerError
from trainer_host.teacher.audit import AuditLog, Call, audit_path, entries, files, line_hash, parsed, read_head, sealed
from trainer_host.teacher.audit_check import verify
from trainer_host.teacher.protocol import Usage
from trainer_host.workspace import Workspace

Lines = list[bytes]


def call(number: int = 0) -> Call:
    return Call(
        "openai",
        "gpt-5-mini",
        "answered",
        key="work",
        task="router",
        usage=Usage(300 + number, 150),
        cost=Decimal("0.000375"),
        request=f"{number:064x}",
        status=200,
        seconds=0.25,
    )


def log_of(path: Path, count: int, rotate_bytes: int = 2**24) -> AuditLog:
    log = AuditLog(path, rotate_bytes)
    for number in range(1, count + 1):
        log.record(call(number))
    return log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "teacher" / "audit.jsonl"


@pytest.fixture(scope="module")
def five_hundred(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a log of 500 calls, by name."""
    made = tmp_path_factory.mktemp("log") / "audit.jsonl"
    log_of(made, 500)
    return {file.name: file.read_bytes() for file in made.parent.iterdir()}


@pytest.fixture
def whole(five_hundred: dict[str, bytes], path: Path) -> Path:
    """A copy of it that a test may change."""
    path.parent.mkdir()
    for name, content in five_hundred.items():
        (path.parent / name).write_bytes(content)
    return path


def change(path: Path, how: Callable[[Lines], None]) -> None:
    lines = path.read_bytes().split(b"\n")[:-1]
    how(lines)
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def edit(line: int) -> Callable[[Lines], None]:
    def how(lines: Lines) -> None:
        lines[line - 1] = lines[line - 1].replace(b'"cost":"0.000375"', b'"cost":"0.000175"')

    return how


def rewrite(line: int) -> Callable[[Lines], None]:
    """An edit by someone who knows the format: the line's own hash is right."""

    def how(lines: Lines) -> None:
        fields = parsed(lines[line - 1])
        assert fields is not None
        prev = str(fields.pop("prev"))
        del fields["hash"]
        lines[line - 1] = sealed({**fields, "task": "robot"}, prev)

    return how


def delete(line: int) -> Callable[[Lines], None]:
    return lambda lines: lines.__delitem__(line - 1)


def insert(line: int) -> Callable[[Lines], None]:
    """A forged line that fits behind the one before it."""

    def how(lines: Lines) -> None:
        fields = parsed(lines[line - 1])
        assert fields is not None
        prev = str(fields.pop("prev"))
        del fields["hash"]
        lines.insert(line - 1, sealed({**fields, "key": "other"}, prev))

    return how


def swap(line: int) -> Callable[[Lines], None]:
    def how(lines: Lines) -> None:
        lines[line - 1], lines[line] = lines[line], lines[line - 1]

    return how


def blank(line: int) -> Callable[[Lines], None]:
    return lambda lines: lines.__setitem__(line - 1, b"gone")


def test_five_hundred_calls_are_there_and_whole(whole: Path) -> None:
    found = verify(whole)
    assert (found.ok, found.lines, found.torn) == (True, 500, 0)
    assert found.sentence() == "The log is whole: 500 calls."
    logged = list(entries(whole))
    assert [entry.number for entry in logged] == list(range(1, 501))
    assert replace(logged[41].call, time="") == call(42)
    assert logged[41].time.endswith("Z")


@pytest.mark.parametrize("line", [1, 2, 250, 499])
@pytest.mark.parametrize("how", [edit, rewrite, delete, insert, swap, blank])
def test_the_first_line_that_was_changed_is_named(whole: Path, how: Callable[[int], object], line: int) -> None:
    change(whole, how(line))  # type: ignore[arg-type]
    found = verify(whole)
    assert found.problems[0].number == line
    assert found.problems[0].file == "audit.jsonl"
    assert f"The log was changed: line {line} in audit.jsonl" in found.sentence()


@pytest.mark.parametrize("how", [edit, rewrite, delete, blank])
def test_a_change_of_the_last_line_is_named(whole: Path, how: Callable[[int], object]) -> None:
    change(whole, how(500))  # type: ignore[arg-type]
    assert verify(whole).problems[0].number == 500


def test_lines_after_a_change_are_still_checked(whole: Path) -> None:
    change(whole, edit(100))
    change(whole, edit(300))
    found = verify(whole)
    assert [problem.number for problem in found.problems] == [100, 300]
    assert found.lines == 498


@given(st.integers(0, 2**32))
@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
def test_no_change_of_any_byte_goes_unseen(five_hundred: dict[str, bytes], tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    folder = tmp_path / str(seed)
    folder.mkdir(exist_ok=True)
    for name, content in five_hundred.items():
        (folder / name).write_bytes(content)
    path = folder / "audit.jsonl"
    changed = bytearray(path.read_bytes())
    at = rng.randrange(len(changed) - 1)
    changed[at] ^= rng.randrange(1, 256)
    path.write_bytes(changed)
    line = five_hundred["audit.jsonl"][:at].count(b"\n") + 1
    problems = verify(path).problems
    assert problems
    assert problems[0].number in (line, line + 1)  # the newline between two lines belongs to both


def test_a_shortened_log_is_seen_also_after_the_next_call(whole: Path) -> None:
    change(whole, lambda lines: lines.__delitem__(slice(490, 500)))
    assert "line 491 in audit.jsonl and all up to 500 are missing at the end" in verify(whole).sentence()
    AuditLog(whole).record(call(501))
    found = verify(whole)
    assert found.problems[0].number == 491
    assert "missing, and so are those up to 500" in found.problems[0].text
    assert list(entries(whole))[-1].number == 501


def test_a_log_that_is_gone_or_whose_head_is_gone_is_seen(whole: Path) -> None:
    content = whole.read_bytes()
    whole.unlink()
    assert not verify(whole).ok
    whole.write_bytes(content)
    whole.with_name("audit.jsonl.head").unlink()
    assert not verify(whole).ok
    AuditLog(whole).record(call(501))
    found = verify(whole)
    assert [problem.number for problem in found.problems] == [501]
    assert "head had gone" in found.problems[0].text
    AuditLog(whole).record(call(502))
    assert len(verify(whole).problems) == 1


def test_a_log_written_anew_from_a_line_on_is_seen_by_its_head_and_by_a_copy_of_the_head(whole: Path) -> None:
    head = read_head(whole)
    assert head is not None
    prev = ""

    def anew(lines: Lines) -> None:
        nonlocal prev
        for at in range(200, 500):
            fields = parsed(lines[at])
            assert fields is not None
            prev = prev or str(fields["prev"])
            del fields["prev"], fields["hash"]
            lines[at] = sealed({**fields, "key": "other"}, prev)
            prev = line_hash(lines[at]) or ""

    change(whole, anew)
    assert "isn't the one that the head counted" in verify(whole).sentence()
    forged = whole.with_name("audit.jsonl.head")
    forged.write_text(json.dumps({"count": 500, "hash": prev, "file": 0, "size": whole.stat().st_size}))
    assert verify(whole).ok, "with the head forged too, nothing beside the copy can tell"
    assert not verify(whole, known=(head.count, head.hash)).ok
    # A copy of an older head serves as well.
    assert not verify(whole, known=(300, head.hash)).ok


def test_a_line_that_a_dead_process_left_unfinished_is_told_and_breaks_nothing(whole: Path) -> None:
    with whole.open("ab") as log:
        log.write(b'{"n":501,"time":"2026-11-10T12:00')
    found = verify(whole)
    assert (found.ok, found.torn, found.lines) == (True, 1, 500)
    AuditLog(whole).record(call(501))
    AuditLog(whole).record(call(502))
    found = verify(whole)
    assert (found.ok, found.torn, found.lines) == (True, 1, 502)
    assert "1 unfinished line(s)" in found.sentence()
    # What was unfinished can't be changed afterwards either.
    whole.write_bytes(whole.read_bytes().replace(b"12:00\n", b"12:01\n"))
    assert verify(whole).problems[0].number == 501


def test_a_line_that_lacks_its_newline_alone_counts(whole: Path) -> None:
    head = whole.with_name("audit.jsonl.head").read_bytes()
    AuditLog(whole).record(call(501))
    whole.write_bytes(whole.read_bytes()[:-1])
    whole.with_name("audit.jsonl.head").write_bytes(head)
    AuditLog(whole).record(call(502))
    found = verify(whole)
    assert (found.ok, found.torn, found.lines) == (True, 0, 502)


def test_a_line_written_just_before_the_end_of_a_process_counts_without_the_head(whole: Path) -> None:
    head = whole.with_name("audit.jsonl.head").read_bytes()
    AuditLog(whole).record(call(501))
    whole.with_name("audit.jsonl.head").write_bytes(head)
    assert verify(whole).lines == 501
    AuditLog(whole).record(call(502))
    assert (verify(whole).ok, verify(whole).lines) == (True, 502)


def test_a_counted_line_that_is_cut_is_no_accident_of_a_process(whole: Path) -> None:
    whole.write_bytes(whole.read_bytes()[:-20])
    found = verify(whole)
    assert (found.problems[0].number, found.problems[0].text) == (500, "is cut off")
    AuditLog(whole).record(call(501))
    found = verify(whole)
    assert [problem.number for problem in found.problems] == [500]
    assert found.lines == 500


def test_rotation_keeps_the_chain(path: Path) -> None:
    log_of(path, 120, rotate_bytes=10_000)
    names = [file.name for file in files(path)]
    assert names[:2] == ["audit.000001.jsonl", "audit.000002.jsonl"] and names[-1] == "audit.jsonl"
    assert all(file.stat().st_size <= 10_000 for file in files(path))
    assert verify(path).lines == 120 and verify(path).ok
    assert [entry.number for entry in entries(path)] == list(range(1, 121))
    second = path.with_name("audit.000002.jsonl")
    first_of_second = parsed(second.read_bytes().split(b"\n")[0])
    assert first_of_second is not None
    change(second, edit(3))
    assert verify(path).problems[0].file == "audit.000002.jsonl"
    assert verify(path).problems[0].number == int(str(first_of_second["n"])) + 2
    second.unlink()
    gone = verify(path).problems[0]
    assert (gone.number, gone.file) == (first_of_second["n"], "audit.000002.jsonl")


def test_a_process_that_ends_in_the_middle_of_rotation_breaks_nothing(path: Path) -> None:
    log_of(path, 30, rotate_bytes=2**24)
    path.rename(path.with_name("audit.000001.jsonl"))  # and the head still names the old file
    assert verify(path).ok
    AuditLog(path).record(call(31))
    found = verify(path)
    assert (found.ok, found.lines) == (True, 31)
    assert read_head(path).file == 1  # type: ignore[union-attr]


def test_calls_that_are_recorded_together_are_one_chain_over_rotations(path: Path) -> None:
    log = AuditLog(path, rotate_bytes=10_000)
    for size in (1, 50, 0, 3, 120):
        log.record(*map(call, range(size)))
    found = verify(path)
    assert (found.ok, found.lines, found.torn) == (True, 174, 0)
    rotated = [file for file in path.parent.iterdir() if file.name.endswith("jsonl")]
    assert len(rotated) > 5 and all(file.stat().st_size <= 10_000 for file in rotated)


WRITER = """
import sys
from pathlib import Path
from trainer_host.teacher.audit import AuditLog, Call
log = AuditLog(Path(sys.argv[1]), rotate_bytes=40_000)
count, group = int(sys.argv[2]), int(sys.argv[3])
number = 0
print("ready", flush=True)
while number < count:
    number += group
    call = Call("openai", "gpt-5-mini", "answered", key="work", request=f"{number:064x}", status=200)
    log.record(*[call] * group)
"""


def writer(path: Path, count: int, group: int = 1) -> subprocess.Popen[str]:
    made = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(count), str(group)], cwd=REPO, stdout=subprocess.PIPE, text=True
    )
    assert made.stdout is not None and made.stdout.readline() == "ready\n"
    return made


def test_several_processes_write_one_chain(path: Path) -> None:
    writers = [writer(path, 150, group) for group in (1, 6, 30)]
    assert all(process.wait(60) == 0 for process in writers)
    found = verify(path)
    assert (found.ok, found.lines, found.torn) == (True, 450, 0)


def test_a_process_killed_at_any_moment_leaves_a_chain_that_others_go_on_with(path: Path) -> None:
    rng = random.Random(5)
    for group in (1, 1, 1, 7, 40, 300):
        process = writer(path, 10**9, group)
        size, give_up = path.stat().st_size if path.exists() else 0, time.monotonic() + 60
        while (path.stat().st_size if path.exists() else 0) == size and time.monotonic() < give_up:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        AuditLog(path, rotate_bytes=40_000).record(call())
    found = verify(path)
    assert found.ok
    assert found.lines == len(list(entries(path))) > 12


def test_a_full_disk_is_one_sentence_and_leaves_no_half_line(path: Path) -> None:
    import resource

    log = log_of(path, 3)
    size = path.stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, hard))
    try:
        with pytest.raises(TrainerError, match="free some space"):
            log.record(call(4))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, old)
    assert path.stat().st_size == size
    log.record(call(4))
    assert (verify(path).ok, verify(path).lines) == (True, 4)


def test_what_could_hold_a_key_or_a_prompt_is_no_part_of_a_record(path: Path) -> None:
    log = AuditLog(path)
    with pytest.raises(ValueError, match="no outcome"):
        log.record(Call("openai", "m", "sk-proj-abcdef was refused"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="by its hash"):
        log.record(Call("openai", "m", "answered", request="Write me a poem"))
    assert verify(path).lines == 0


def test_long_and_strange_names_and_figures_keep_a_line_a_line(path: Path) -> None:
    log = AuditLog(path)
    strange = "\U0001f600\n\"},{'" * 100
    for _ in range(3):
        log.record(Call(strange, strange, "answered", key=strange, task=strange, usage=Usage(10**40, 2)))
    assert (verify(path).ok, verify(path).lines) == (True, 3)
    assert next(entries(path)).call.usage == Usage(10**15, 2)


def test_the_log_is_the_owners_alone_and_lies_in_the_home_folder(workspace: Workspace) -> None:
    path = audit_path(workspace)
    assert path == workspace.home / "teacher" / "audit.jsonl"
    log_of(path, 1)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_nothing_logged_is_whole(path: Path) -> None:
    assert verify(path).ok
    assert list(entries(path)) == []


def test_recorded_prompts_are_in_the_chain_over_rotations_and_a_long_one_is_cut(path: Path) -> None:
    log = AuditLog(path, rotate_bytes=40_000)
    prompt = "\U0001f600 text\n" * 500
    for number in range(20):
        log.record(replace(call(number), prompt=prompt, answer="an answer"))
    log.record(replace(call(20), prompt="\U0001f600" * 50_000, answer="\ud800" * 50_000))
    assert (verify(path).ok, verify(path).lines) == (True, 21) and len(files(path)) > 5
    *first, last = (entry.call for entry in entries(path))
    assert {one.prompt for one in first} == {prompt}
    assert last.prompt is not None and last.prompt.endswith(" ... [38000 more characters]")
    file = files(path)[2]
    lines = file.read_bytes().splitlines(keepends=True)
    number = json.loads(lines[0])["n"]
    lines[0] = lines[0].replace(b"an answer", b"an Answer")
    file.write_bytes(b"".join(lines))
    assert [problem.number for problem in verify(path).problems][:1] == [number]
