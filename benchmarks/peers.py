"""Every student beside a named peer, or a plain answer where no package has one: size, latency and score, in one table.

    python benchmarks/peers.py [--home DIR ...] [--only TASK ...] [--rows 200] [--longer SECONDS] [--write docs/students-table.md]
    python benchmarks/peers.py --train [NAME ...] --home DIR --write docs/students-table.md     # from nothing, in some two hours

With --train, the first home gets what it lacks of `RECIPES` in `benchmarks/peers_trained.py` (all, or those that are named) by the
commands that a person would type. What is learnt from pictures that aren't in any package here (Fashion-MNIST, CIFAR-10, emoji) is imported and
trained by hand, as docs/specialists.md says, into a home that is named besides.

Trained models are taken from the home folders as they are: of each task (of pictures and games, of each dataset) the newest run that
passed its gate. With --longer, a student that loses to a peer is trained again first, from the same rows, as NAME-longer. Student and peer answer the same held-out rows, one at a time on one thread; a latency is the median of
processor time of a whole answer. Peers that aren't installed are said so, and a student that no home has, too:

    pip install --no-deps pymicro-wakeword pymicro-features     # wake words
    pip install hassil home-assistant-intents minigrid          # Home Assistant's grammar; BabyAI's expert bot
    ../shared/data/mlperf_tiny                                  # MLPerf Tiny's models, as `benchmarks/mlperf_tiny.py` has them
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.peers_known import (  # noqa: E402
    GAMES,
    MISSIONS,
    Peer,
    babyai,
    connect_four,
    hassil,
    home_words,
    image_resnet,
    lookup,
    nearest_caption,
    nearest_pictures,
    pixel_regression,
    said_of,
    same_frame,
    speakers,
)
from benchmarks.peers_language import WRITES, small_model  # noqa: E402
from benchmarks.peers_trained import RECIPES, train_missing  # noqa: E402
from trainer_host.compress.files import export_run, exported  # noqa: E402
from trainer_host.compress.gate import gate_run, latency, opened, read_report  # noqa: E402
from trainer_host.data.dataset import Dataset, Row, open_dataset  # noqa: E402
from trainer_host.errors import TrainerError  # noqa: E402
from trainer_host.evaluation.answers import CAPTIONS, FRAMES, VOICE, Answered, examine  # noqa: E402
from trainer_host.evaluation.compare import smallest  # noqa: E402
from trainer_host.students import TRAINED, student_of  # noqa: E402
from trainer_host.tasks import TASKS, task_spec  # noqa: E402
from trainer_host.tasks.next_frames import NextFrames  # noqa: E402
from trainer_host.training.run import Run, open_run, train_run  # noqa: E402
from trainer_host.workspace import Workspace, default_home  # noqa: E402

WAKE_WORD, VISION, GAME, ROBOT = "wake_word", "vision", "game", "robot"
CIFAR = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}
ABSENT = "not measured here"
HEAD = """# Students and their peers

