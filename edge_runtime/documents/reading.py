"""Files as text: plain, Markdown, HTML, and PDF where the extra `documents` is installed."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import BinaryIO

from edge_runtime.errors import BadRequest

MOST_BYTES = 20_000_000  # of a file
TYPES = {
    ".txt": "text/plain",
    ".rst": "text/plain",
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".htm": "text/html",
    ".html": "text/html",
    ".pdf": "application/pdf",
}
MOST_PAGES = 2000  # of a PDF
_BLOCKS = frozenset(
    [
        "p",
        "div",
        "section",
        "article",
        "li",
        "dt",
        "dd",
        "tr",
        "table",
        "pre",
        "blockquote",
        "br",
        "hr",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
    ]
)
_UNSEEN = frozenset(("script", "style", "head", "template", "noscript"))


def read_file(path: Path) -> str:
    """The text of a file. Raises `BadRequest` with what to do."""
    kind = TYPES.get(path.suffix.lower())
    try:
        if kind is None and path.stat():
            raise BadRequest(f"'{path.name}' isn't read; documents are {', '.join(TYPES)}.")
        if path.stat().st_size > MOST_BYTES:
            raise BadRequest(f"'{path.name}' has over {MOST_BYTES // 10**6} MB; part it.")
        return text_of(path.read_bytes(), str(kind), path.name)
    except OSError as cause:
        raise BadRequest(f"'{path.name}' can't be read: {cause.strerror}.") from None


def text_of(content: bytes, kind: str, name: str) -> str:
    """The text of a body. kind: one of the values of `TYPES`. Raises `BadRequest`."""
    if kind not in TYPES.values():
        raise BadRequest(f"'{kind[:60]}' isn't read; documents are {', '.join(sorted(set(TYPES.values())))}.")
    if kind == "application/pdf":
        return _pdf(content, name)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise BadRequest(f"'{name}' isn't UTF-8 (byte {cause.start + 1}); save it as UTF-8.") from None
    if kind == "text/html":
        reader = _Reader()
        reader.feed(text)
        reader.close()
        return re.sub(r"\n{3,}", "\n\n", "".join(reader.parts)).strip()
    return text


class _Reader(HTMLParser):
    """The text that a page shows; headings as Markdown's."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen += tag in _UNSEEN
        if tag in _BLOCKS:
            self.parts.append("\n\n" + ("# " if re.fullmatch("h[1-6]", tag) else ""))

    def handle_endtag(self, tag: str) -> None:
        self._unseen = max(0, self._unseen - (tag in _UNSEEN))
        if tag in _BLOCKS:
            self.parts.append("\n\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.parts.append(re.sub(r"\s+", " ", data))


def _pdf(content: bytes, name: str) -> str:
    try:
        return pdf_text(io.BytesIO(content))
    except ImportError:
        raise BadRequest('PDF needs an extra here: pip install "enigma[documents]".') from None
    except UnreadablePdf as cause:
        raise BadRequest(f"'{name}' isn't a PDF that can be read: it {cause}.") from None


class UnreadablePdf(Exception):
    """Why a PDF isn't read, as what follows its name: "has a password"."""


def pdf_text(file: BinaryIO | Path) -> str:
    """The text of a PDF's pages, empty lines between them. Raises `UnreadablePdf`, and `ImportError` without pypdf."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(file)
        if reader.is_encrypted:
            raise UnreadablePdf("has a password")
        if len(reader.pages) > MOST_PAGES:
            raise UnreadablePdf(f"has more than {MOST_PAGES} pages")
        read, characters = [], 0
        for page in reader.pages:
            read.append(page.extract_text())
            characters += len(read[-1])
            if characters > MOST_BYTES:
                raise UnreadablePdf("has too much text")
        return "\n\n".join(read)
    # A damaged file makes pypdf fail in any way there is.
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, OSError):
        raise UnreadablePdf("is damaged") from None
