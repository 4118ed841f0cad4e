"""From nothing to a signed specialist that answers on a device: the seven stages, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from trainer_host import asking
from trainer_host.data.dataset import Dataset, Json, open_dataset
from trainer_host.presentation import OnStep, Presenter
from trainer_host.workspace import Workspace, making

EXAMPLES = 24_000
SEED = 1
GATE_ROWS = 2400  # all of the teacher's held-out rows: with fewer, chance alone can cost half a point


@dataclass(frozen=True)
class Course:
    """What a quickstart teaches: the parts that depend on the task.

    teach: writes the dataset and returns it. sentences: what is asked in the end, each with the area of the
    speaker or None. exam: examines a loaded specialist on held-out sentences written by hand; None without.
    """

    specialist: str
    task: str
    teacher: str
    teach: Callable[[Workspace, OnStep], Dataset]
    sentences: tuple[tuple[str, str | None], ...]
    exam: Callable[[object], Json | None] | None = None


@dataclass
class Summary:
    """What `--json` writes; seconds and figures per stage, in the order of the stages."""

    specialist: str
    home: str
    seconds: float = 0.0
    stages: dict[str, Json] = field(default_factory=dict)

    def to_json(self) -> Json:
        """A plain object."""
        return {"format": 1, **asdict(self)}


def home_course(examples: int = EXAMPLES, seed: int = SEED) -> Course:
    """The built-in teacher for English home and robot commands."""

    def teach(workspace: Workspace, on_step: OnStep) -> Dataset:
        return teach_home(workspace, "home-en", examples=examples, seed=seed, on_step=on_step)

    from trainer_host.evaluation import QUICKSTART_SENTENCES

    return Course("home-en", "robot", "built-in grammar", teach, QUICKSTART_SENTENCES, home_exam)


def teach_home(workspace: Workspace, name: str, *, examples: int, seed: int, on_step: OnStep) -> Dataset:
    """Let the built-in teacher write a robot dataset; replaces one of the same name."""
    from trainer_host.data.dataset import seal
    from trainer_host.teacher.home.generate import generate_home_dataset

    with making(workspace.data / name) as folder:
        figures = generate_home_dataset(
            folder,
            examples=examples,
            seed=seed,
            on_progress=lambda done, total: on_step(done / total, f"{done:,} verified examples"),
        )
        params: Json = {"examples": examples}
        seal(folder, name=name, task="robot", teacher="home-grammar", seed=seed, params=params, figures=figures)
    return open_dataset(workspace.data / name)


def teach_mobile(workspace: Workspace, name: str, *, examples: int, seed: int, on_step: OnStep) -> Dataset:
    """The same for pack `robot-en`. Raises `DataError` where the bridge, which drives each row, can't be started."""
    from trainer_host.data.dataset import seal
    from trainer_host.teacher.mobile.generate import generate

    with making(workspace.data / name) as folder:
        figures = generate(
            folder,
            examples=examples,
            seed=seed,
            on_progress=lambda done, total: on_step(done / total, f"{done:,} examples driven in the map"),
        )
        params: Json = {"examples": examples, "pack": "robot-en"}
        seal(folder, name=name, task="robot", teacher="robot-grammar", seed=seed, params=params, figures=figures)
    return open_dataset(workspace.data / name)


def home_exam(specialist: object) -> Json | None:
    """The hand-written exam, with the result of Home Assistant's own grammar beside ours."""
    from typing import cast

    from edge_runtime.tasks import Specialist
    from trainer_host.evaluation import exam_report

    report = exam_report(cast(Specialist, specialist))
    return None if report is None else asdict(report)


