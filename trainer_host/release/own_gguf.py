"""Puts a .gguf file that a person brings into a signed bundle; tokenizer and chat template are the file's own.

There is no float model to compare with, so the gate is another one: the file must open in the device's runtime, its
template must write a chat there, and its answers must come again. The manifest says so.
"""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from edge_runtime import strict_json
from edge_runtime.bundle import Golden, Manifest, ModelFile, Scored, Tokenizer
from edge_runtime.engines import XLLAMACPP, Engine
from edge_runtime.engines.language_gguf import GgufLanguageEngine
from edge_runtime.errors import EdgeError
from edge_runtime.language.file_template import FileTemplate
from edge_runtime.language.gguf_words import GgufTokenizer
from edge_runtime.language.golden import golden_rows
from edge_runtime.language.specialist import FAMILY, FILE_SCHEME, GOLDEN_TEXTS_FILE
from edge_runtime.tasks import Specialist, task_module
from edge_runtime.tasks.dialogue import Writer
from trainer_host.compress.gate import LEAST_AGREEMENT
from trainer_host.compress.inspect import weight_bytes
from trainer_host.compress.language import Text, compare
from trainer_host.data.dataset import Dataset, Json
from trainer_host.data.packs.card import LICENCES
from trainer_host.errors import DataError, GateRefused
from trainer_host.release.bundle import GOLDEN_FILE, Built, write_versioned
from trainer_host.release.keys import SigningKey
from trainer_host.students import student_for
from trainer_host.students.language.data import Conversation
from trainer_host.students.language.gguf_values import read_values
from trainer_host.students.language.rows import conversations, mixed, rows_of
from trainer_host.students.language.student import EXAMINED_ROWS
from trainer_host.workspace import Workspace, checked_name

CONTEXT = 2048  # unless a person chooses: what a model was trained on can be a cache of gigabytes
MODEL_FILE = "model.gguf"
GATE = "no float counterpart: it opens, its own template writes a chat, and its answers come again"
_GOLDEN_TOKENS = 24
_QUESTIONS = (
    "Hello!",
    "What is the capital of France?",
    "Name three colours.",
    "What is 7 + 5?",
    "Write one sentence about the sea.",
    "How do you say 'good morning' in German?",
    "What can I cook with eggs and rice?",
    "Tell me a short joke.",
)


@dataclass(frozen=True)
class OwnGguf:
    """A file's own words. licence: "" where it doesn't say. context: what it was trained on, in tokens.

    chats: whether it has a chat template; without one it is asked in ChatML, as llama.cpp does.
    """

    path: Path
    name: str
    licence: str
    context: int
    precision: str
    chats: bool


def read_own(path: Path) -> OwnGguf:
    """What a bundle needs of a .gguf file; raises `DataError` where it isn't a language model's whole file."""
    values, _ = read_values(path)
    architecture = values.get("general.architecture")
    context = values.get(f"{architecture}.context_length")
    if not isinstance(context, int) or context < 1 or "tokenizer.ggml.tokens" not in values:
        raise DataError(f"{path.name} holds no language model; name another .gguf file.")
    parts = values.get("split.count", 1)
    if isinstance(parts, int) and parts > 1:
        raise DataError(
            f"{path.name} is one of {parts} files; join them first: llama-gguf-split --merge FIRST WHOLE.gguf"
        )
    weights = weight_bytes(path)
    return OwnGguf(
        path=path,
        name=str(values.get("general.name") or path.stem),
        licence=_spdx(str(values.get("general.license") or "")),
        context=context,
        precision=max(weights, key=lambda kind: weights[kind]),
        chats=isinstance(values.get("tokenizer.chat_template"), str),
    )


