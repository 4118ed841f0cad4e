"""How much of a bundle has to be sent to a device that has an older one: the table of docs/deltas.md.

    python benchmarks/deltas.py --home DIR [--case NAME ...] [--base TASK=RUN ...] [--json FILE]

Each case is a run that was trained before (taught by the built-in teacher where DIR has none) and one that began with
it. The new one is exported twice, with its own scales and with its base's, gated, bundled, and made into what
`enigma release` offers; every delta is applied, and must give the bundle byte by byte. Beside it, over the whole
bundles: bsdiff4, zstd with the old bundle as its dictionary (what `zstd --patch-from` does), and chunks by content
(FastCDC, 16 KiB) of which only new ones are sent, packed by zstd; each where its package is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from edge_runtime.bundle import read_envelope, unpack_bundle
from edge_runtime.update.delta import apply
from trainer_host.compress.files import OWN, export_run, exported, scales_of
from trainer_host.compress.gate import gate_run, read_report
from trainer_host.data.dataset import Dataset, open_dataset
from trainer_host.data.derive import mix
from trainer_host.data.transfer import import_rows
from trainer_host.errors import TrainerError
from trainer_host.release.bundle import build_bundle
from trainer_host.release.delta import make_sources
from trainer_host.release.keys import signing_key
from trainer_host.students import text_heads
from trainer_host.teacher.home.generate import batch, row_of
from trainer_host.teacher.lesson import BUILT_IN, Lesson
from trainer_host.teacher.teach import give
from trainer_host.training.run import Run, dataset_of, open_run, train_run
from trainer_host.workspace import Workspace

BASE_ROWS = {"robot": 24_000, "router": 1500, "chat": 600}
HOME_ROWS = 300  # of one home
MORE_ROWS = 300  # of the built-in teacher
EXAMINED = 60  # held-out rows: whether a bundle may be made is all that is asked of the gate here
CHUNK = 16 * 1024
MOST = 64 * 2**20


@dataclass(frozen=True)
class Case:
    """A base's task, and how the new run is trained. tuned: of the usual rate and steps, for router and avatar."""

    name: str
    task: str
    settings: dict[str, object] = field(default_factory=dict)
    tuned: float | None = None
    anew: bool = False


CASES = (
    Case("robot, one home's rows added", "robot"),
    Case("router, light", "router", tuned=0.05),
    Case("router, medium", "router"),
    Case("router, heavy", "router", tuned=1.0),
    Case("router, trained anew", "router", anew=True),
    Case("chat, LoRA merged", "chat", {"lora": "r=8", "epochs": 2.0}),
    Case("chat, all weights", "chat", {"epochs": 2.0}),
)


@dataclass
class Measured:
    """Bytes by way of sending; seconds and MiB beyond the start, to make and to apply the smallest."""

    case: str
    accuracy: tuple[float, float]  # with its own scales, with the base's
    bytes: int = 0
    changed: float = 0.0  # share of the model files' bytes, with the base's scales
    ways: dict[str, int | None] = field(default_factory=dict)
    scheme: str = ""
    make: tuple[float, float] = (0.0, 0.0)
    apply: tuple[float, float] = (0.0, 0.0)


def base_run(workspace: Workspace, task: str, named: str | None) -> Run:
    """A run of a task that passed the gate."""
    name = named or f"{BUILT_IN}-{task}"
    if not (workspace.runs / name / "run.json").is_file():
        lesson = Lesson(BUILT_IN, (task,), BASE_ROWS[task], BUILT_IN)
        dataset = give(workspace, lesson, None).taught[0].dataset
        train_run(workspace, dataset, name, seed=1, seconds=None, on_progress=nothing)
    run = open_run(workspace.run(name))
    gated(workspace, run, None)
    return run


def gated(workspace: Workspace, run: Run, scales: str | None) -> float:
    """Export and gate a run unless that is done; its smallest file's accuracy."""
    dataset = dataset_of(workspace, run)
    try:
        if scales is not None:
            raise TrainerError("exported anew")
        exported(run)
        return read_report(run).chosen()[0].accuracy
    except TrainerError:
        export_run(run, dataset, nothing, scales_of=scales)
        return gate_run(run, dataset, rows=EXAMINED).chosen()[0].accuracy


