"""Manual pages of this machine as plain text, their sections as Markdown's headings: documents that nobody wrote for a search."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

ROOT = Path("/usr/share/man")
_BLOCKS = frozenset(["TP", "PP", "P", "LP", "IP", "HP", "Pp", "It", "sp", "TQ"])
_WORDS = frozenset(
    [
        "B",
        "I",
        "BR",
        "IR",
        "RB",
        "RI",
        "BI",
        "IB",
        "SM",
        "SB",
        "Nm",
        "Nd",
        "Xr",
        "Fl",
        "Ar",
        "Cm",
        "Op",
        "Pa",
        "Li",
        "Dq",
        "Sq",
        "Ql",
        "Ev",
        "Va",
        "Em",
        "Sy",
        "Dv",
        "No",
        "Dl",
        "UR",
        "MT",
        "OP",
    ]
)
_PLAIN = {
    "\\-": "-",
    "\\(em": " - ",
    "\\(aq": "'",
    "\\(bu": "*",
    "\\(dq": '"',
    "\\&": "",
    "\\e": "\\",
    "\\ ": " ",
    "\\(lq": '"',
    "\\(rq": '"',
}


def pages(names: list[str]) -> dict[str, str]:
    """The text of each that this machine has; a name is like "tar(1)"."""
    found = {}
    for section in sorted({name[-2] for name in names}):
        for path in sorted((ROOT / f"man{section}").glob("*")):
            name = re.sub(r"\.(\d)[a-z]*$", r"(\1)", path.name.removesuffix(".gz"))
            if name in names and not path.is_symlink() and (text := _text(path)):
                found[name] = text
    return {name: found[name] for name in sorted(found)}


def _text(path: Path) -> str:
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    made, defining = list[str](), False
    for line in raw.decode("utf-8", "replace").splitlines():
        if defining or line.startswith((".de", ".ig", ".am")):
            defining = not line.startswith("..")
        elif not line.startswith(('.\\"', "'\\\"", "'br")):
            made += _line(line)
    text = re.sub(r"\\f(?:\[[^\]]*\]|\(..|.)", "", "\n".join(made))
    text = re.sub(r"\\s[-+]?\d", "", text)
    for written, meant in _PLAIN.items():
        text = text.replace(written, meant)
    text = re.sub(r"\\\*?\[[^\]]*\]|\\\*?\(..|\\[|^~0/,:%cp]", "", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _line(line: str) -> list[str]:
    request = re.match(r"[.']\s*([A-Za-z]{1,3})\b\s*(.*)", line)
    if request is None:
        return [line]
    name, rest = request[1], request[2].strip()
    if name != "Nd":
        rest = rest.replace('"', "")
    if name in ("SH", "Sh", "SS", "Ss"):
        return ["", f"# {rest.capitalize()}", ""]
    if name in _BLOCKS:
        return ["", re.sub(r"\s\d+$", "", rest)] if name in ("IP", "It") and rest else [""]
    return [rest] if name in _WORDS else []