def bundle_own(
    workspace: Workspace,
    path: Path,
    key: SigningKey,
    *,
    name: str,
    task: str = "chat",
    licence: str | None = None,
    version: str | None = None,
    context: int | None = None,
    dataset: Dataset | None = None,
    rows: int | None = None,
    cache: str = "float",
) -> Built:
    """Write BUNDLES/NAME-VERSION.enigma.

    context: most tokens of a text with its answer, default the file's, at most `CONTEXT`. dataset: rows of the task
    whose held-out ones it is examined on, `rows` of them; without it only `chat` has requests for golden vectors. The
    score decides nothing, as there is nothing to compare it with. cache: "int8" where it finds the same next token with
    that as with one in float often enough, in the answers of the dataset or else in its own. Raises `DataError`, `GateRefused` where the file
    fails what can be asked of it, `EdgeError` where xllamacpp isn't installed or can't open it.
    """
    own, specialist_name = read_own(path), checked_name(name)
    licence = _licence(own, licence)
    if context is not None and not 1 <= context <= own.context:
        raise DataError(f"{path.name} was trained on up to {own.context} tokens; choose --context from 1 to that.")
    student = student_for(task)
    if student.family != "language" or task == "combo":
        raise DataError(f"A .gguf file writes texts, and the task {task[:40]} isn't one of texts; use chat.")
    if dataset is None and task != "chat":
        raise DataError(f"For the task {task[:40]} say --data NAME: its rows are what the file is examined on.")
    if dataset is not None and dataset.task != task:
        raise DataError(f"The dataset '{dataset.name}' is of the task {dataset.task}, not {task}.")
    with tempfile.TemporaryDirectory(prefix="enigma-gguf-") as place:
        folder = Path(place)
        (folder / MODEL_FILE).symlink_to(path.absolute())
        draft = _draft(own, specialist_name, task, licence, context or min(own.context, CONTEXT), cache)
        metrics: Json = {"gate": GATE}
        with _opened(draft, folder) as (specialist, engine):
            texts = golden_rows(GgufTokenizer(engine))
            runtime, built_with = engine.runtime, engine.version
            accuracy = None
            if dataset is not None:
                figures = student.evaluate(folder, dataset.folder, specialist, rows)
                metrics |= {key: round(value, 4) for key, value in figures.items()}
                accuracy = round(figures["accuracy"], 4)
            requests = _questions() if dataset is None else student.golden(folder, dataset.folder, len(_QUESTIONS))
            golden: list[Json] = [{"request": asked, "response": specialist.run(asked)} for asked in requests]
        _again(draft, folder, golden)
        if cache == "int8":
            metrics["cache_agreement"] = round(_agreement(draft, folder, _answers(dataset, task, rows, golden)), 4)
        manifest = _complete(draft, own, metrics, len(golden), Scored(runtime, built_with, accuracy))
        contents: dict[str, bytes | Path] = {GOLDEN_FILE: strict_json.dumps(golden), MODEL_FILE: path}
        contents[GOLDEN_TEXTS_FILE] = strict_json.dumps(texts)
        return write_versioned(workspace, manifest, contents, key, version, (golden, 0))


@contextmanager
def asked(path: Path, context: int = CONTEXT) -> Iterator[Specialist]:
    """A chat with a .gguf file by the device's own code, without a bundle; raises as `read_own` and `bundle_own` do."""
    own = read_own(path)
    draft = _draft(own, "asked", "chat", own.licence, min(own.context, context), "float")
    with tempfile.TemporaryDirectory(prefix="enigma-gguf-") as place:
        (Path(place) / MODEL_FILE).symlink_to(path.absolute())
        with _opened(draft, Path(place)) as (specialist, _):
            yield specialist


def _spdx(licence: str) -> str:
    """As our own list writes it, where it knows it."""
    return next((known for known in LICENCES if known.lower() == licence.lower()), licence)


def _licence(own: OwnGguf, asked: str | None) -> str:
    if not (own.licence or asked):
        raise DataError(f"{own.path.name} doesn't say its licence; look it up, and say --licence ID, as in Apache-2.0.")
    if own.licence and asked and asked.lower() != own.licence.lower():
        raise DataError(f"{own.path.name} says that its licence is {own.licence}; leave --licence out.")
    return own.licence or str(asked)