def more_rows(workspace: Workspace, base: Run) -> Dataset:
    """The base's dataset with rows that it hasn't."""
    name = f"{base.name}-more"
    if (workspace.data / name).is_dir():
        return open_dataset(workspace.dataset(name))
    if base.task == "robot":
        home, examples, _ = batch("one more home", HOME_ROWS, False, 0)
        with tempfile.TemporaryDirectory() as folder:
            inventory, rows = Path(folder) / "home.json", Path(folder) / "rows.jsonl"
            inventory.write_text(json.dumps(home))
            rows.write_text("".join(f"{json.dumps(home_row(row_of(example)))}\n" for example in examples))
            more = import_rows(
                workspace, rows, task="robot", name="one-home", seed=1, held_out=0.1, inventory=inventory
            )
    else:
        lesson = Lesson("more", (base.task,), MORE_ROWS, BUILT_IN, seed=7)
        more = give(workspace, lesson, None).taught[0].dataset
    return mix(workspace, name, [dataset_of(workspace, base), more])


def home_row(row: dict) -> dict:
    """A row of the home grammar as a person would write it, in the home that is named beside the file."""
    given = {key: value for key, value in row["input"].items() if key != "home"}
    return {"input": given, "output": row["output"]}


def tuned_run(workspace: Workspace, base: Run, case: Case) -> Run:
    """The run of a case, trained where it isn't there."""
    name = "d-" + "".join(letter if letter.isalnum() else "-" for letter in case.name.lower()).replace("--", "-")
    if not (workspace.runs / name / "run.json").is_file():
        usual = text_heads.TUNED
        text_heads.TUNED = case.tuned or usual
        try:
            settings = {} if case.anew else {"init": base.name, **case.settings}
            data = more_rows(workspace, base)
            started = time.process_time()
            train_run(workspace, data, name, seed=2, seconds=None, settings=settings, on_progress=nothing)
            print(f"{name}: trained in {time.process_time() - started:.0f} s of the processor", flush=True)
        finally:
            text_heads.TUNED = usual
    return open_run(workspace.run(name))


def measure(workspace: Workspace, base: Run, case: Case, folder: Path) -> Measured:
    """Train, export both ways, bundle, make and apply."""
    run = tuned_run(workspace, base, case)
    old = bundled(workspace, base, "base", folder)
    own_accuracy = gated(workspace, run, OWN)
    own = bundled(workspace, run, "own", folder)
    kept_accuracy = gated(workspace, run, base.name)
    fell_back = scales_of(run) is None
    new = bundled(workspace, run, "kept", folder)
    found = Measured(case.name, (own_accuracy, kept_accuracy), new.stat().st_size)
    found.changed = changed(run, base)
    (folder / "own").mkdir()
    delta, packed = smallest(make_sources(own, [old], folder / "own"), own)
    found.ways |= {"xz": packed, "delta, own scales": delta}
    found.make, made = watched(make_sources, new, [old], folder / "kept")
    delta, _ = smallest(made, new)
    found.ways["delta, base's scales"] = None if fell_back else delta
    first = made[0]
    found.scheme = first.scheme
    unpacked = folder / "unpacked"
    unpacked.mkdir()
    unpack_bundle(old, read_envelope(old.read_bytes()), unpacked)
    for source in made:
        out = folder / "out"
        seconds, _ = watched(apply, source.path, unpacked if source.base else None, out, MOST)
        assert out.read_bytes() == new.read_bytes()
        out.unlink()
        found.apply = seconds if source is first else found.apply
    found.ways |= {name: way(old.read_bytes(), new.read_bytes()) for name, way in PEERS.items()}
    return found


def bundled(workspace: Workspace, run: Run, name: str, folder: Path) -> Path:
    """The run's bundle; the files that are of one specialist have one name, so that only what changed differs."""
    there = Workspace(folder / f"home-{name}")
    dataset = dataset_of(workspace, run)
    version = "1.0.0" if name == "base" else "1.1.0"
    key = signing_key(workspace)
    return build_bundle(there, run, dataset, read_report(run), key, name="specialist", version=version).path


def smallest(sources: list, new: Path) -> tuple[int, int]:
    """Bytes of the best way, and of the packed copy."""
    size = new.stat().st_size
    packed = min((source.bytes for source in sources if source.base is None), default=size)
    return min((source.bytes for source in sources), default=size), packed


