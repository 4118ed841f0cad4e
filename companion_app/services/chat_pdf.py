"""A conversation as a PDF, in any script: letters are joined and ordered by HarfBuzz, and each is drawn by a font that has it."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from companion_app.i18n import tr
from companion_app.services.chat_export import Line, about, lines
from companion_app.services.chat_fonts import fonts_for, own_font
from companion_app.services.chat_json import ChatFileError
from companion_app.services.chat_markdown import Block, blocks
from companion_app.state.chat import Conversation

if TYPE_CHECKING:
    from fpdf import FPDF

MAX_PDF_CHARS = 1_000_000  # about 500 pages; more takes minutes
_MARGIN, _INDENT = 18.0, 6.0  # millimetres
_INK, _MUTED, _ACCENT, _PAPER = (24, 28, 36), (96, 104, 118), (38, 84, 190), (240, 242, 246)


def to_pdf(one: Conversation) -> tuple[bytes, list[str]]:
    """(the file's content, letters that no font here has; they stand there as their codes). Blocks; raises
    `ChatFileError`."""
    try:
        from fpdf import FPDF
    except ModuleNotFoundError:
        raise ChatFileError(
            tr("For PDF files the package fpdf2 is needed; install Enigma with the extra “pdf”, or export as Markdown.")
        ) from None
    said = list(lines(one))
    whole = "\n".join([one.title, about(one), *(f"{line.who}\n{line.text}\n{line.note}" for line in said)])
    if len(whole) > MAX_PDF_CHARS:
        raise ChatFileError(tr("This conversation is too long for a PDF; export it as Markdown."))
    found, lacking = fonts_for(whole + "•")
    pdf = FPDF(format="A4")
    pdf.set_margins(_MARGIN, _MARGIN)
    pdf.set_auto_page_break(True, _MARGIN)
    pdf.set_title(one.title)
    for number, file in enumerate(found):
        pdf.add_font(f"f{number}", fname=file)
    pdf.add_font("mono", fname=own_font("RobotoMono-Regular.ttf"))
    pdf.set_font("f0", size=11)
    pdf.set_text_shaping(True)
    pdf.set_fallback_fonts([f"f{number}" for number in range(len(found))], exact_match=False)
    pdf.add_page()
    page = _Page(pdf, lacking)
    page.write(one.title or tr("Conversation"), size=18)
    page.write(about(one), size=9, colour=_MUTED)
    for line in said:
        page.line(line)
    return bytes(pdf.output()), sorted(lacking)


class _Page:
    """Writes onto the pages, from the top down."""

    def __init__(self, pdf: FPDF, lacking: set[str]) -> None:
        self._pdf = pdf
        self._codes = {ord(letter): f"U+{ord(letter):04X}" for letter in lacking}

    def line(self, line: Line) -> None:
        """What one said."""
        self._pdf.ln(4)
        self.write(line.who, size=9, colour=_ACCENT if line.mine else _MUTED)
        if line.mine:
            self.write(line.text)
        else:
            for block in blocks(line.text):
                self.block(block)
        if line.note:
            self.write(line.note, size=9, colour=_MUTED)

    def block(self, block: Block) -> None:
        """One block of an answer."""
        if block.kind == "rule":
            self._pdf.ln(2)
        elif block.kind == "code":
            self.write(block.plain, font="mono", size=9, indent=block.depth + 1, paper=True)
        else:
            marker = f"{block.marker} " if block.marker else ""
            size = 13 if block.kind == "heading" else 11
            colour = _MUTED if block.quoted else _INK
            self.write(marker + block.plain, size=size, indent=block.depth + block.quoted, colour=colour)

    def write(
        self,
        text: str,
        *,
        font: str = "f0",
        size: int = 11,
        indent: int = 0,
        colour: tuple[int, int, int] = _INK,
        paper: bool = False,
    ) -> None:
        """A paragraph; one that begins in a script from right to left stands at the right."""
        if not text.strip():
            return
        pdf = self._pdf
        pdf.set_font(font, size=size)
        pdf.set_text_color(*colour)
        pdf.set_fill_color(*_PAPER)
        pdf.set_x(_MARGIN + _INDENT * min(indent, 8))
        pdf.multi_cell(
            0,
            size * 0.5,
            text.translate(self._codes).expandtabs(4),
            align="R" if _from_right(text) else "L",
            new_x="LMARGIN",
            new_y="NEXT",
            fill=paper,
        )
        pdf.ln(1.2)


def _from_right(text: str) -> bool:
    """Whether the first letter that has a direction is of a script from right to left."""
    for letter in text[:200]:
        direction = unicodedata.bidirectional(letter)
        if direction in ("R", "AL"):
            return True
        if direction == "L":
            return False
    return False
