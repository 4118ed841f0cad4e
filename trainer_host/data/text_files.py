"""A file as plain text: decoded, bounded, and without the marks of a manual page; docstrings out of Python sources."""

from __future__ import annotations

import ast
import re
import textwrap
import unicodedata
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

MAX_BYTES = 8 * 2**20  # of a file, unpacked too: a larger one is data, and not text that somebody wrote
MAX_CHARACTERS = 100_000  # of each text: one long file must not be all that a small model reads
MIN_CHARACTERS = 200  # a shorter one says nothing that others don't
_LONGEST_LINE = 400  # characters on average: minified, or one record a line
_LEAST_LETTERS = 0.5  # of what isn't space: below it stand tables of numbers, and drawings


@dataclass(frozen=True)
class Unreadable:
    """Why a file gives no text, in a few words that are counted."""

    why: str


def read_bytes(path: Path) -> bytes | Unreadable:
    """A file's content, unpacked where its name ends in .gz; at most `MAX_BYTES` are read and unpacked."""
    try:
        with path.open("rb") as source:
            content = source.read(MAX_BYTES + 1)
    except OSError:
        return Unreadable("can't be opened")
    if len(content) > MAX_BYTES:
        return Unreadable("too large")
    if path.suffix != ".gz":
        return content
    unpacking = zlib.decompressobj(wbits=31)
    try:
        content = unpacking.decompress(content, MAX_BYTES + 1)
    except zlib.error:
        return Unreadable("damaged")
    if len(content) > MAX_BYTES:
        return Unreadable("too large")
    return content if unpacking.eof else Unreadable("damaged")


def decoded(content: bytes) -> str | Unreadable:
    """UTF-8 with Unix line ends, spaces at the ends of lines gone, cut at a line's end after `MAX_CHARACTERS`."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return Unreadable("not UTF-8")
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).replace("\f", "\n")
    if re.search(r"[\x00-\x08\x0b\x0e-\x1f\x7f]", text):
        return Unreadable("not text")
    return tidy(text)


def tidy(text: str) -> str:
    """Without spaces at the ends of lines and without runs of empty lines; at most `MAX_CHARACTERS` of it."""
    text = re.sub(r"[ \t]+\n", "\n", text)
    text = re.sub(r"\n{4,}", "\n\n\n", text).strip("\n") + "\n"
    if len(text) <= MAX_CHARACTERS:
        return text
    return text[: text.rfind("\n", 0, MAX_CHARACTERS) + 1 or MAX_CHARACTERS]


def worth(text: str) -> Unreadable | None:
    """Why a text isn't worth reading, None where it is."""
    if len(text) < MIN_CHARACTERS:
        return Unreadable("short")
    if len(text) / (text.count("\n") + 1) > _LONGEST_LINE:
        return Unreadable("very long lines")
    seen = len(text) - sum(map(text.count, " \n\t"))
    if sum(char.isalpha() for char in text) < _LEAST_LETTERS * seen:
        return Unreadable("few letters")
    return None


