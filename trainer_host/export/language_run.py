"""Writes a language student's run for other programs: a Hugging Face folder, or a .gguf file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest, EdgeError
from edge_runtime.language.template import Template, task_token
from trainer_host.compress.blocks import Blocks
from trainer_host.errors import DataError, ExportError
from trainer_host.students.language.config import LanguageConfig
from trainer_host.training.weights import FILE as WEIGHTS

if TYPE_CHECKING:
    from torch import Tensor

HF, GGUF = "hf", "gguf"
MODEL_CARD = "model_card.md"  # see `trainer_host.students.language.model_card`
# By format, the first is what is written where nothing is said.
PRECISIONS: Mapping[str, tuple[str, ...]] = {HF: ("fp32", "bf16", "fp16"), GGUF: ("f16", "q8_0", "q4_0", "f32")}


@dataclass(frozen=True)
class LanguageRun:
    """A trained language model. state: float32 by our names. about: who must be named, one line each.

    task: of the run; combo for a model of several `tasks`. licence: of the lineage, "" where there is none. card: the
    model card in Markdown that a base has, else "".
    """

    name: str
    state: Mapping[str, Tensor]
    config: LanguageConfig
    tokenizer: str
    template: Template
    task: str
    tasks: tuple[str, ...]
    licence: str
    about: tuple[str, ...]
    card: str = ""


def read_language_run(run: Path) -> LanguageRun:
    """Read what a language student left in a run's folder; raises `DataError` for a run of another kind."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from trainer_host.training.lineage import read_lineage

    if not all((run / name).is_file() for name in (WEIGHTS, "config.json", "tokenizer.json", "template.json")):
        raise DataError(
            f"The run '{run.name}' holds no language model; this export is for chat, code, math and combos."
        )
    try:
        card = strict_json.loads_object((run / "config.json").read_bytes(), "config.json")
        shape, tasks = card["model"], card["tasks"]
        if not isinstance(shape, dict) or not isinstance(tasks, list):
            raise DataError(f"The config.json of run '{run.name}' is damaged; train again.")
        template = Template.from_json(strict_json.loads_object((run / "template.json").read_bytes(), "template.json"))
        state = load_file(run / WEIGHTS)
    except (OSError, SafetensorError, KeyError, BadRequest, EdgeError) as cause:
        raise DataError(f"The run '{run.name}' can't be read ({str(cause)[:120]}); train again.") from None
    lineage = read_lineage(run)
    return LanguageRun(
        name=run.name,
        state=state,
        config=LanguageConfig.from_json(shape),
        tokenizer=(run / "tokenizer.json").read_text("utf-8"),
        template=template,
        task=_task(run),
        tasks=tuple(str(task) for task in tasks),
        licence=lineage.own.licence if lineage is not None else "",
        about=tuple(lineage.attribution()) if lineage is not None else (),
        card=(run / MODEL_CARD).read_text("utf-8") if (run / MODEL_CARD).is_file() else "",
    )


def export_language(
    run: LanguageRun,
    to: Path,
    form: str,
    precision: str | None = None,
    *,
    licence: str = "",
    task: str | None = None,
    beside: bool = False,
    rounded: Mapping[str, Blocks] | None = None,
) -> None:
    """Write a folder (`HF`) or a file (`GGUF`) at `to`. licence: where the run's lineage says none.

    task: for a combo, the task that is meant where a chat names none; without it other programs would leave out the
    token that the model expects. beside: the .gguf file is for our own devices, which have the template beside it; a
    combo's without a task then has none in it. rounded: see `export_gguf`. Raises `ExportError` for a format, precision or task that there is none of.
    """
    if form not in PRECISIONS:
        raise ExportError(f"There is no format '{form[:40]}'; there are {', '.join(PRECISIONS)}.")
    chosen = precision or PRECISIONS[form][0]
    if chosen not in PRECISIONS[form]:
        raise ExportError(f"There is no precision '{chosen[:40]}' for {form}; there are {', '.join(PRECISIONS[form])}.")
    plain = beside and run.task == "combo" and task is None
    meant = None if plain else _meant(run, task)
    if run.licence and licence and licence.lower() != run.licence.lower():
        raise ExportError(f"'{run.name}' has the licence {run.licence} by its lineage; leave --licence out.")
    licence = run.licence or licence
    if form == HF:
        from trainer_host.students.language.hf_folder import write_folder

        write_folder(
            to,
            run.state,
            run.config,
            run.tokenizer,
            run.template,
            precision=chosen,
            name=run.name,
            licence=licence,
            about=run.about,
            task=meant,
            model_card=run.card,
        )
        return
    from trainer_host.export.gguf import export_gguf
    from trainer_host.students.language.chat_jinja import jinja_of, without_written_marks

    export_gguf(
        run.state,
        run.config,
        without_written_marks(run.tokenizer, run.template),
        to,
        chosen,
        chat_template=None if plain else jinja_of(run.template, meant),
        end=run.template.end,
        name=run.name,
        licence=licence,
        rounded=rounded,
    )


def _meant(run: LanguageRun, task: str | None) -> str | None:
    if run.task != "combo":
        if task not in (None, run.task):
            raise ExportError(f"'{run.name}' is for the task {run.task}, not {str(task)[:40]}; leave --task out.")
        return None
    if task is None and len(run.tasks) == 1:
        return run.tasks[0]
    if task not in run.tasks:
        raise ExportError(
            f"'{run.name}' is a model of several tasks, and other programs use it for one ({task_token('NAME')} in its "
            f"chats); choose it with --task: {', '.join(run.tasks)}."
        )
    return task


def _task(run: Path) -> str:
    try:
        card = strict_json.loads_object((run / "run.json").read_bytes(), "run.json")
    except (OSError, BadRequest):
        raise DataError(f"The run '{run.name}' can't be read; train again.") from None
    return str(card.get("task"))
