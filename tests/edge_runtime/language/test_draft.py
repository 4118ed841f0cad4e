"""A bundle's draft: the same answers in fewer steps of the model, and refused where it doesn't belong to it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("torch", reason="the model files are made by the trainer's export")

from edge_runtime.bundle import FileEntry, Manifest
from edge_runtime.engines.language import LanguageEngine, open_language_engine
from edge_runtime.errors import BundleError
from edge_runtime.language.specialist import LanguageSpecialist, load_language
from edge_runtime.language.tokenizer import Tokenizer
from tests.edge_runtime.api import chatty
from tests.edge_runtime.update.adapted import manifest_of
from tests.trainer_host.export.decoders import decoder
from trainer_host.export.language_onnx import export_language_onnx
from trainer_host.students.language.config import LanguageConfig

ASKED = [{"role": "user", "content": "the cat"}]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """An unpacked bundle whose draft is the model itself."""
    folder = tmp_path_factory.mktemp("draft")
    manifest = manifest_of(chatty.make_bundle(folder), folder / "unpacked")
    (folder / "unpacked" / "draft.onnx").write_bytes((folder / "model.onnx").read_bytes())
    tokens = Tokenizer.read(folder / "tokenizer.json").size
    shape = LanguageConfig(tokens + 64, 64, 2, 4, 2, 96, context=64)
    export_language_onnx(decoder(shape).state_dict(), shape, folder / "unpacked" / "other.onnx")
    files = {**manifest.files, **dict.fromkeys(("draft.onnx", "other.onnx"), FileEntry(1, "0" * 64))}
    return folder / "unpacked", dataclasses.replace(manifest, files=files)


def loaded(bundle: tuple[Path, Manifest], draft: object) -> tuple[LanguageSpecialist, list[int]]:
    """The specialist, and how many tokens its model gets at each step."""
    folder, manifest = bundle
    options = {**manifest.options, **({} if draft is None else {"draft": draft})}
    engine: LanguageEngine = open_language_engine(folder / "model.onnx")
    made, steps = load_language(dataclasses.replace(manifest, options=options), folder, engine), []
    feed = engine.feed

    def counted(tokens: list[int], wanted: int = 1) -> np.ndarray:
        steps.append(len(tokens))
        return feed(tokens, wanted)

    engine.feed = counted  # type: ignore[method-assign,assignment]
    return made, steps


def test_a_draft_in_the_bundle_gives_the_same_answer_in_fewer_steps(bundle: tuple[Path, Manifest]) -> None:
    written: dict[bool, list[list[int | None]]] = {}
    steps: dict[bool, int] = {}
    for guess in (False, True):
        specialist, counts = loaded(bundle, {"file": "draft.onnx"} if guess else None)
        written[guess] = [[piece.token for piece in specialist.stream(ASKED, max_tokens=60)] for _ in range(2)]
        steps[guess] = len(counts)
    assert written[True] == written[False]
    assert steps[True] < steps[False] / 2


@pytest.mark.parametrize("draft", [{"file": "none.onnx"}, {"file": 3}, {}, "draft.onnx", {"file": "other.onnx"}])
def test_a_draft_that_isnt_there_or_has_other_tokens_is_refused(bundle: tuple[Path, Manifest], draft: object) -> None:
    with pytest.raises(BundleError, match="draft"):
        loaded(bundle, draft)