def docstrings(source: str) -> str | Unreadable:
    """The docstrings of a Python file, each under its name, in their order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of strangers' escapes
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return Unreadable("not Python")
    parts: list[str] = []

    def walk(node: ast.AST, name: str, depth: int) -> None:
        for child in getattr(node, "body", ()):
            if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or depth > 3:
                continue
            full = f"{name}.{child.name}" if name else child.name
            if (said := ast.get_docstring(child)) and len(said) > len(child.name) + 20:
                head = f"class {full}" if isinstance(child, ast.ClassDef) else f"{full}({_arguments(child.args)})"
                parts.append(f"{head}\n{said}")
            if isinstance(child, ast.ClassDef):
                walk(child, full, depth + 1)

    if first := ast.get_docstring(tree):
        parts.append(first)
    walk(tree, "", 0)
    return tidy("\n\n".join(parts))


def _arguments(given: ast.arguments) -> str:
    names = [item.arg for item in (*given.posonlyargs, *given.args)]
    names += [f"*{given.vararg.arg}"] if given.vararg else []
    names += [item.arg for item in given.kwonlyargs]
    return ", ".join([*names, *([f"**{given.kwarg.arg}"] if given.kwarg else [])])


_FONTS = re.compile(r"\\f(?:\[[^\]]*\]|\([^\s]{2}|.)|\\[sk][-+]?\d+|\\[,/&|^:%!]|\\[mM]\[[^\]]*\]|\\\*\(?[^\s]{1,2}")
_NAMED = {
    "em": "\u2014", "en": "\u2013", "bu": "\u2022", "aq": "'", "dq": '"', "lq": "\u201c", "rq": "\u201d", "oq": "\u2018",
    "cq": "\u2019", "ha": "^", "ti": "~", "ga": "`", "rs": "\\", "co": "\u00a9", "hy": "-", "mi": "-", "ba": "|", "at": "@",
    "sh": "#", "ua": "\u2191", "da": "\u2193", "->": "\u2192", "<-": "\u2190", "mu": "\u00d7", "sq": "\u25a1", "+-": "\u00b1",
}  # fmt: skip
_FONT_MACROS = frozenset({"B", "I", "R", "BR", "RB", "IR", "RI", "BI", "IB", "SM", "SB", "CW"})
_JOINED = frozenset({"BR", "RB", "IR", "RI", "BI", "IB"})  # their words stand without spaces between
_BREAKS = frozenset({"PP", "P", "LP", "sp", "HP", "Sp", "RS", "RE", "br"})
_WIDTH = 79


def manual(source: str) -> str | Unreadable:
    """The text of a manual page in the macros of man(7), filled to lines, headings and tags on lines of their own.

    What only lays a page out is dropped. Pages in mdoc(7) and links to other pages are refused.
    """
    if re.search(r"^\.(Dd|so)\b", source, re.MULTILINE):
        return Unreadable("another kind of manual page")
    page = _Page()
    skipping = ""  # the end of what is being left out: of a definition, of a table
    for line in source.split("\n"):
        if skipping:
            skipping = "" if line.startswith(skipping) else skipping
            continue
        if not line.startswith((".", "'")):
            page.add(_plain(line))
            continue
        macro, _, rest = line[1:].strip().partition(" ")
        if macro in ("de", "ig", "am"):
            skipping = ".."
        elif macro == "TS":
            skipping = ".TE"
        elif macro in ("SH", "SS"):
            page.head(_plain(rest.strip().strip('"')))
        elif macro in ("nf", "Vb", "EX"):
            page.fill(False)
        elif macro in ("fi", "Ve", "EE"):
            page.fill(True)
        elif macro in _FONT_MACROS:
            words = [quoted or bare for quoted, bare in re.findall(r'"([^"]*)"|(\S+)', rest)]
            page.add(_plain(("" if macro in _JOINED else " ").join(words)))
        elif macro == "TP":
            page.end(gap=True)
            page.tag = True
        elif macro == "IP":
            page.end(gap=True)
            if rest:
                page.add(_plain(re.sub(r'^"([^"]*)".*|^(\S+).*', r"\1\2", rest)))
                page.end()
        elif macro in _BREAKS:
            page.end(gap=macro != "br")
    page.end()
    return tidy(re.sub(r"\n{3,}", "\n\n", "\n".join(page.lines)))


class _Page:
    """Lines of a page. tag: the next line stands alone, as a term before its meaning."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.tag = False
        self._words: list[str] = []
        self._filled = True

    def add(self, text: str) -> None:
        """A line of the source."""
        if not self._filled or text.startswith((" ", "\t")):  # such lines break too
            self.end()
            self.lines.append(text)
        elif not text:
            self.end(gap=True)
        else:
            self._words += text.split()
            if self.tag:
                self.end()

    def head(self, text: str) -> None:
        """A heading."""
        self.fill(True)
        self.lines += ["", text]

    def fill(self, filled: bool) -> None:
        """Whether lines run on from now on."""
        self.end()
        self._filled = filled

    def end(self, gap: bool = False) -> None:
        """What ran on so far is written; gap: and an empty line behind it."""
        self.lines += textwrap.wrap(" ".join(self._words), _WIDTH, break_long_words=False, break_on_hyphens=False)
        self.lines += [""] if gap else []
        self._words, self.tag = [], False


def _plain(text: str) -> str:
    """A line without requests of fonts and sizes, its named characters as they are."""
    text = re.sub(r'\\["#].*', "", text)  # a comment
    text = _FONTS.sub("", text)
    text = re.sub(r"\\\((..)|\\\[(\w+)\]", lambda found: _NAMED.get(found[1] or found[2], ""), text)
    return text.replace("\\-", "-").replace("\\ ", " ").replace("\\~", " ").replace("\\e", "\\").replace("\\'", "'")