def run_quickstart(
    workspace: Workspace,
    course: Course,
    show: Presenter,
    *,
    interactive: bool,
    on_summary: Callable[[Summary], None] | None = None,
) -> Summary:
    """Run all stages; returns the figures. Raises what a stage raises, after stopping the device.

    on_summary: gets the figures before the prompt begins.
    """
    from trainer_host.release.edge_process import edge_running

    began = time.perf_counter()
    summary = Summary(course.specialist, str(workspace.home))
    show.say(f"Everything is kept in {workspace.home}")
    bundle = _make(workspace, course, show, summary)
    workspace.device.mkdir(parents=True, exist_ok=True)
    with ExitStack() as device:
        with _stage(summary, show, "push", "6 Push: to a separate enigma-edge process") as figures:
            url = device.enter_context(edge_running(workspace.device, workspace.home / "device.log"))
            _push(workspace, url, bundle, show, figures)
        with _stage(summary, show, "ask", "7 Ask: through the device's API") as figures:
            _ask(workspace, course, show, figures)
        summary.seconds = round(time.perf_counter() - began, 3)
        show.say(f"\nDone in {summary.seconds:.0f} s.")
        show.say(f"Serve it again with: enigma-edge run --state {workspace.device} --listen 127.0.0.1:8765")
        if on_summary is not None:
            on_summary(summary)
        if interactive:
            converse(workspace, course.specialist, course.task, show)
    return summary


def _make(workspace: Workspace, course: Course, show: Presenter, summary: Summary) -> Path:
    """Stages 1 to 5; returns the bundle."""
    from trainer_host.compress.files import export_run
    from trainer_host.compress.gate import GateReport, gate_run, loaded
    from trainer_host.release.bundle import build_bundle
    from trainer_host.release.keys import signing_key
    from trainer_host.students import student_of
    from trainer_host.training.run import train_run

    with _stage(summary, show, "teach", f"1 Teach: {course.teacher}") as figures:
        with show.working("teaching") as step:
            dataset = course.teach(workspace, step)
        total = sum(dataset.counts.values())
        figures |= {"examples": total, **dataset.counts, "content": dataset.content, **dataset.figures}
        show.say(f"  {total:,} verified examples, {dataset.counts['heldout']:,} of them held out")
    with _stage(summary, show, "train", f"2 Train: {course.specialist} for the task {course.task}") as figures:
        with show.working("training") as step:
            run, report = train_run(
                workspace,
                dataset,
                course.specialist,
                seed=dataset.seed,
                seconds=None,
                on_progress=lambda share, values: step(share, _listed(values)),
            )
        figures |= {"weights": run.weights, **report.figures}
        show.say(f"  {_listed(report.figures)}")
    with _stage(summary, show, "compress", "3 Compress: ONNX fp32, ONNX int8, TFLite int8") as figures:
        with show.working("compressing") as step:
            files = export_run(run, dataset, step)
        figures |= {item.file: {"bytes": item.bytes, "largest_difference": item.error} for item in files}
        show.say("  " + ", ".join(f"{item.file} {item.bytes / 1e6:.2f} MB" for item in files))
    with _stage(summary, show, "gate", "4 Gate: accuracy, size and latency in each runtime") as figures:
        with show.working("examining") as step:
            gate: GateReport = gate_run(run, dataset, rows=GATE_ROWS, on_step=step)
        figures |= {"scores": [asdict(score) for score in gate.scores], "unscored": list(gate.unscored)}
        show.table(*gate.table())
        if course.exam is not None:
            item = next(item for item in files if item.file == "model.int8.onnx")
            with loaded(run, student_of(run), item, item.runtimes[0]) as specialist:
                figures["exam"] = found = course.exam(specialist)
            if found is not None:
                show.say("Sentences written by hand, not by the teacher:")
                show.table(*exam_table(found))
    with _stage(summary, show, "bundle", "5 Bundle and sign") as figures:
        built = build_bundle(workspace, run, dataset, gate, signing_key(workspace))
        figures |= {
            "file": built.path.name,
            "version": built.version,
            "address": built.address,
            "bytes": built.bytes,
            "golden": built.golden,
            "golden_left_out": built.disagreeing,
        }
        show.say(
            f"  {built.path.name}, {built.bytes / 1e6:.2f} MB, {built.golden} golden vectors, {built.address[:23]}"
        )
    return built.path


