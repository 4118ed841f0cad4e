"""Texts that a device keeps for a teacher, where its owner says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.serving.doubts import FILE_NAME, Doubts

UNSURE = {"label": "x", "confidence": 0.4, "unsure": True, "scores": {"x": 0.4, "y": 0.6}}


def texts(doubts: Doubts, specialist: str = "mail") -> list[object]:
    return [entry["text"] for entry in doubts.of(specialist)]


def test_unsure_texts_are_there_again_after_a_restart_the_latest_first_and_each_once(tmp_path: Path) -> None:
    doubts = Doubts(tmp_path, 10)
    for text in ("one", "two", "one"):
        doubts.keep("mail", {"text": text}, UNSURE)
    doubts.keep("home", {"text": "lamp"}, UNSURE)
    again = Doubts(tmp_path, 10)
    assert texts(again) == texts(doubts) == ["one", "two"]
    assert again.of("home") == [{"text": "lamp", "confidence": 0.4, "scores": UNSURE["scores"]}]
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert again.forget("mail") == 2 and again.forget("mail") == 0
    assert texts(Doubts(tmp_path, 10)) == [] and texts(again, "home") == ["lamp"]


def test_memory_and_the_file_stay_bounded(tmp_path: Path) -> None:
    doubts = Doubts(tmp_path, 20)
    for number in range(500):
        doubts.keep("mail", {"text": f"text {number}"}, UNSURE)
        assert len((tmp_path / FILE_NAME).read_text().splitlines()) <= 40
    assert texts(doubts) == texts(Doubts(tmp_path, 20)) == [f"text {number}" for number in range(499, 479, -1)]


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ({"text": "a"}, {**UNSURE, "unsure": False}),
        ({"text": "a", "area": "b"}, UNSURE),
        ({"text": "a" * 4001}, UNSURE),
        ({"image": "a"}, UNSURE),
        ({"text": "a"}, {"unsure": True, "reply": "hm"}),
    ],
)
def test_what_teaches_no_label_is_not_kept(
    tmp_path: Path, request_: dict[str, object], answer: dict[str, object]
) -> None:
    doubts = Doubts(tmp_path, 10)
    doubts.keep("mail", request_, answer)
    assert texts(doubts) == [] and not (tmp_path / FILE_NAME).exists()


def test_nothing_is_kept_unless_the_owner_says_so(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text('{"specialist": "mail", "text": "old"}\n')
    doubts = Doubts(tmp_path, 0)
    doubts.keep("mail", {"text": "one"}, UNSURE)
    assert texts(doubts) == []


def test_lines_that_a_power_cut_spoilt_are_left_out(tmp_path: Path) -> None:
    Doubts(tmp_path, 10).keep("mail", {"text": "one"}, UNSURE)
    with (tmp_path / FILE_NAME).open("ab") as out:
        out.write(b'\xff\x00\n[]\n{"specialist": 1, "text": "x"}\n{"specialist": "mail", "te')
    assert texts(Doubts(tmp_path, 10)) == ["one"]


def test_a_full_disk_stops_no_answer(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    doubts = Doubts(state, 10)
    state.rmdir()
    doubts.keep("mail", {"text": "one"}, UNSURE)
    assert texts(doubts) == ["one"]
