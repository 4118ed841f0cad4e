"""Whether a smaller model of the same tokens makes another one quicker by guessing ahead (arXiv 2211.17192)."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from edge_runtime.engines import ONNX
from edge_runtime.engines.language import open_language_engine
from edge_runtime.language.generate import Generator, Options
from edge_runtime.language.sampling import Sampling
from edge_runtime.language.speculative import Draft as Guesses
from edge_runtime.language.speculative import DraftModel
from edge_runtime.language.template import stop_ids
from edge_runtime.language.tokenizer import Tokenizer
from trainer_host.compress.adapter import adapter_base
from trainer_host.compress.files import OnStep
from trainer_host.compress.gate import GateReport, read_report
from trainer_host.data.dataset import Dataset
from trainer_host.errors import DataError, NotThere
from trainer_host.students import student_of
from trainer_host.students.language.run_files import read_template
from trainer_host.students.language.student import LanguageStudent
from trainer_host.training.run import Run, write_json

CARD = "draft.json"
FILE = "draft.onnx"  # in the bundle
PROMPTS = 100
MOST_TOKENS = 64  # of each answer
WORTH = 1.1  # a draft that gains less costs memory for nothing


@dataclass(frozen=True)
class DraftReport:
    """A draft beside its model. run, file: whose file guesses. same: of `prompts` answers, those with the same tokens.

    plain, guessed: tokens per second of processor time without the draft and with it. hashes: of both files.
    """

    run: str
    file: str
    address: str
    prompts: int
    same: int
    plain: float
    guessed: float
    hashes: tuple[str, str]

    @property
    def gain(self) -> float:
        """How many times as quick."""
        return self.guessed / self.plain if self.plain else 0.0

    @property
    def kept(self) -> bool:
        """Whether a bundle carries it: it changes no greedy answer, and is worth its memory."""
        return self.same == self.prompts and self.gain >= WORTH


def examine_draft(run: Run, dataset: Dataset, report: GateReport, draft: Run, on_step: OnStep) -> DraftReport:
    """Let a model answer 100 requests with a draft and without; what was found is kept, for the same bundle again.

    Both files are those that passed the gate for onnxruntime. Raises `DataError` where their tokens differ, and
    `NotThere` for a run that wasn't gated.
    """
    student = student_of(run)
    if student.family != "language" or student_of(draft).family != "language":
        raise DataError("Only a language model guesses ahead for another one.")
    if (adapter_base(run) or adapter_base(draft)) is not None:
        raise DataError("An adapter has no draft, and is none; bundle the whole model.")
    if _bytes(run.folder / "tokenizer.json") != _bytes(draft.folder / "tokenizer.json"):
        raise DataError(
            f"'{draft.name}' has other tokens than '{run.name}', so it can't guess for it; train it with "
            f"--teacher {run.name}, which gives it the same ones."
        )
    files = _onnx(run, report), _onnx(draft, read_report(draft))
    hashes = hashlib.sha256(_bytes(files[0])).hexdigest(), hashlib.sha256(_bytes(files[1])).hexdigest()
    known = _known(run)
    if known is not None and known.hashes == hashes and known.run == draft.name:
        return known
    tokenizer = Tokenizer.read(run.folder / "tokenizer.json")
    stops = stop_ids(tokenizer, read_template(run.folder))
    prompts = cast(LanguageStudent, student).prompts(run.folder, dataset.folder, PROMPTS)
    with closing(open_language_engine(files[0])) as engine, closing(open_language_engine(files[1])) as small:
        if engine.vocabulary != small.vocabulary:
            raise DataError(f"'{draft.name}' has a table of another size than '{run.name}'; train it again.")
        generator, drafts = Generator(engine, tokenizer), DraftModel(small)
        texts: dict[bool, list[list[int]]] = {False: [], True: []}
        seconds = {False: 0.0, True: 0.0}
        for number, prompt in enumerate(prompts):
            on_step(number / len(prompts), "trying the draft")
            most = min(MOST_TOKENS, engine.context - len(prompt))
            # By turns, and each first as often as the other: what the machine does meanwhile meets both.
            for guess in (False, True) if number % 2 else (True, False):
                started = time.process_time()
                texts[guess].append(_written(generator, prompt, drafts if guess else None, stops, most))
                seconds[guess] += time.process_time() - started
    counts = {guess: sum(map(len, made)) for guess, made in texts.items()}
    same = sum(one == other for one, other in zip(texts[False], texts[True], strict=True))
    made = DraftReport(
        draft.name,
        files[1].name,
        draft.address,
        len(prompts),
        same,
        round(counts[False] / seconds[False], 1),
        round(counts[True] / seconds[True], 1),
        hashes,
    )
    write_json(run.folder / CARD, asdict(made))
    return made


def _written(
    generator: Generator, prompt: list[int], draft: Guesses | None, stops: frozenset[int], most: int
) -> list[int]:
    options = Options(max_tokens=most, stop_ids=stops, draft=draft)
    return [piece.token for piece in generator.generate(prompt, Sampling(), options) if piece.token is not None]


def _onnx(run: Run, report: GateReport) -> Path:
    """The file that a bundle of the run carries for onnxruntime."""
    found = next((score.file for score in report.chosen() if score.runtime == ONNX), None)
    if found is None:
        raise NotThere(f"No ONNX file of '{run.name}' passed the gate, and drafts guess in onnxruntime alone.")
    return run.folder / found


def _known(run: Run) -> DraftReport | None:
    try:
        raw = json.loads((run.folder / CARD).read_bytes())
        return DraftReport(**{**raw, "hashes": tuple(raw["hashes"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None  # examined anew


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as cause:
        raise DataError(f"{path} can't be read ({cause.strerror}); export the run again.") from None
