from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainer_host.samples import WORDS, easy_dataset, easy_rows, write_jsonl
from trainer_host.cli import main
from trainer_host.data.dataset import Dataset, open_dataset
from trainer_host.data.derive import augmented, keep_good, mix, without_personal
from trainer_host.data.quality import Quality
from trainer_host.data.transfer import import_rows
from trainer_host.errors import DataError
from trainer_host.workspace import Workspace


@pytest.fixture
def home(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "home")


def router(home: Workspace, folder: Path, name: str, rows: list[dict[str, object]]) -> Dataset:
    return import_rows(
        home, write_jsonl(folder / f"{name}.jsonl", rows), task="router", name=name, seed=1, held_out=0.3
    )


def texts(dataset: Dataset, split: str) -> list[str]:
    return [str(row.input["text"]) for row in dataset.rows(split)]


def test_a_mix_never_trains_on_what_it_is_examined_in(home: Workspace, tmp_path: Path) -> None:
    first = easy_dataset(home, tmp_path, "first")
    held = texts(first, "heldout")
    rows = [*easy_rows(seed=5), *({"text": f"{text}!", "label": "weather"} for text in held[:5])]
    second = router(home, tmp_path, "second", rows)
    made = mix(home, "both", [first, second])
    held_words = {text.lower().strip("!") for text in texts(made, "heldout")}
    assert not held_words & {text.lower().strip("!") for text in texts(made, "train")}
    assert set(held) <= set(texts(made, "heldout"))
    assert made.teacher == "person" and made.params["made_of"] == [
        {"name": "first", "content": first.content},
        {"name": "second", "content": second.content},
    ]
    with pytest.raises(DataError, match="two or more datasets of one task"):
        mix(home, "alone", [first])


def test_poor_rows_are_dropped_with_their_reasons(home: Workspace, tmp_path: Path) -> None:
    bad = [
        {"text": "I'm sorry, but I can't help with that request, as an AI language model", "label": "music"},
        {"text": "Sure, here is a message about the weather", "label": "weather"},
        {"text": "rain rain rain rain rain rain rain rain", "label": "weather"},
    ]
    dataset = router(home, tmp_path, "mixed", [*easy_rows(), *bad])
    dropped: list[tuple[str, Quality]] = []
    made = keep_good(home, "good", dataset, 0.5, lambda split, row, why: dropped.append((str(row.input["text"]), why)))
    assert {text for text, _ in dropped} == {str(row["text"]) for row in bad}
    assert {why.reasons[0][0] for _, why in dropped} == {"refusal", "template leak", "repetition"}
    assert sum(made.counts.values()) == len(easy_rows())
    assert all(0.5 <= float(str(row.meta["quality"])) <= 1 for row in made.rows("train"))
    with pytest.raises(DataError, match="from 0 to 1"):
        keep_good(home, "good", dataset, 3)


def test_variations_keep_the_label_and_stay_out_of_the_examination(home: Workspace, tmp_path: Path) -> None:
    dataset = easy_dataset(home, tmp_path)
    made = augmented(home, "more", dataset, times=1, seed=1)
    assert texts(made, "heldout") == texts(dataset, "heldout")
    assert made.counts["train"] > 1.8 * dataset.counts["train"]
    twins = [row for row in made.rows("train") if "augmented" in row.meta]
    assert len(twins) == made.counts["train"] - dataset.counts["train"]
    labels = {word: label for label, words in WORDS.items() for word in words}
    for row in twins:
        known = {labels[word] for word in str(row.input["text"]).lower().split() if word in labels}
        assert row.output["label"] in known or not known
    again = augmented(home, "again", dataset, times=1, seed=1)
    assert texts(again, "train") == texts(made, "train")
    with pytest.raises(DataError, match="from 1 to 10 times"):
        augmented(home, "more", dataset, times=0, seed=1)


def test_personal_data_becomes_placeholders(home: Workspace, tmp_path: Path) -> None:
    row = {"text": "write to ann.smith@example.org about the storm", "label": "weather"}
    dataset = router(home, tmp_path, "open", [*easy_rows(), row])
    made = without_personal(home, "closed", dataset)
    both = [*texts(made, "train"), *texts(made, "heldout")]
    assert "write to <EMAIL_1> about the storm" in both
    assert made.figures["scrubbed"] == {"EMAIL": 1}
    assert open_dataset(home.dataset("open")).content == dataset.content


def test_the_commands_say_what_they_did(home: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    easy_dataset(home, tmp_path)
    args = ["--home", str(home.home)]
    assert main([*args, "data", "augment", "easy", "--to", "more"]) == 0
    assert "of them varied" in capsys.readouterr().out
    assert main([*args, "data", "mix", "easy", "more", "--to", "all"]) == 0
    assert "repeated" in capsys.readouterr().out
    assert main([*args, "data", "filter", "all", "--to", "good", "--dropped"]) == 0
    assert main([*args, "data", "scrub", "all"]) == 0
    assert "replaced nothing" in capsys.readouterr().out
    exam = tmp_path / "exam.jsonl"
    exam.write_text('{"text": "something else"}\n{"text": "' + str(easy_rows()[0]["text"]) + '"}\n')
    assert main([*args, "data", "check", "easy", "--against", str(exam)]) in (0, 1)
    assert main([*args, "data", "report", "all", str(tmp_path / "all.html"), "--against", str(exam)]) == 0
    page = (tmp_path / "all.html").read_text(encoding="utf-8")
    assert page.count("<svg") >= 3 and "Rows per label" in page and "http" not in page.replace("http-equiv", "")
    assert main([*args, "data", "report", "all", str(tmp_path / "all.pdf")]) == 2


def test_an_examination_row_in_the_training_rows_is_found(
    home: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = easy_dataset(home, tmp_path)
    exam = tmp_path / "exam.jsonl"
    exam.write_text('{"text": "' + texts(dataset, "train")[3] + '"}\n')
    assert main(["--home", str(home.home), "data", "check", "easy", "--against", str(exam)]) == 1
    assert "the same" in capsys.readouterr().out


def test_rows_of_a_page_are_escaped(home: Workspace, tmp_path: Path) -> None:
    from trainer_host.data.report import report

    rows = [*easy_rows(), {"text": "<script>alert('storm')</script> rain", "label": "weather"}]
    dataset = router(home, tmp_path, "odd", rows)
    page = report(dataset, samples=200)
    assert "<script>" not in page and "&lt;script&gt;" in page
