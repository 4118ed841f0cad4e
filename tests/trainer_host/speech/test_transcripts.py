"""Which recordings a table lists, and what is said in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer_host.errors import DataError
from trainer_host.speech.transcripts import transcripts, voice_table


def _folder(place: Path, table: str, content: str, *files: str) -> Path:
    for file in files:
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        (place / file).write_bytes(b"RIFF")
    (place / table).write_text(content, "utf-8")
    return place / table


def test_ljspeech_is_read_as_it_comes(tmp_path: Path) -> None:
    content = 'LJ1|In 1465, "he said|In fourteen sixty-five, "he said\nLJ2|Good morning.\n'
    table = _folder(tmp_path, "metadata.csv", content, "wavs/LJ1.wav", "wavs/LJ2.wav")
    assert voice_table(tmp_path) == table == voice_table(table)
    one, two = transcripts(table)
    assert (one.path, one.text) == (tmp_path / "wavs/LJ1.wav", 'In fourteen sixty-five, "he said')
    assert (two.path.name, two.text) == ("LJ2.wav", "Good morning.")


def test_a_csv_names_its_columns(tmp_path: Path) -> None:
    table = _folder(tmp_path, "said.csv", 'path,text,n\na.wav,"One, two.",3\nlost.wav,Three.,1\n', "a.wav")
    assert voice_table(tmp_path) is None
    assert voice_table(tmp_path, {"file": "path"}) == table
    assert [(one.path.name, one.text) for one in transcripts(table, {"file": "path"})] == [
        ("a.wav", "One, two."),
        ("lost.wav", "Three."),
    ]


def test_one_speaker_of_several_is_chosen(tmp_path: Path) -> None:
    content = "file|text|speaker\na.wav|One.|anna\nb.wav|Two.|ben\n"
    table = _folder(tmp_path, "metadata.csv", content, "a.wav", "b.wav")
    with pytest.raises(DataError, match=r"2 speakers.*--speaker: anna, ben"):
        transcripts(table)
    with pytest.raises(DataError, match="no speaker 'carl'; it has anna, ben"):
        transcripts(table, speaker="carl")
    assert [one.text for one in transcripts(table, speaker="ben")] == ["Two."]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("file,text\n../a.wav,One.\n", "line 2: '../a.wav' lies outside"),
        ("file,text\na.wav,\n", "line 2: needs a file and what is said"),
        ("file,text\n", "lists no recordings"),
        ("name,words\na.wav,One.\n", "--column text=sentence"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, content: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        transcripts(_folder(tmp_path, "t.csv", content))


def test_other_tables_are_left_to_others(tmp_path: Path) -> None:
    for name, content in {
        "wake.csv": "file,label,text\na.wav,hey,hey\n",
        "rows.csv": "file,text\nnote.txt,Hello.\n",
        "caption.csv": "picture,caption\na.png,A cup.\n",
        "latin.csv": "",
        "long.csv": "x" * 200_000 + "\n",
    }.items():
        _folder(tmp_path, name, content, "a.wav")
    (tmp_path / "latin.csv").write_bytes(b"file,text\na.wav,\xe9\n")
    assert voice_table(tmp_path) is None
    _folder(tmp_path, "one.csv", "file,text\na.wav,One.\n")
    _folder(tmp_path, "two.csv", "file,text\na.wav,One.\n")
    with pytest.raises(DataError, match="2 tables"):
        voice_table(tmp_path)
