from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from trainer_host.data.text_files import (
    MAX_BYTES,
    MAX_CHARACTERS,
    Unreadable,
    decoded,
    docstrings,
    manual,
    read_bytes,
    worth,
)

PAGE = r""".\" a comment
.TH FROB 1 "2026" "Frob 2"
.de Vb
.ft CW
..
.SH "NAME"
frob \- make things \fIround\fR
.SH OPTIONS
.B frob
does its work
on
.IR files .
.TP
\fB\-v\fR, \fB\-\-verbose\fR
say more;
two lines that run on
.TS
l l.
a table
.TE
.nf
  kept \(em as it is
 here
.fi
.PP
The end.
"""


def test_a_manual_page_reads_as_a_person_sees_it() -> None:
    assert manual(PAGE) == (
        "NAME\nfrob - make things round\n\nOPTIONS\nfrob does its work on files.\n\n-v, --verbose\n"
        "say more; two lines that run on\n  kept \u2014 as it is\n here\n\nThe end.\n"
    )


@pytest.mark.parametrize("source", [".so man1/other.1\n", ".Dd May 1\n.Dt FROB 1\n"])
def test_links_and_pages_in_other_macros_give_no_text(source: str) -> None:
    assert isinstance(manual(source), Unreadable)


def test_docstrings_stand_under_their_names_without_the_code() -> None:
    source = (
        '"""A module that frobs."""\nsecret = 12\nclass Round:\n    """Things that have no corners at all."""\n'
        '    def make(self, size, *, soft=True):\n        """Make one of a given size, soft or not."""\n'
        "        return secret\n"
    )
    assert docstrings(source) == (
        "A module that frobs.\n\nclass Round\nThings that have no corners at all.\n\n"
        "Round.make(self, size, soft)\nMake one of a given size, soft or not.\n"
    )
    assert docstrings("def (:") == Unreadable("not Python")
    assert docstrings("(" * 5000) == Unreadable("not Python")


def test_bytes_that_are_no_text_are_refused_and_line_ends_become_one() -> None:
    assert decoded("caf\u00e9\r\nthere  \r".encode()) == "caf\u00e9\nthere\n"
    assert decoded("caf\u00e9".encode("latin-1")) == Unreadable("not UTF-8")
    assert decoded(b"\x7fELF\x02\x00\x00") == Unreadable("not text")


def test_a_long_text_ends_at_a_line() -> None:
    text = decoded(b"word and word\n" * 20_000)
    assert isinstance(text, str) and MAX_CHARACTERS - 20 < len(text) <= MAX_CHARACTERS and text.endswith("word\n")


def test_a_packed_file_is_unpacked_no_further_than_its_limit(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.txt.gz"
    bomb.write_bytes(gzip.compress(bytes(4 * MAX_BYTES)))
    assert bomb.stat().st_size < MAX_BYTES and read_bytes(bomb) == Unreadable("too large")
    good = tmp_path / "good.txt.gz"
    good.write_bytes(gzip.compress(b"hello"))
    assert read_bytes(good) == b"hello"
    good.write_bytes(gzip.compress(b"hello" * 99)[:-9])
    assert read_bytes(good) == Unreadable("damaged")
    good.write_bytes(b"not packed")
    assert read_bytes(good) == Unreadable("damaged")
    assert read_bytes(tmp_path / "gone") == Unreadable("can't be opened")


def test_numbers_drawings_and_lines_without_end_are_not_worth_reading() -> None:
    assert worth("0x12 0x34, 0x56;\n" * 30) == Unreadable("few letters")
    assert worth("word " * 200) == Unreadable("very long lines")
    assert worth("short\n") == Unreadable("short")
    assert worth("A sentence that says something.\n" * 10) is None
