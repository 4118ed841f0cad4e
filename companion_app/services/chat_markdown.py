"""What a model writes, as blocks to draw: Markdown (CommonMark), of which nothing is ever run, fetched or opened.

HTML is text, a picture is its description, a link is its text and its address. Kivy's own markup in an answer is text too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

MAX_MARKDOWN = 40_000  # characters; what is longer is shown as it stands
_PLAIN_PART = 2000


@dataclass(frozen=True)
class Span:
    """A piece of text in one style."""

    text: str
    bold: bool = False
    italic: bool = False
    code: bool = False


@dataclass(frozen=True)
class Block:
    """A paragraph and its like. kind: "text", "heading", "code" or "rule". depth: of lists and quotes around it.
    marker: what a list's item begins with. quoted: it stands in a quotation. language: of code, as it was named."""

    kind: str
    spans: tuple[Span, ...] = ()
    depth: int = 0
    marker: str = ""
    quoted: bool = False
    language: str = ""

    @property
    def plain(self) -> str:
        """The text without styles."""
        return "".join(span.text for span in self.spans)


def blocks(text: str) -> tuple[Block, ...]:
    """The blocks of a text, also of one that isn't complete yet."""
    if not text.strip():
        return ()
    if len(text) > MAX_MARKDOWN:
        return tuple(Block("text", (Span(text[at : at + _PLAIN_PART]),)) for at in range(0, len(text), _PLAIN_PART))
    return _blocks(_parser().parse(text))


class Growing:
    """The blocks of a text to which more is added at its end: what is settled isn't read again.

    A block is settled once another one begins after it outside of lists and quotes, with a line that is complete. (A link's address that is told later
    doesn't reach back; nor are links opened.)
    """

    def __init__(self) -> None:
        self._text = ""
        self._settled: tuple[Block, ...] = ()

    def blocks(self, text: str) -> tuple[Block, ...]:
        """As the function `blocks`."""
        if len(text) > MAX_MARKDOWN:
            return blocks(text)
        if not text.startswith(self._text):
            self._text, self._settled = "", ()
        rest = text[len(self._text) :]
        tokens = _parser().parse(rest)
        # Lines as the parser counts them. The last one may go on, and become something else by that.
        lines = re.split(r"(?<=\n)|(?<=\r)(?!\n)", rest)
        begun = (token.map[0] for token in tokens if token.level == 0 and token.map is not None)
        line = max((at for at in begun if at < len(lines) - 1), default=0)
        if line:
            done = "".join(lines[:line])
            self._settled += _blocks(_parser().parse(done))
            self._text += done
            tokens = _parser().parse(rest[len(done) :])
        return (*self._settled, *_blocks(tokens))


def _blocks(tokens: Iterable[Token]) -> tuple[Block, ...]:
    made: list[Block] = []
    lists: list[int | None] = []  # the next number of each list around, None for bullets
    quotes, marker, kind = 0, "", "text"
    for token in tokens:
        if token.type == "ordered_list_open":
            lists.append(int(token.attrs.get("start", 1)))
        elif token.type == "bullet_list_open":
            lists.append(None)
        elif token.type in ("ordered_list_close", "bullet_list_close"):
            lists.pop()
        elif token.type == "list_item_open":
            number = lists[-1]
            marker = "•" if number is None else f"{number}."
            lists[-1] = None if number is None else number + 1
        elif token.type == "list_item_close":
            if marker:  # an item without anything in it
                made.append(Block("text", (), len(lists), marker, quotes > 0))
            marker = ""
        elif token.type == "blockquote_open":
            quotes += 1
        elif token.type == "blockquote_close":
            quotes -= 1
        elif token.type in ("heading_open", "paragraph_open"):
            kind = "heading" if token.type == "heading_open" else "text"
        elif token.type in ("inline", "fence", "code_block", "hr"):
            made.append(_block(token, kind, len(lists), marker, quotes > 0))
            marker = ""
    return tuple(made)


def markup(block: Block, mono: str) -> str:
    """A block in Kivy's markup; only styles of ours are markup in it. mono: the name of the font for code."""
    parts = []
    for span in block.spans:
        said = escaped(span.text)
        if span.code:
            said = f"[font={mono}]{said}[/font]"
        if span.bold:
            said = f"[b]{said}[/b]"
        if span.italic:
            said = f"[i]{said}[/i]"
        parts.append(said)
    return "".join(parts)


def escaped(text: str) -> str:
    """A text that Kivy's markup shows as it stands."""
    return text.replace("&", "&amp;").replace("[", "&bl;").replace("]", "&br;")


def _block(token: Token, kind: str, depth: int, marker: str, quoted: bool) -> Block:
    if token.type == "hr":
        return Block("rule", (), depth, marker, quoted)
    if token.type == "inline":
        return Block(kind, tuple(_spans(token)), depth, marker, quoted)
    language = token.info.split()[0] if token.info.strip() else ""
    return Block("code", (Span(token.content.rstrip("\n"), code=True),), depth, marker, quoted, language[:30])


def _spans(token: Token) -> list[Span]:
    found: list[Span] = []
    bold = italic = 0
    link = ""
    for child in token.children or []:
        if child.type == "strong_open":
            bold += 1
        elif child.type == "strong_close":
            bold -= 1
        elif child.type == "em_open":
            italic += 1
        elif child.type == "em_close":
            italic -= 1
        elif child.type == "link_open":
            link = str(child.attrs.get("href", ""))
        elif child.type == "link_close":
            if link and link not in "".join(span.text for span in found[-1:]):
                found.append(Span(f" ({link})", bold > 0, italic > 0))
            link = ""
        elif child.type in ("softbreak", "hardbreak"):
            found.append(Span("\n" if child.type == "hardbreak" else " "))
        elif child.content:
            found.append(Span(child.content, bold > 0, italic > 0, child.type == "code_inline"))
    return found


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False, "maxNesting": 20})
