"""A run's answers to its held-out rows: what was asked, what was wanted, what the device's code answered, how good it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from edge_runtime.errors import BadRequest
from edge_runtime.media import Media
from edge_runtime.tasks import Specialist, wake_word
from trainer_host.compress.files import exported
from trainer_host.compress.gate import loaded
from trainer_host.data.check import homes_of
from trainer_host.data.combos import COMBO
from trainer_host.data.dataset import Dataset, Json, Row
from trainer_host.data.quality import files_of
from trainer_host.errors import DataError
from trainer_host.evaluation.compare import smallest
from trainer_host.students import student_of
from trainer_host.tasks import TASKS, task_spec
from trainer_host.training.run import Run

CAPTIONS = "captions"  # whose pictures are compared with one another
VOICE = "voice"  # whose sounds are compared with the teacher's
SOUND = "said.wav"
FRAMES = ("frames", "recording")  # of which questions and answers are pictures
_PICTURES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif"}


@dataclass(frozen=True)
class Answered:
    """One held-out row. files: those that the question names. score: the task's own metric, 0 to 1."""

    task: str
    asked: Json
    wanted: Json
    got: Json
    score: float
    files: dict[str, bytes]

    @property
    def confidence(self) -> float | None:
        """Of the answer, 0 to 1: that of its least sure part; None where it says none."""
        found = self.got.get("confidence")
        if isinstance(found, dict):
            found = min((value for value in found.values() if isinstance(value, int | float)), default=None)
        return float(found) if isinstance(found, int | float) else None

    @property
    def unsure(self) -> bool:
        """Whether the device would say that it isn't sure."""
        return bool(self.got.get("unsure"))


@dataclass(frozen=True)
class Examined:
    """The answers of a run's smallest file."""

    file: str
    runtime: str
    bytes: int
    answers: tuple[Answered, ...]


