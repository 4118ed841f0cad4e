from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from edge_runtime.documents import reading
from edge_runtime.documents.passages import passages
from edge_runtime.documents.reading import read_file, text_of
from edge_runtime.errors import BadRequest

PAGE = """<html><head><title>x</title><style>p { color: red }</style></head><body><h2>Care &amp; use</h2><p>Clean it
every <b>four</b> weeks.</p><script>steal()</script><ul><li>Dry it.</li></ul></body></html>"""


def test_a_page_is_what_it_shows_below_its_headings() -> None:
    [part] = passages(text_of(PAGE.encode(), "text/html", "page.html"))
    assert (part.heading, part.text) == ("Care & use", "Clean it every four weeks.\n\nDry it.")


def test_a_pdf_is_read_and_a_broken_one_is_one_sentence(tmp_path: Path) -> None:
    if importlib.util.find_spec("pypdf") is None:
        pytest.skip("pypdf isn't installed")
    fpdf = pytest.importorskip("fpdf")
    page = fpdf.FPDF()
    page.add_page()
    page.set_font("Helvetica", size=12)
    page.cell(text="Clean the filter every four weeks.")
    file = tmp_path / "heater.pdf"
    file.write_bytes(bytes(page.output()))
    assert "Clean the filter" in read_file(file)
    for content in (b"", b"%PDF-1.7\nrubbish", file.read_bytes()[:200]):
        file.write_bytes(content)
        with pytest.raises(BadRequest, match=r"'heater\.pdf' isn't a PDF that can be read") as told:
            read_file(file)
        assert "\n" not in str(told.value)


def test_what_isnt_read_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.docx").write_bytes(b"PK")
    (tmp_path / "latin.txt").write_bytes("Käse".encode("latin-1"))
    (tmp_path / "big.txt").write_bytes(b"x" * 100)
    monkeypatch.setattr(reading, "MOST_BYTES", 50)
    for name, sentence in (
        ("a.docx", "'a.docx' isn't read; documents are .txt"),
        ("latin.txt", "isn't UTF-8 .byte 2.; save it as UTF-8"),
        ("big.txt", "part it"),
        ("gone.txt", "can't be read: No such file"),
        ("gone", "can't be read: No such file"),
    ):
        with pytest.raises(BadRequest, match=sentence):
            read_file(tmp_path / name)