def changed(run: Run, base: Run) -> float:
    """The share of bytes that differ in the files of equal name and length that a bundle carries."""
    import numpy as np

    different = total = 0
    for score in read_report(run).chosen():
        one, other = ((each.folder / score.file).read_bytes() for each in (run, base))
        total += len(one)
        same = len(one) == len(other)
        different += int((np.frombuffer(one, np.uint8) != np.frombuffer(other, np.uint8)).sum()) if same else len(one)
    return different / total


def watched(work: Callable[..., object], *given: object) -> tuple[tuple[float, float], object]:
    """Seconds of the processor and MiB at the highest, beyond what it began with, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_watched, (work, given))


def _watched(work: Callable[..., object], given: tuple[object, ...]) -> tuple[tuple[float, float], object]:
    Path("/proc/self/clear_refs").write_text("5")  # the highest so far was what the imports took, see proc(5)
    before, started = _memory("VmRSS"), time.process_time()
    made = work(*given)
    seconds = time.process_time() - started
    return (round(seconds, 3), round((_memory("VmHWM") - before) / 1024, 1)), made


def _memory(name: str) -> int:
    """KiB of this process."""
    return int(Path("/proc/self/status").read_text().split(f"{name}:")[1].split()[0])


def by_bsdiff(old: bytes, new: bytes) -> int | None:
    """The whole bundles, by bsdiff4."""
    try:
        import bsdiff4
    except ImportError:
        return None
    return len(bsdiff4.diff(old, new))


def by_zstd(old: bytes, new: bytes) -> int | None:
    """As `zstd -19 --long --patch-from`."""
    try:
        import zstandard
    except ImportError:
        return None
    known = zstandard.ZstdCompressionDict(old, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    chosen = zstandard.ZstdCompressionParameters.from_level(
        19, window_log=max(20, (len(old) + len(new)).bit_length()), enable_ldm=True
    )
    return len(zstandard.ZstdCompressor(dict_data=known, compression_params=chosen).compress(new))


def by_chunks(old: bytes, new: bytes) -> int | None:
    """Chunks that the old bundle doesn't have, each packed, and 32 bytes to name each chunk."""
    try:
        import zstandard
        from fastcdc import fastcdc
    except ImportError:
        return None

    def chunks(content: bytes) -> dict[bytes, bytes]:
        pieces = (content[each.offset : each.offset + each.length] for each in fastcdc(content, avg_size=CHUNK))
        return {hashlib.sha256(piece).digest(): piece for piece in pieces}

    known, wanted = chunks(old), chunks(new)
    packer = zstandard.ZstdCompressor(19)
    return 32 * len(wanted) + sum(len(packer.compress(piece)) for name, piece in wanted.items() if name not in known)


PEERS = {"bsdiff4": by_bsdiff, "zstd --patch-from": by_zstd, "FastCDC 16K": by_chunks}


def table(rows: list[Measured]) -> str:
    """Markdown: each way in percent of the whole bundle."""
    ways = list(rows[0].ways)
    lines = [
        f"| change | MB | accuracy: own scales, base's | bytes changed | {' | '.join(ways)} | make | apply |",
        "|" + "---|" * (6 + len(ways)),
    ]
    for row in rows:
        shares = ["-" if (size := row.ways[way]) is None else f"{100 * size / row.bytes:.1f}" for way in ways]
        costs = [f"{seconds:.2f} s, {memory:.0f} MiB" for seconds, memory in (row.make, row.apply)]
        accuracy = ", ".join(f"{100 * value:.1f}" for value in row.accuracy)
        lines.append(
            f"| {row.case} | {row.bytes / 1e6:.2f} | {accuracy} | {100 * row.changed:.0f} % | "
            f"{' | '.join(shares)} | {' | '.join(costs)} |"
        )
    return "\n".join(lines)


def nothing(share: float, what: object) -> None:
    """Progress that nobody watches."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--case", action="append", choices=[case.name for case in CASES])
    parser.add_argument("--base", action="append", default=[], metavar="TASK=RUN")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    workspace = Workspace(args.home)
    named = dict(given.split("=", 1) for given in args.base)
    rows = []
    for case in CASES:
        if args.case and case.name not in args.case:
            continue
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(workspace, base_run(workspace, case.task, named.get(case.task)), case, Path(folder)))
        print(table(rows[-1:]), flush=True)
    print(table(rows))
    if args.json:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