def _draft(own: OwnGguf, name: str, task: str, licence: str, context: int, cache: str) -> Manifest:
    module = task_module(task)
    return Manifest(
        name=name,
        task=task,
        version="0.0.0",
        licence=licence,
        io={"request": module.REQUEST_SCHEMA, "response": module.RESPONSE_SCHEMA},
        models=(ModelFile(MODEL_FILE, own.precision, (XLLAMACPP,)),),
        golden=Golden(GOLDEN_FILE, 1),
        thresholds={"unsure": 0.0},
        options={"family": FAMILY, "context": context, "tasks": [task]}
        | ({} if cache == "float" else {"cache": {MODEL_FILE: cache}}),
        tokenizer=Tokenizer(FILE_SCHEME),
    )


@contextmanager
def _opened(draft: Manifest, folder: Path) -> Iterator[tuple[Specialist, GgufLanguageEngine]]:
    """The device's own code over the file."""
    cache = "int8" if "cache" in draft.options else "float"
    engine = GgufLanguageEngine(folder / MODEL_FILE, 1, int(str(draft.options["context"])), cache)
    try:
        yield task_module(draft.task).load(draft, folder, cast(Engine, engine)), engine
    finally:
        engine.close()


def _again(draft: Manifest, folder: Path, golden: list[Json]) -> None:
    """Raise `GateRefused` unless the file, opened anew, answers the golden requests as before."""
    agrees = task_module(draft.task).agrees
    with _opened(draft, folder) as (specialist, _):
        try:
            same = all(
                agrees(cast(Json, row["response"]), specialist.run(cast(Json, row["request"]))) for row in golden
            )
        except EdgeError as cause:
            raise GateRefused(f"{draft.name} can't answer twice: {cause}") from None
    if not same:
        raise GateRefused(f"{draft.name} doesn't answer the same twice, so a device couldn't check it.")


def _answers(dataset: Dataset | None, task: str, rows: int | None, golden: list[Json]) -> list[Conversation]:
    """Chats with their answers: held-out rows', or those that the model gave itself."""
    if dataset is not None:
        return list(conversations(mixed(rows_of(dataset.folder, "heldout", task))[: rows or EXAMINED_ROWS], task))
    asked = [cast(Json, row["request"])["messages"] for row in golden]
    said: list[Json] = [{"role": "assistant", "content": cast(Json, row["response"])["reply"]} for row in golden]
    return [
        Conversation([*cast(list[Json], messages), reply], task) for messages, reply in zip(asked, said, strict=True)
    ]


def _agreement(draft: Manifest, folder: Path, talks: list[Conversation]) -> float:
    """How often it finds the same next token with a cache of int8; raises `GateRefused` where that is too seldom."""
    with _opened(draft, folder) as (specialist, small), closing(_float(folder, small.context)) as plain:
        template = cast(FileTemplate, cast(Writer, specialist).language.template)
        same = compare(plain, small, [Text(*template.answered(talk.messages, talk.tools)) for talk in talks]).agreement
    if same < LEAST_AGREEMENT:
        raise GateRefused(
            f"With a cache of int8 {draft.name} finds the same next token in {same:.1%}, and it should in "
            f"{LEAST_AGREEMENT:.0%}; leave --cache out."
        )
    return same


def _float(folder: Path, context: int) -> GgufLanguageEngine:
    return GgufLanguageEngine(folder / MODEL_FILE, 1, context)


def _questions() -> list[Json]:
    return [{"messages": [{"role": "user", "content": asked}], "max_tokens": _GOLDEN_TOKENS} for asked in _QUESTIONS]


def _complete(draft: Manifest, own: OwnGguf, metrics: Json, golden: int, scored: Scored) -> Manifest:
    with own.path.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
    return dataclasses.replace(
        draft,
        models=(dataclasses.replace(draft.models[0], scored_in=(scored,)),),
        golden=Golden(GOLDEN_FILE, golden),
        metrics=metrics,
        lineage={"start": {"name": own.name, "licence": own.licence or draft.licence, "sha256": digest}},
    )