def examine(run: Run, dataset: Dataset, most: int, on_step: Callable[[float, str], None]) -> Examined:
    """Ask at most `most` held-out rows, spread over all of them; raises `DataError` where there is nothing to ask."""
    if run.task not in (*TASKS, COMBO, wake_word.NAME):
        raise DataError(f"A {run.task} has no questions with right answers, so there is nothing to show.")
    if (dataset.task, dataset.kind) != (run.task, run.kind):
        raise DataError(f"'{dataset.name}' has rows of the task {dataset.task}; the run's task is {run.task}.")
    rows = list(dataset.rows("heldout"))
    if not rows:
        raise DataError("The dataset has no held-out rows to ask; add rows.")
    rows = [rows[at * len(rows) // min(most, len(rows))] for at in range(min(most, len(rows)))]
    item = smallest(exported(run))
    homes = homes_of(dataset)
    made = []
    with loaded(run, student_of(run), item, item.runtimes[0]) as specialist:
        if run.task == wake_word.NAME:
            sounds = listened(dataset, rows, specialist, on_step)
            return Examined(item.file, item.runtimes[0], item.bytes, sounds)
        if run.kind == CAPTIONS:
            painted = _painted(run, dataset, rows, specialist, on_step)
            return Examined(item.file, item.runtimes[0], item.bytes, painted)
        if run.kind == VOICE:
            said = _voiced(run, dataset, rows, specialist, on_step)
            return Examined(item.file, item.runtimes[0], item.bytes, said)
        for number, row in enumerate(rows):
            on_step(number / len(rows), f"{number} of {len(rows)}")
            task, inner = _inner(row, run.task)
            request = _named(dataset, inner) if run.kind in FRAMES else _request(task, inner, dataset, homes)
            whole: Json = {"task": task, "request": request} if run.task == COMBO else request
            try:
                got = specialist.run(whole)
            except BadRequest as cause:  # a device would say so too, and nobody would get an answer
                got = {"error": str(cause), "unsure": True}
            wanted = _named(dataset, row.output) if run.kind in FRAMES else row.output
            score = task_spec(task).score(wanted, got)
            files = {name: content for name, content in files_of(dataset, row).items() if name in inner.values()}
            made.append(Answered(task, inner, wanted, got, score, files))
    on_step(1.0, "done")
    return Examined(item.file, item.runtimes[0], item.bytes, tuple(made))


def _painted(
    run: Run, dataset: Dataset, rows: Sequence[Row], specialist: Specialist, on_step: Callable[[float, str], None]
) -> tuple[Answered, ...]:
    """Pictures of captions, beside those that people took; see `likenesses` for the score."""
    from trainer_host.students.image_flow import likenesses

    answers, pictures = [], []
    for number, row in enumerate(rows):
        on_step(number / len(rows), f"{number} of {len(rows)}")
        answers.append(specialist.run(dict(row.input)))
        path = dataset.folder / "files" / str(row.output["picture"])
        pictures.append(Media(_PICTURES.get(path.suffix.lower(), "image/png"), path.read_bytes()))
    made = [cast(Media, answer["picture"]).content for answer in answers]
    scores = likenesses([picture.content for picture in pictures], made)
    on_step(1.0, "done")
    return tuple(
        Answered(run.task, row.input, {**row.output, "picture": picture}, got, score, {})
        for row, picture, got, score in zip(rows, pictures, answers, scores, strict=True)
    )


def _voiced(
    run: Run, dataset: Dataset, rows: Sequence[Row], specialist: Specialist, on_step: Callable[[float, str], None]
) -> tuple[Answered, ...]:
    """What a voice says, beside its teacher; see `VoiceStudent.likeness` for the score."""
    from trainer_host.speech.voice_rows import FILES
    from trainer_host.students.voice import VoiceStudent

    made = []
    for number, row in enumerate(rows):
        on_step(number / len(rows), f"{number} of {len(rows)}")
        got = specialist.run(dict(row.input))
        sound = Media("audio/wav", (dataset.folder / FILES / str(row.output["sound"])).read_bytes())
        wanted: Json = {"sounds": row.output["sounds"], "sound": sound}
        score = VoiceStudent().likeness(run.folder, dataset.folder, row, specialist)
        made.append(Answered(run.task, row.input, wanted, got, score, {}))
    on_step(1.0, "done")
    return tuple(made)


def listened(
    dataset: Dataset, rows: Sequence[Row], specialist: Specialist, on_step: Callable[[float, str], None]
) -> tuple[Answered, ...]:
    """What a wake word made of phrases, near misses and other talk, each as it is heard in a room with noise."""
    from edge_runtime.audio.files import write_sound
    from trainer_host.speech.kinds import NEAR, PHRASE
    from trainer_host.speech.recordings import is_recorded
    from trainer_host.students.wake_data import Scene, heard_rows
    from trainer_host.students.wake_word import is_right

    kinds = (PHRASE, NEAR)  # in this order they are heard
    said = iter([row for kind in kinds for row in rows if row.meta["kind"] == kind])
    made = []
    for sound in heard_rows(rows, dataset.folder, 2, Scene(), (1, 1), lambda share: on_step(share, f"{share:.0%}")):
        row = next(said) if sound.kind in kinds else None
        by = {"by": "a person"} if row is not None and is_recorded(row) else {}
        words = {"text": str(row.input["text"])} if row is not None and "text" in row.input else {}
        content = write_sound(sound.samples)
        answer = specialist.run({"audio": Media("audio/wav", content)})
        found = [float(one["seconds"]) for one in cast(list[dict[str, float]], answer["detections"])]
        peak = float(cast(float, answer["confidence"]))
        right = is_right(sound, found)
        elsewhere = (
            {"problem": "It wakes, but not where the phrase ends."} if found and sound.end >= 0 and not right else {}
        )
        got: Json = {
            "wakes": bool(found),
            **({"at": found} if found else {}),
            **elsewhere,
            "highest": peak,
            "confidence": peak if found else 1 - peak,
            "unsure": answer["unsure"],
        }
        wanted: Json = {"wakes": sound.end >= 0, **({"at": round(sound.end, 2)} if sound.end >= 0 else {})}
        asked: Json = {"sound": SOUND, "kind": sound.kind, **words, **by}
        made.append(Answered(wake_word.NAME, asked, wanted, got, float(right), {SOUND: content}))
    on_step(1.0, "done")
    return tuple(made)


def chosen(task: str, wanted: Json, got: Json, score: float) -> dict[str, tuple[str, str]]:
    """What was chosen among a few names, by what is chosen: (wanted, got); nothing for tasks that choose freely."""
    if task == "router":
        return {"label": (str(wanted.get("label")), str(got.get("label")))}
    if task == "avatar":
        return {head: (str(wanted.get(head)), str(got.get(head))) for head in ("emotion", "gesture", "gaze")}
    if task == "game":  # any of the best actions is right
        right = str(got.get("action")) if score == 1 else str(wanted.get("action"))
        return {"action": (right, str(got.get("action")))}
    if task == wake_word.NAME:
        return {"waking": ("wakes" if wanted.get("wakes") else "sleeps", "wakes" if got.get("wakes") else "sleeps")}
    if task == "robot":
        return {"action": (_action(wanted), _action(got))}
    if task == "vision" and "answer" in wanted:
        return {"answer": (str(wanted["answer"]), str(got.get("answer")))}
    if task == "vision" and "label" in got:
        of = f" of {got['head']}" if "head" in got else ""
        return {f"label{of}": (_first(wanted), str(got["label"]))}
    return {}


def _inner(row: Row, task: str) -> tuple[str, Json]:
    if task != COMBO:
        return task, row.input
    request = row.input["request"]
    return str(row.input["task"]), request if isinstance(request, dict) else {}


def _request(task: str, asked: Json, dataset: Dataset, homes: dict[int, Json]) -> Json:
    if task == "robot":
        home = asked.get("home")
        rest = {key: value for key, value in asked.items() if key != "home"}
        return {**rest, "inventory": homes[home]} if isinstance(home, int) and home in homes else rest
    if task == "vision":
        path = dataset.folder / "files" / str(asked["image"])
        if not path.is_file():
            raise DataError(f"The picture {path.name} of a held-out row is missing; import the dataset again.")
        return {**asked, "image": Media(_PICTURES.get(path.suffix.lower(), "image/png"), path.read_bytes())}
    return asked


def _named(dataset: Dataset, fields: Json) -> Json:
    """With the pictures that the fields name."""
    files = files_of(dataset, Row(fields, {}))

    def named(value: object) -> object:
        if isinstance(value, list):
            return [named(one) for one in value]
        return Media("image/png", files[str(value)]) if value in files else value

    return {key: named(value) for key, value in fields.items()}


def _action(output: Json) -> str:
    calls = output.get("calls")
    first: object = calls[0] if isinstance(calls, Sequence) and calls else None
    if isinstance(first, dict):
        return str(first.get("name"))
    return "asks" if output.get("question") else "nothing"


def _first(output: Json) -> str:
    objects = output.get("objects")
    first: object = objects[0] if isinstance(objects, Sequence) and objects else None
    return str(first.get("label")) if isinstance(first, dict) else "nothing"