Made by `python benchmarks/peers.py`; its first lines say how. Sizes are of model files (of a peer: what it needs of its own to answer), latencies the median
of a whole answer on one thread, scores on the same held-out rows unless a line says otherwise. Where no package has a peer, the
training row that looks most alike answers, which is what a table of the rows could do. A student is as good as its rows and its minutes, which stand
beside it: these are short trainings, and [what each task's specialist does](specialists.md) has figures of longer ones.

"""


@dataclass(frozen=True)
class Line:
    """A student and a peer. score: what is counted, and in how many rows. note: what else is to be known."""

    task: str
    score: str
    student: Peer | None
    peer: Peer | None
    note: str = ""


@dataclass(frozen=True)
class Found:
    """A run that passed its gate, with its dataset."""

    run: Run
    dataset: Dataset
    kind: str


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print or write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--home", action="append", type=Path, help="of trained models; may be repeated (default: the user's own)"
    )
    parser.add_argument("--only", action="append", choices=[*TASKS, WAKE_WORD], help="may be repeated (default: all)")
    parser.add_argument("--rows", type=int, default=200, help="to answer, of each (default: %(default)s)")
    parser.add_argument(
        "--longer", type=float, metavar="SECONDS", help="train what loses to its peer again, for so long"
    )
    parser.add_argument(
        "--train", nargs="*", choices=[recipe.run for recipe in RECIPES], help="first train what is missing"
    )
    parser.add_argument("--write", type=Path, help="write the page here too")
    args = parser.parse_args(argv)
    homes = [Workspace(home) for home in args.home or [default_home()]]
    if args.train is not None:
        for problem in train_missing(homes[0], tuple(args.train)):
            print(problem, file=sys.stderr)
    found = trained(homes)
    lines: list[Line] = []
    for task in args.only or [*TASKS, WAKE_WORD]:
        own = [one for one in found if one.run.task == task]
        if args.longer is not None:
            own = [longer(one, args.longer) if loses(one, args.rows) else one for one in own]
        for line in measured(task, own, args.rows):
            lines.append(line)
            print(markdown([line]).splitlines()[-1], file=sys.stderr, flush=True)
    page = f"{HEAD}{markdown(lines)}\n\n{processor()}\n"
    print(markdown(lines))
    if args.write is not None:
        args.write.write_text(page, encoding="utf-8")


def loses(one: Found, rows: int) -> bool:
    """Whether a peer that answers the same rows has a better score."""
    if one.run.task == WAKE_WORD or one.run.kind == VOICE or _has_heads(one):
        return False
    answers, own, _ = answered(one, rows)
    return any((peer.score or 0.0) > (own.score or 0.0) for peer in peers_of(one, answers))


def longer(one: Found, seconds: float) -> Found:
    """A run of the same rows and settings that may take `seconds`; the old one where the gate refuses it."""
    name, home = f"{one.run.name}-longer", Workspace(one.run.folder.parents[1])

    def tell(share: float, values: object) -> None:
        pass

    try:
        settings = one.run.settings
        run, _ = train_run(
            home, one.dataset, name, seed=one.run.seed, seconds=seconds, on_progress=tell, settings=settings
        )
        export_run(run, one.dataset, tell)
        gate_run(run, one.dataset)
    except TrainerError as cause:
        print(f"{name}: {cause}", file=sys.stderr)
        return one
    return Found(run, one.dataset, one.kind)


def trained(workspaces: Sequence[Workspace]) -> list[Found]:
    """Of each task and kind, and of each dataset of pictures or games, the newest run that passed."""
    newest: dict[tuple[str, str], tuple[float, Found]] = {}
    for workspace in workspaces:
        for name in workspace.names(workspace.runs):
            try:
                run = open_run(workspace.run(name))
                read_report(run)
                dataset = open_dataset(workspace.dataset(run.dataset))
            except TrainerError:  # unfinished, refused, or its rows are gone
                continue
            if run.task not in TRAINED:
                continue
            kind = dataset.name if run.task in (VISION, GAME) else run.kind or ""
            at = (run.folder / "gate.json").stat().st_mtime
            if (run.task, kind) not in newest or at > newest[run.task, kind][0]:
                newest[run.task, kind] = at, Found(run, dataset, kind)
    return [one for _, one in newest.values()]


def measured(task: str, found: Sequence[Found], rows: int) -> Iterator[Line]:
    """The lines of a task."""
    if task == WAKE_WORD:
        yield from of_wake_word(found)
        return
    own = [one for one in found if not _has_heads(one)]
    if not own:
        yield Line(task, "", None, None, "no home has a trained one")
    cifar = None
    for one in own:
        if one.run.kind == VOICE:
            yield of_voice(one)
            continue
        answers, side, runtime = answered(one, rows)
        counted = task_spec(task).metric
        if "label" in answers[0].got and task == VISION:
            counted = "right labels"
        elif "answer" in answers[0].got and task == VISION:
            counted = "right answers"
        elif one.run.kind in FRAMES:
            counted = NextFrames.metric
        elif one.run.kind == CAPTIONS:
            counted = "others' pictures that are less like it than the caption's own"
        score = f"{counted}, {len(answers)} rows"
        said = f"{task}: {one.kind}" if one.kind else task
        for peer in peers_of(one, answers):
            yield Line(said, score, side, peer, runtime)
        if task == VISION and set(_labels(answers)) >= CIFAR:
            cifar = side
    for one in found:
        if _has_heads(one):
            yield from of_heads(one, own)
    if task == VISION:
        resnet, note = image_resnet()
        if cifar is None:
            note += "; the student's 10,000: benchmarks/photographs.py, [told here](specialists.md#vision)"
        yield Line("vision: CIFAR-10", "right labels", cifar, resnet, note)
    if task == GAME:
        yield from of_game(own)
    if task == "audio_gen":
        for peer in speakers():
            said = "the usual student's words are said by espeak-ng, see [spoken words](specialists.md#audio_gen)"
            yield Line("audio_gen: words", "", None, peer, said)


def answered(one: Found, rows: int) -> tuple[tuple[Answered, ...], Peer, str]:
    """Held-out rows and what the smallest file said, its figures, and the runtime."""
    made = examine(one.run, one.dataset, rows, lambda share, what: None)
    item, student = smallest(exported(one.run)), student_of(one.run)
    with opened(one.run, student, item, item.runtimes[0]) as (specialist, engine):
        p50, _ = latency(specialist, student.golden(one.run.folder, one.dataset.folder, 64), engine)
    score = sum(answer.score for answer in made.answers) / len(made.answers)
    return made.answers, Peer(said_of(one.run, made.file), made.bytes, p50, score), made.runtime


def peers_of(one: Found, answers: Sequence[Answered]) -> Iterator[Peer]:
    """Who else answers the same rows."""
    first = answers[0]
    if one.run.task == VISION and "label" in first.got:
        yield nearest_pictures(one.dataset, answers)
        yield pixel_regression(one.dataset, answers)
        return
    if one.run.kind == CAPTIONS:
        yield nearest_caption(one.dataset, answers)
        return
    if one.run.kind in FRAMES:
        yield same_frame(answers)
        return
    if one.run.task in WRITES:
        yield small_model(Workspace(one.run.folder.parents[1]), answers)
    if one.run.task == ROBOT:
        yield hassil(one.dataset, answers)
    yield lookup(one.dataset, answers)


def of_game(found: Sequence[Found]) -> Iterator[Line]:
    """Matches and missions of the players that learnt them."""
    parts: tuple[tuple[str, str, Callable[[Run], tuple[Peer, Peer] | None]], ...] = (
        ("game: connect four", f"points of {GAMES} games against each other", connect_four),
        ("game: BabyAI", f"missions done, {MISSIONS} on each of five levels", babyai),
    )
    for name, score, play in parts:
        played = [made for one in found if (made := play(one.run)) is not None]
        for made in played:
            yield Line(name, score, *made)
        if not played:
            yield Line(name, score, None, None, "no home has a player that learnt it")


def of_heads(one: Found, found: Sequence[Found]) -> Iterator[Line]:
    """One encoder with several heads beside its specialists, by what the gates measured; nothing where one of those is missing."""
    sources = one.dataset.params.get("made_of")
    names = [str(item["name"]) for item in sources] if isinstance(sources, list) else []
    singles = {single.kind: _gated(single) for single in found if single.kind in names}
    if not names or set(singles) != set(names):
        return
    together = [singles[name] for name in names]
    scores = sum(side.score or 0.0 for side in together) / len(together)
    peer = Peer(
        "its specialists together",
        sum(side.bytes or 0 for side in together),
        sum(side.ms or 0.0 for side in together),
        scores,
    )
    note = "one answer of the combo has all heads'; by what the gates measured"
    yield Line(f"vision: {' + '.join(names)}", "right labels, mean of the heads", _gated(one), peer, note)


def _gated(one: Found) -> Peer:
    best = min(read_report(one.run).chosen(), key=lambda score: score.bytes)
    return Peer(said_of(one.run, best.file), best.bytes, best.p50_ms, best.accuracy)


def of_voice(one: Found) -> Line:
    """A voice beside the mean of each sound, whatever stands around it, by what the gate measured."""
    best = min(read_report(one.run).chosen(), key=lambda score: score.bytes)
    peer = Peer("each sound's mean", None, None, best.figures["by_sound"])
    score = f"spectrum as the teacher's, 0 for its mean, {best.figures['rows']:.0f} sentences"
    return Line("audio_gen: voice", score, _gated(one), peer, "how well it is understood: benchmarks/voice_words.py")


def of_wake_word(found: Sequence[Found]) -> Iterator[Line]:
    """Each word on its own phrase and the same talk, at its own threshold."""
    sides = home_words([one.run for one in found])
    students = [side for own, side in sides if own]
    others = [side for own, side in sides if not own]
    note = (
        "synthetic speakers, each its own phrase; ms of 10 ms of sound; alarms by other talk: benchmarks/wake_word.py"
    )
    if found:
        figures = min(read_report(found[0].run).chosen(), key=lambda score: score.bytes).figures
        note += f"; the student's gate: {figures['alarms_per_hour']:.1f} an hour in {figures['hours']:.2f} hours"
    if not others:
        yield Line(
            WAKE_WORD, "heard phrases", students[0] if students else None, None, "pymicro-wakeword isn't installed"
        )
    for other in others:
        yield Line(WAKE_WORD, "heard phrases", students[0] if students else None, other, note)


def markdown(lines: Sequence[Line]) -> str:
    """The table."""
    head = ["task", "score", "student", "kB", "ms", "%", "peer", "kB", "ms", "%", "note"]
    body = [[line.task, line.score, *_cells(line.student), *_cells(line.peer), line.note] for line in lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *body])


def processor() -> str:
    """One line of what it was measured on."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        name = next(line.partition(":")[2].strip() for line in told.splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.machine()
    return f"Measured on {os.cpu_count()} cores of {name}, {time.strftime('%Y-%m-%d', time.gmtime())}."


def _cells(side: Peer | None) -> list[str]:
    if side is None:
        return [ABSENT, "", "", ""]
    return [
        side.name,
        "" if side.bytes is None else f"{side.bytes / 1000:,.0f}",
        "" if side.ms is None else f"{side.ms:.2f}",
        "" if side.score is None else f"{side.score * 100:.1f}",
    ]


def _has_heads(one: Found) -> bool:
    first: Row | None = next(iter(one.dataset.rows("train")), None)
    return first is not None and "head" in first.input


def _labels(answers: Sequence[Answered]) -> list[str]:
    return [
        str(objects[0]["label"])
        for answer in answers
        if isinstance(objects := answer.wanted.get("objects"), list) and objects
    ]


if __name__ == "__main__":
    main()
