"""The engine on llama.cpp keeps the promises of a language engine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.engines.language import LanguageEngine
from edge_runtime.engines.language_gguf import GgufLanguageEngine
from edge_runtime.errors import EngineError

pytest.importorskip("xllamacpp", reason="the engine runs on it")
pytest.importorskip("gguf", reason="the tests' model is written with it")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained model."""
    from tests.trainer_host.learnt import learnt
    from trainer_host.export.gguf import export_gguf

    made, path = learnt(), tmp_path_factory.mktemp("gguf") / "a.gguf"
    export_gguf(made.state, made.config, made.tokenizer, path, "q8_0")
    return path


@pytest.fixture
def engine(path: Path) -> Iterator[GgufLanguageEngine]:
    """With a context of 96 of the model's 256 tokens."""
    made = GgufLanguageEngine(path, context=96)
    yield made
    made.close()


def test_it_is_a_language_engine(engine: GgufLanguageEngine) -> None:
    seen: LanguageEngine = engine
    assert (seen.runtime, seen.context, seen.length) == ("xllamacpp", 96, 0)
    assert seen.version[0].isdigit()


def test_in_pieces_or_whole_the_logits_are_the_same(engine: GgufLanguageEngine) -> None:
    ids = list(range(20, 80))
    whole = engine.feed(ids, 60)
    assert whole.shape == (60, engine.vocabulary)
    assert whole.dtype == np.float32
    engine.rewind(0)
    pieces = [engine.feed(ids[:1]), engine.feed(ids[1:30], 29), engine.feed(ids[30:], 30)]
    assert engine.length == 60
    assert np.abs(np.concatenate(pieces) - whole).max() < 0.02  # of 20; the sums' order differs


def test_rewinding_gives_the_logits_of_before(engine: GgufLanguageEngine) -> None:
    first = engine.feed([20, 21, 22, 23], 4)
    engine.rewind(2)
    assert engine.length == 2
    other = engine.feed([50, 51], 2)
    engine.rewind(2)
    again = engine.feed([22, 23], 2)
    assert np.array_equal(again, first[2:])
    assert not np.allclose(other, again)


def test_no_logits_are_wanted_of_a_prompts_first_part(engine: GgufLanguageEngine) -> None:
    assert engine.feed([20, 21], 0).shape == (0, engine.vocabulary)
    assert engine.length == 2


def test_what_cannot_be_read_is_refused_and_the_cache_stays(engine: GgufLanguageEngine) -> None:
    engine.feed([20, 21, 22])
    for tokens, wanted, words in (
        ([], 0, "of 0 tokens"),
        ([20], 2, "Logits of 2"),
        ([20], -1, "Logits of -1"),
        ([engine.vocabulary], 1, "isn't in the model's vocabulary"),
        ([-1], 1, "isn't in the model's vocabulary"),
        ([20] * 94, 1, "97 tokens, and the model reads 96 at most"),
    ):
        with pytest.raises(EngineError, match=words):
            engine.feed(tokens, wanted)
        assert engine.length == 3
    with pytest.raises(EngineError, match="can't go back to 4"):
        engine.rewind(4)
    assert engine.feed([20] * 93).shape == (1, engine.vocabulary)


def test_a_closed_engine_says_so(path: Path) -> None:
    engine = GgufLanguageEngine(path)
    assert engine.context == 256
    engine.close()
    engine.close()
    for use in (lambda: engine.feed([20]), lambda: engine.rewind(0)):
        with pytest.raises(EngineError, match="closed"):
            use()


def test_a_file_that_is_no_model_is_one_clear_error(path: Path, tmp_path: Path) -> None:
    content = path.read_bytes()
    for name, data in (("cut", content[: len(content) // 2]), ("odd", b"GGUF" + b"\xff" * 64), ("text", b"hello")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(EngineError, match=f"can't open {name}"):
            GgufLanguageEngine(tmp_path / name)
    with pytest.raises(EngineError, match="no model file none"):
        GgufLanguageEngine(tmp_path / "none")
    for context in (0, 257):
        with pytest.raises(EngineError, match="up to 256 tokens"):
            GgufLanguageEngine(path, context=context)


def test_without_xllamacpp_it_says_what_to_install(tmp_path: Path) -> None:
    """In a Python that doesn't find it."""
    script = (
        "import sys, numpy\n"
        "import importlib.util\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, package=None: None if name == 'xllamacpp' else found(name, package)\n"
        "from pathlib import Path\n"
        "from edge_runtime.engines.language_gguf import GgufLanguageEngine\n"
        "from edge_runtime.errors import EngineError\n"
        "try: GgufLanguageEngine(Path(sys.argv[1]))\n"
        "except EngineError as error: print(error)\n"
    )
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    arguments = [sys.executable, "-c", script, str(tmp_path / "a.gguf")]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    assert "extra 'gguf'" in done.stdout, done.stderr


def test_importing_it_loads_no_native_library() -> None:
    script = "import edge_runtime.engines.language_gguf, sys; print('xllamacpp' in open('/proc/self/maps').read())"
    if not Path("/proc/self/maps").exists():
        pytest.skip("this system doesn't say what is loaded")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False", done.stderr


def test_another_text_over_the_same_weights_outlives_the_first(path: Path) -> None:
    engine = GgufLanguageEngine(path, context=96)
    ids = list(range(20, 40))
    whole = engine.feed(ids)
    other = engine.another()
    assert other.length == 0 and other.text_bytes > 0
    other.feed(ids[::-1])
    engine.rewind(10)
    np.testing.assert_allclose(engine.feed(ids[10:]), whole, atol=1e-3)
    engine.close()
    other.rewind(0)
    np.testing.assert_allclose(other.feed(ids), whole, atol=1e-3)
    other.close()
