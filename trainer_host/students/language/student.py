"""The student that writes: a decoder for one task, or for several that it tells apart by a token."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from edge_runtime import strict_json
from edge_runtime.bundle.manifest import Golden, Manifest, ModelFile, Tokenizer
from edge_runtime.engines.language import open_language_engine
from edge_runtime.language.specialist import GOLDEN_TEXTS_FILE, SCHEME, WISHES_FILE
from edge_runtime.language.template import CHATML, MARKED, Template, task_token
from edge_runtime.tasks import Specialist, task_module
from edge_runtime.tasks.written_confidence import OPTION as WORTH
from trainer_host.data.dataset import Row, open_dataset
from trainer_host.errors import DataError
from trainer_host.students import ExportOptions, Json, OnProgress, Recorder, TrainReport, WrittenModel
from trainer_host.students.language.config import LanguageConfig, sized
from trainer_host.students.language.data import Encoded, encode_rows
from trainer_host.students.language.doubts import find_doubts
from trainer_host.students.language.model_files import cache_agreement, write_onnx
from trainer_host.students.language.perplexity import perplexity
from trainer_host.students.language.plan import plan_of
from trainer_host.students.language.rows import (
    COMBO,
    conversations,
    mixed,
    read_texts,
    request_of,
    rows_of,
    task_of,
    template_of,
    training_rows,
)
from trainer_host.students.language.run_files import (
    CONFIG,
    FORMAT,
    TEMPLATE,
    TOKENIZER,
    card_of,
    read_template,
    trained_model,
    write_assets,
)
from trainer_host.students.language.settings import LanguageSettings
from trainer_host.students.language.soft import soft_share
from trainer_host.students.language.tokenizers import FastTokenizer, train_tokenizer
from trainer_host.tasks import task_spec
from trainer_host.training.ranks import from_first, ranks
from trainer_host.training.weights import save_weights
from trainer_host.workspace import write_atomic

if TYPE_CHECKING:
    from edge_runtime.tasks.dialogue import Writer
    from trainer_host.compress.language import Text
    from trainer_host.export.language_onnx import CacheScales
    from trainer_host.students.language.model import LanguageModel
    from trainer_host.training.distil import Soft
    from trainer_host.training.loop import TrainSettings

GOLDEN_TOKENS = 24  # per golden vector: a device writes all of them whenever it starts
GOLDEN_MOST = 8
EXAMINED_ROWS = 200  # held-out rows, unless the gate says how many: each is written token by token
CALIBRATION_ROWS = 150
JUDGED_ROWS = 150  # that a training of a few thousand short rows is judged by, again and again
_START_CONTEXT = 1024  # of models that begin with trained weights: a device keeps a cache of so many tokens
_FEW_CHARACTERS = 2_000_000  # below them a larger model than nano learns them by heart
_ROUND = 64  # tables have a multiple of so many rows: kernels work in blocks


class LanguageStudent:
    """See `TextStudent`. task: whose rows it learns; `combo` for rows of several tasks."""

    family: Literal["language"] = "language"
    template: Template = CHATML  # of models from nothing
    epochs: float | None = None  # over rows and practice; None: as for rows alone

    def __init__(self, task: str, rows: int | None = None) -> None:
        """rows: packed ones per step, unless the settings say otherwise; see `LanguageSettings`."""
        self.task = task
        self._rows = rows

    def train(
        self,
        dataset: Path,
        run: Path,
        *,
        seed: int,
        seconds: float | None,
        on_progress: OnProgress,
        curriculum: bool = False,
        settings: Json | None = None,
        work: Path | None = None,
        recorder: Recorder | None = None,
    ) -> TrainReport:
        """See `Student.train`; settings: see `LanguageSettings`."""
        from trainer_host.training.determinism import prepare

        started = time.perf_counter()
        chosen = LanguageSettings.read(settings)
        if self._rows is not None and (settings or {}).get("rows") is None:
            chosen = replace(chosen, rows=self._rows)
        rows, unseen = training_rows(dataset)
        fresh = chosen.init is None and chosen.teacher is None  # what begins with more may be large, and slow
        more, aside = self._practised(dataset, len(rows), seed, seconds) if fresh else ([], [])
        if more and chosen.epochs is None:
            chosen = replace(chosen, epochs=self.epochs)
        prepare(seed)
        model, tokenizer, template, start = self._start(chosen, [*rows, *more], run.parent)
        soft = _soft(chosen, run.parent, model.config, tokenizer)
        fast = FastTokenizer(tokenizer)
        more, aside = (self._fitting(some, fast, template, model.config.context) for some in (more, aside))
        rows, unseen = [*rows, *more], [*unseen, *aside]
        few = unseen if not aside else mixed(unseen)[:JUDGED_ROWS]
        texts, judged, old = (
            self._encoded(some, fast, template, model.config.context)
            for some in (rows, few, self._old(chosen, dataset))
        )
        tasks = sorted({text.task for text in texts})
        card: Json = {
            "format": FORMAT,
            "model": model.config.to_json(),
            "tasks": tasks,
            "unsure": {},
            WORTH: {},
            "start": start,
            **({"distilled": self._about(chosen, run.parent, soft)} if soft is not None else {}),
            "old": chosen.old and {"name": chosen.old, "content": open_dataset(dataset.parent / chosen.old).content},
            "tokens": int(max(len(text.ids) for text in texts)),
        }
        wished: dict[str, float] = {}
        if template.tools == MARKED and ranks().first:
            from trainer_host.students.language.wishes import learn_wishes

            card["act"], wished = learn_wishes(rows, self.task, run, seed)
        if ranks().first:
            write_assets(run, tokenizer, template)
            write_atomic(run / CONFIG, strict_json.dumps(card))
        with tempfile.TemporaryDirectory(prefix="enigma-training-") as folder:
            plan = self._plan(model, texts, chosen, seed, seconds, curriculum)
            where = work or Path(folder)
            model, figures = self._learn(model, (texts, judged, old), where, plan, on_progress, recorder, chosen, soft)
        if not ranks().first:  # the first process has the same weights, and writes them
            return TrainReport(time.perf_counter() - started, figures)
        if chosen.lora is not None:
            from trainer_host.training.adapters import merge_lora, save_adapter

            save_adapter(run, model, chosen.lora)
            merge_lora(model)
        save_weights(run, model)
        doubts, doubted = self._doubts(run, unseen)
        write_atomic(run / CONFIG, strict_json.dumps({**card, **doubts}))
        figures = {"parameters": sum(p.numel() for p in model.parameters()), **figures, **doubted, **wished}
        if soft is None and (share := soft_share(texts)):
            figures["soft targets"] = share
        if more:
            figures["practised"] = float(len(more))
        return TrainReport(time.perf_counter() - started, figures)

    def _practised(self, dataset: Path, rows: int, seed: int, seconds: float | None) -> tuple[list[Row], list[Row]]:
        """Rows besides those of the dataset: (what is learnt, what judges the training). rows: how many it has."""
        return [], []

    def _encoded(
        self, rows: Sequence[Row], tokenizer: FastTokenizer, template: Template, context: int
    ) -> list[Encoded]:
        """Rows as tokens; raises `DataError` for one that the context has no room for."""
        return encode_rows(conversations(rows, self.task), tokenizer, template, context, combo=self.task == COMBO)

    def _fitting(self, rows: Sequence[Row], tokenizer: FastTokenizer, template: Template, context: int) -> list[Row]:
        """Those that the context has room for."""

        def fits(row: Row) -> bool:
            try:
                return bool(self._encoded([row], tokenizer, template, context))
            except DataError:
                return False

        return [row for row in rows if fits(row)]

    def _said(self, rows: Sequence[Row]) -> list[str]:
        """The texts that a tokenizer is trained on."""
        return read_texts(conversations(rows, self.task))

    def _old(self, chosen: LanguageSettings, dataset: Path) -> list[Row]:
        """The training rows of an earlier dataset, which are shown again so that they aren't forgotten."""
        return [] if chosen.old is None else rows_of(dataset.parent / chosen.old, "train", self.task)

    def _start(
        self, chosen: LanguageSettings, rows: Sequence[Row], runs: Path
    ) -> tuple[LanguageModel, str, Template, Json | None]:
        """The model that the training begins with, its tokenizer.json, its template, and where it comes from.

        runs: the folder in which `--init` may name one of ours.
        """
        from trainer_host.students.language.model import LanguageModel

        if chosen.init is not None:
            from trainer_host.students.language.files import load_start, start_of_run, with_tokens

            own = runs / chosen.init
            start = start_of_run(own) if (own / CONFIG).is_file() else load_start(chosen.init)
            if self.task == COMBO:
                start = with_tokens(start, [task_token(name) for name in sorted({task_of(row, COMBO) for row in rows})])
            config = start.config.read_up_to(chosen.context or min(_START_CONTEXT, start.config.context))
            model = LanguageModel(config)
            model.load_state_dict(start.state)
            if chosen.lora is not None:
                from trainer_host.training.adapters import add_lora

                add_lora(model, chosen.lora)
            origin: Json = {"name": start.name, "licence": start.licence, "sha256": start.sha256}
            return model, start.tokenizer, start.template, origin
        said = self._said(rows)
        size = chosen.size or ("nano" if sum(map(len, said)) < _FEW_CHARACTERS else "micro")
        config = replace(sized(size, context=chosen.context), window=chosen.window)
        template = template_of(rows, self.task, self.template)
        if chosen.teacher is not None:  # its probabilities are those of its own tokens
            teacher = runs / chosen.teacher
            tokenizer, template = (teacher / TOKENIZER).read_text(encoding="utf-8"), read_template(teacher)
            if chosen.context is None:
                config = replace(config, context=min(config.context, card_of(teacher)[1].context))
        else:
            tokenizer = from_first(lambda: train_tokenizer(said, config.vocabulary))
        tokens = -(-FastTokenizer(tokenizer).size // _ROUND) * _ROUND
        return LanguageModel(replace(config, vocabulary=tokens)), tokenizer, template, None

    def _about(self, chosen: LanguageSettings, runs: Path, soft: Soft) -> Json:
        """What the card keeps of a teacher; what that one began with is named by its students' bundles too."""
        start = self.origin(runs / str(chosen.teacher))
        return {"name": chosen.teacher, "sha256": soft.address, **({"start": start} if start is not None else {})}

    def _plan(
        self,
        model: LanguageModel,
        texts: Sequence[Encoded],
        chosen: LanguageSettings,
        seed: int,
        seconds: float | None,
        curriculum: bool,
    ) -> TrainSettings:
        """How long and how the rows are shown."""
        return plan_of(model.config, texts, chosen, seed, seconds, curriculum)

    def _learn(
        self,
        model: LanguageModel,
        texts: tuple[Sequence[Encoded], Sequence[Encoded], Sequence[Encoded]],
        work: Path,
        plan: TrainSettings,
        on_progress: OnProgress,
        recorder: Recorder | None,
        chosen: LanguageSettings,
        soft: Soft | None,
    ) -> tuple[LanguageModel, dict[str, float]]:
        """The trained model and figures. texts: what is learnt, what judges it, what is shown again."""
        from trainer_host.training.loop import train_language

        rows, judged, old = texts
        shape, shared = model.config, chosen.shard and ranks().started
        made = train_language(
            model,
            rows,
            judged,
            work,
            plan,
            on_progress,
            old=old,
            recorder=recorder,
            parallel="fsdp" if chosen.shard else "ddp",
            soft=soft,
        )
        if shared:  # each process holds a part of `model`; the checkpoint holds all of it
            model = _whole(shape, chosen, made.weights) if ranks().first else model
        return model, made.figures

    def recalibrate(self, run: Path, dataset: Path) -> dict[str, float]:
        """Find anew from which confidence on answers count, for weights that were tuned; gives figures."""
        card, _ = card_of(run)
        doubts, figures = self._doubts(run, training_rows(dataset)[1])
        write_atomic(run / CONFIG, strict_json.dumps({**card, **doubts}))
        return figures

    def _doubts(self, run: Path, unseen: Sequence[Row]) -> tuple[Json, dict[str, float]]:
        """What the card keeps, and figures; see `find_doubts`."""
        return find_doubts(self, run, unseen)

    @contextmanager
    def reference(self, run: Path) -> Iterator[Specialist]:
        """The trained model in float, answering through the device's own code."""
        from trainer_host.export.language_onnx import export_language_onnx

        config, weights = trained_model(run)
        with tempfile.TemporaryDirectory(prefix="enigma-language-") as name:
            path = Path(name) / "model.onnx"
            export_language_onnx(weights.state_dict(), config, path, "fp32", config.context)
            engine = open_language_engine(path)
            try:
                yield task_module(self.task).load(self._draft(run), run, cast(object, engine))  # type: ignore[arg-type]
            finally:
                engine.close()

    def _draft(self, run: Path) -> Manifest:
        """What the device's code reads of a manifest, without doubts of its own: those are found on its answers."""
        fields = self.manifest_fields(run)
        thresholds = cast(dict[str, float], fields["thresholds"])
        options = {name: value for name, value in cast(Json, fields["options"]).items() if name != WORTH}
        return Manifest(
            name="draft",
            task=self.task,
            version="0.0.0",
            licence="",
            io={},
            models=(ModelFile("model", "fp32", ()),),
            golden=Golden("golden.json", 1),
            thresholds={name: value for name, value in thresholds.items() if not name.startswith("unsure")},
            options=options,
            tokenizer=Tokenizer(**cast(dict[str, str], fields["tokenizer"])),
        )

    def write_models(
        self,
        run: Path,
        on_step: Callable[[float, str], None],
        options: ExportOptions | None = None,
        dataset: Path | None = None,
        base: Path | None = None,
    ) -> list[WrittenModel]:
        """model.fp32.onnx, model.int8.onnx and model.int4.onnx; see `TextStudent`."""
        texts = None if dataset is None else self._answers(run, dataset, "train")
        return write_onnx(run, texts, on_step, options or ExportOptions(), base)

    def cache_scales(self, run: Path, dataset: Path) -> CacheScales:
        """See `TextStudent.cache_scales`."""
        from trainer_host.compress.language import cache_scales

        return cache_scales(trained_model(run)[1], self._answers(run, dataset, "train"))

    def cache_agreement(self, run: Path, dataset: Path, model: Path, precision: str) -> float:
        """See `TextStudent.cache_agreement`."""
        return cache_agreement(run, self._answers(run, dataset, "heldout"), model, precision)

    def prompts(self, run: Path, dataset: Path, count: int) -> list[list[int]]:
        """At most `count` requests as tokens, without their answers: held-out rows', then others'."""
        texts = [text for split in ("heldout", "train") for text in self._answers(run, dataset, split)]
        firsts = [(text.tokens, list(text.counted or ()).index(True)) for text in texts if any(text.counted or ())]
        return [list(tokens[:first]) for tokens, first in firsts if first][:count]

    def _answers(self, run: Path, dataset: Path, split: str) -> list[Text]:
        """Whole conversations of a split as tokens, in which the answers count."""
        from trainer_host.compress.language import Text

        rows = mixed(rows_of(dataset, split, self.task))[:CALIBRATION_ROWS]
        fast = FastTokenizer((run / TOKENIZER).read_text(encoding="utf-8"))
        encoded = self._encoded(rows, fast, read_template(run), card_of(run)[1].context)
        return [Text(text.ids.tolist(), text.mask.tolist()) for text in encoded]

    def origin(self, run: Path) -> Json | None:
        """See `TextStudent.origin`; of a student that was distilled, what its teacher began with."""
        card = card_of(run)[0]
        distilled = card.get("distilled")
        start = card.get("start") or (distilled.get("start") if isinstance(distilled, dict) else None)
        return start if isinstance(start, dict) else None

    def assets(self, run: Path) -> dict[str, Path]:
        """The tokenizer, texts with their tokens to prove it by, and the template; see `Student.assets`."""
        names = (TOKENIZER, GOLDEN_TEXTS_FILE, TEMPLATE, WISHES_FILE)
        return {name: run / name for name in names if name != WISHES_FILE or (run / name).is_file()}

    def manifest_fields(self, run: Path) -> Json:
        """See `Student.manifest_fields`."""
        card, config = card_of(run)
        content = (run / TOKENIZER).read_bytes()
        unsure = cast(dict[str, float], card["unsure"])
        thresholds = (
            {f"unsure_{task}": value for task, value in unsure.items()}
            if self.task == COMBO
            else {"unsure": unsure.get(self.task, 0.0)}
        )
        if "act" in card:
            thresholds["act"] = cast(float, card["act"])
        return {
            "thresholds": thresholds,
            "options": {
                "family": "language",
                "context": config.context,
                "tasks": card["tasks"],
                **({WORTH: card[WORTH]} if card.get(WORTH) else {}),
            },
            "tokenizer": {"scheme": SCHEME, "file": TOKENIZER, "sha256": hashlib.sha256(content).hexdigest()},
        }

    def evaluate(self, run: Path, dataset: Path, specialist: Specialist, limit: int | None) -> dict[str, float]:
        """`accuracy`: the mean of the tasks' own scores; `perplexity` of the held-out answers; see `Student.evaluate`."""
        rows = mixed(rows_of(dataset, "heldout", self.task))[: limit or EXAMINED_ROWS]
        if not rows:
            raise DataError("The dataset has no held-out rows to examine with; add rows.")
        scores: dict[str, list[float]] = defaultdict(list)
        sure: list[float] = []
        for row in rows:
            task = task_of(row, self.task)
            answer = specialist.run(self.asked(row))
            score = task_spec(task).score(row.output, answer)
            scores[task].append(score)
            if not answer["unsure"]:
                sure.append(score)
        every = [score for task in sorted(scores) for score in scores[task]]
        made = {
            "accuracy": sum(every) / len(every),
            "answered": len(sure) / len(every),
            "accuracy_answered": sum(sure) / len(sure) if sure else 0.0,
            "perplexity": perplexity(
                run, conversations(rows, self.task), cast("Writer", specialist).language, combo=self.task == COMBO
            ),
            "rows": len(rows),
        }
        if self.task == COMBO:
            made |= {f"accuracy_{task}": sum(values) / len(values) for task, values in scores.items()}
        return made

    def golden(self, run: Path, dataset: Path, count: int) -> list[Json]:
        """Held-out requests, shortened; see `Student.golden`."""
        rows = [row for split in ("heldout", "train") for row in mixed(rows_of(dataset, split, self.task))]
        return [{**self.asked(row), "max_tokens": GOLDEN_TOKENS} for row in rows[: min(count, GOLDEN_MOST)]]

    def asked(self, row: Row) -> Json:
        """What a device is asked of a row."""
        request = request_of(row, self.task)
        return {"task": task_of(row, self.task), "request": request} if self.task == COMBO else dict(request)


def _soft(chosen: LanguageSettings, runs: Path, config: LanguageConfig, tokenizer: str) -> Soft | None:
    """The teacher that is named; raises `DataError` where it can't teach this student."""
    if chosen.teacher is None:
        return None
    from trainer_host.training.distil import SHARE, TEMPERATURE, read_teacher

    return read_teacher(
        runs / chosen.teacher, config, tokenizer, chosen.distil_weight or SHARE, chosen.temperature or TEMPERATURE
    )


def _whole(config: LanguageConfig, chosen: LanguageSettings, weights: Path) -> LanguageModel:
    """A model of its own with all weights of a checkpoint."""
    from trainer_host.students.language.model import LanguageModel
    from trainer_host.training.checkpoints import read_tensors

    model = LanguageModel(config)
    if chosen.lora is not None:
        from trainer_host.training.adapters import add_lora

        add_lora(model, chosen.lora)
    model.load_state_dict(read_tensors(weights))
    return model
