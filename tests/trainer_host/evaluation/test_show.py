"""The page of a run: every kind of answer can be looked at, and nothing in it can run or load anything."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_runtime.media import Media
from edge_runtime.media.glb import GLB, write_glb
from edge_runtime.media.wav import RATE, write_wav
from tests.trainer_host.conftest import Trained, nothing
from trainer_host.cli import main
from trainer_host.errors import DataError
from trainer_host.evaluation.answers import Answered, Examined, examine
from trainer_host.evaluation.body_viewer import SCRIPT
from trainer_host.evaluation.show import FEWEST, show
from trainer_host.media.spectrogram import HEIGHT, WIDTH, spectrogram
from trainer_host.training.run import Run


def run(task: str) -> Run:
    return Run(Path(), "mine", task, "rows", "sha256:0", "built-in", 1, None, "sha256:1")


def page(task: str, *answers: Answered) -> str:
    return show(run(task), Examined("model.int8.onnx", "onnxruntime", 500_000, answers))


def test_a_run_s_answers_are_scored_as_the_gate_scores_them(exported_once: Trained) -> None:
    found = examine(exported_once.run, exported_once.dataset, 40, nothing)
    assert len(found.answers) == min(40, exported_once.dataset.counts["heldout"])
    assert sum(item.score for item in found.answers) / len(found.answers) >= 0.9
    assert all(item.confidence is not None and item.wanted.keys() == {"label"} for item in found.answers)
    assert found.bytes == (exported_once.run.folder / found.file).stat().st_size


def test_the_command_writes_one_page_with_confusions(exported_once: Trained, tmp_path: Path) -> None:
    out = tmp_path / "easy.html"
    assert main(["--home", str(exported_once.workspace.home), "show", "easy", "--rows", "30", "--out", str(out)]) == 0
    made = out.read_text(encoding="utf-8")
    assert "Confusions of the label" in made and "calibration error" in made
    assert "<script" not in made and "script-src" not in made


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--out", "easy.pdf"], "must end in .html"), (["--rows", "0"], "1 or more"), (["--data", "none"], "none")],
)
def test_what_cannot_be_shown_is_one_sentence(
    exported_once: Trained, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert main(["--home", str(exported_once.workspace.home), "show", "easy", *options]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_a_run_without_questions_says_so(exported_once: Trained) -> None:
    with pytest.raises(DataError, match="no questions with right answers"):
        examine(run("base"), exported_once.dataset, 4, nothing)


def test_the_worst_mistakes_come_first_and_the_surest_of_them_leads() -> None:
    def answer(text: str, got: str, sure: float) -> Answered:
        return Answered(
            "router",
            {"text": text},
            {"label": "math"},
            {"label": got, "confidence": sure, "unsure": sure < 0.5},
            float(got == "math"),
            {},
        )

    made = page("router", answer("right", "math", 0.9), answer("timid", "chat", 0.3), answer("bold", "chat", 0.95))
    worst = made[made.index("Worst mistakes") : made.index("Samples")]
    assert worst.index("bold") < worst.index("timid") and "right</pre>" not in worst
    assert "2 of 3 answers" in worst
    assert "33.3%</span><div>wholly wrong and sure" in made


def test_text_of_others_cannot_become_part_of_the_page() -> None:
    evil = "<script>alert(1)</script>"
    made = page("chat", Answered("chat", {"text": evil}, {"reply": evil}, {"reply": evil, "unsure": False}, 0.5, {}))
    assert evil not in made and made.count("&lt;script&gt;") >= 3
    assert "default-src 'none'" in made


def test_bodies_can_be_turned_by_the_only_script_that_the_policy_names() -> None:
    corners = np.array([[0, 0, 0], [9, 0, 0], [0, 9, 0], [0, 0, 9]], float)
    body = Media(GLB, write_glb(corners, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])))
    got: dict[str, object] = {"program": None, "model": body, "unsure": False}
    made = page("3d_gen", Answered("3d_gen", {"prompt": "a corner"}, {"program": {}}, got, 0.4, {}))
    held = re.findall(r'data-glb="([^"]+)"', made)
    assert held and base64.b64decode(held[0]) == body.content
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in made and f"<script>{SCRIPT}</script>" in made


def test_sounds_have_a_player_and_a_spectrogram() -> None:
    wav = Media("audio/wav", write_wav(0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)))
    made = page("audio_gen", Answered("audio_gen", {"prompt": "an a"}, {}, {"audio": wav, "unsure": False}, 0.5, {}))
    assert "<audio controls" in made and "its spectrogram" in made


def test_a_spectrogram_is_brightest_where_the_tone_is() -> None:
    def row(hertz: float) -> int:
        tone = np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE)
        shades = np.asarray(Image.open(io.BytesIO(spectrogram(tone, RATE))).convert("L"), float)
        assert shades.shape == (HEIGHT, WIDTH)
        return int(shades.mean(axis=1).argmax())

    rows = [row(hertz) for hertz in (200, 1000, 4000)]
    assert rows == sorted(rows, reverse=True) and rows[0] - rows[2] > HEIGHT / 3
    assert np.asarray(Image.open(io.BytesIO(spectrogram(np.zeros(10), RATE)))).max() <= 4  # silence is dark


def test_a_page_of_large_sounds_stays_small_and_still_shows_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer_host.evaluation.show.MOST_CHARS", 100_000)
    wav = Media("audio/wav", write_wav(0.5 * np.sin(np.arange(RATE) / 7)))
    answers = [Answered("audio_gen", {"prompt": f"an a {n}"}, {}, {"audio": wav}, 0.5, {}) for n in range(30)]
    assert page("audio_gen", *answers).count("<audio controls") == 2 * FEWEST


def test_a_whole_picture_has_its_label_in_words_and_a_tiny_one_can_be_seen() -> None:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(out, "PNG")
    seen = {"label": "cup", "box": [0.0, 0.0, 1.0, 1.0]}
    answer = {"objects": [{**seen, "confidence": 0.4}], "label": "cup", "confidence": 0.4, "unsure": True}
    made = page("vision", Answered("vision", {"image": "a.png"}, {"objects": [seen]}, answer, 0.5, {"a.png": out.getvalue()}))  # fmt: skip
    assert made.count("<pre>cup</pre>") == 4 and "box" not in made.split("</style>")[1]
    assert made.count('class="tiny"') == 2


def test_what_a_specialist_could_not_read_is_counted() -> None:
    refused = Answered("avatar", {"text": "x"}, {"emotion": "joy"}, {"error": "no", "unsure": True}, 0.0, {})
    assert "questions that it couldn&#x27;t read" in page("avatar", refused)
    assert "couldn" not in page("avatar", Answered("avatar", {"text": "x"}, {"emotion": "joy"}, {"emotion": "joy"}, 1.0, {}))  # fmt: skip


def test_boxes_are_drawn_where_they_are_right_and_where_they_were_answered() -> None:
    out = io.BytesIO()
    Image.new("RGB", (80, 60), "red").save(out, "PNG")
    seen = {"label": "cup", "box": [0.1, 0.1, 0.5, 0.5]}
    answer = {"objects": [{**seen, "confidence": 0.9}], "unsure": False}
    made = page("vision", Answered("vision", {"image": "a.png"}, {"objects": [seen]}, answer, 0.5, {"a.png": out.getvalue()}))  # fmt: skip
    assert made.count('alt="drawn"') == 4, "both, among the mistakes and among the samples"