def _push(workspace: Workspace, url: str, bundle: Path, show: Presenter, figures: Json) -> None:
    from trainer_host.release import devices
    from trainer_host.release.edge_process import pairing_code
    from trainer_host.release.keys import signing_key

    known = next((d for d in devices.known_devices(workspace) if d.name == devices.LOCAL), None)
    target = None if known is None else devices.Device(known.name, url, known.token, known.id)
    fresh = target is None or not devices.still_paired(target)
    if target is None or fresh:
        code = pairing_code(workspace.device)
        target = devices.pair(workspace, url, code, devices.LOCAL, signing_key(workspace))
    else:
        devices.remember(workspace, target)
    started = time.perf_counter()
    with show.working("delivering") as step:
        answer = devices.push(target, bundle, lambda sent, total: step(sent / total, f"{sent / 1e6:.1f} MB"))
    took = round(time.perf_counter() - started, 3)
    figures |= {"url": url, "device": target.id, "paired_now": fresh, "delivery_seconds": took, **answer}
    what = "serves now" if answer.get("changed") else "served already"
    show.say(f"  {answer.get('specialist')} {answer.get('version')} {what} at {url} in {answer.get('runtime')}")


def _ask(workspace: Workspace, course: Course, show: Presenter, figures: Json) -> None:
    from trainer_host.release import devices

    device = devices.device_named(workspace, devices.LOCAL)
    requests = [asking.make_request(course.task, text, area) for text, area in course.sentences]
    answers = devices.ask(device, course.specialist, requests)
    rows, log = [], []
    for (text, area), answer in zip(course.sentences, answers, strict=True):
        confidence, took = asking.figures(answer)
        where = f" [{area}]" if area else ""
        rows.append([text + where, asking.describe(course.task, answer), confidence, took])
        log.append({"text": text, "area": area, **answer})
    show.table(["sentence [where]", "answer", "sure", "took"], rows)
    times = sorted(float(str(answer["ms"])) for answer in answers)
    figures |= {"sentences": log, "median_ms": times[len(times) // 2]}


def converse(workspace: Workspace, specialist: str, task: str, show: Presenter, device: str = "local") -> None:
    """A prompt that asks the device for each line; `:area ID` moves the speaker, `:quit` ends."""
    from edge_runtime.errors import EdgeError
    from trainer_host.errors import TrainerError
    from trainer_host.release import devices

    target = devices.device_named(workspace, device)
    help_ = "Type a sentence; :quit ends" + (", :area kitchen says where you stand." if task == "robot" else ".")
    show.say(f"\n{help_}")
    area: str | None = None
    while True:
        try:
            line = input(f"{area or ''}> ").strip()
        except EOFError:
            return
        if line in (":quit", ":q"):
            return
        if line.startswith(":area"):
            area = line.removeprefix(":area").strip() or None
            continue
        if line.startswith(":"):
            show.say(help_)
            continue
        if not line:
            continue
        try:
            [answer] = devices.ask(target, specialist, [asking.make_request(task, line, area)])
        except (EdgeError, TrainerError) as cause:
            show.warn(str(cause))
            continue
        said = asking.describe(task, answer)
        files = asking.save_files(answer, specialist, None)
        confidence, took = asking.figures(answer)
        show.say("\n".join([said, *(f"  wrote {path}" for path in files), f"  sure {confidence}, {took}"]))


@contextmanager
def _stage(summary: Summary, show: Presenter, name: str, title: str) -> Iterator[Json]:
    """Show a stage and put its seconds and figures into the summary."""
    show.stage(title)
    figures: Json = {}
    started = time.perf_counter()
    summary.stages[name] = {"seconds": 0.0, "figures": figures}
    yield figures
    seconds = time.perf_counter() - started
    summary.stages[name]["seconds"] = round(seconds, 3)
    show.say(f"  {seconds:.1f} s")


def _listed(values: object) -> str:
    if not isinstance(values, dict):
        return ""
    return ", ".join(f"{key.replace('_', ' ')} {value:,g}" for key, value in values.items())


def exam_table(found: Json) -> tuple[list[str], list[list[str]]]:
    """Headers and rows of an exam's result, ours and hassil's."""
    from trainer_host.evaluation.exam import percent

    whose = {f"this specialist, {found.get('cases')} sentences": "", "Home Assistant's grammar (hassil)": "hassil_"}
    kinds = ["accuracy", "easy", "hard"]
    rows = [[who, *(percent(found.get(f"{prefix}{kind}")) for kind in kinds)] for who, prefix in whose.items()]
    return ["who", "all", "easy", "hard"], rows
