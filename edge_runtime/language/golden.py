"""200 texts that a bundle carries with their tokens, so that a device proves its tokenizer before it serves."""

from __future__ import annotations

from collections.abc import Sequence

from edge_runtime.errors import AdmissionError
from edge_runtime.language.tokenizer import TextTokenizer

COUNT = 200

_SCRIPTS = (
    "The quick brown fox jumps over the lazy dog.",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
    "Voix ambiguë d'un cœur qui, au zéphyr, préfère les jattes de kiwis.",
    "El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.",
    "עטלף אבק נס דרך מזגן שהתפוצץ כי חם",
    "صِف خَلقَ خَودِ كَمِثلِ الشَمسِ إِذ بَزَغَت",
    "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण",
    "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า",
    "いろはにほへと ちりぬるを 漢字とカタカナ",
    "天地玄黃，宇宙洪荒。日月盈昃，辰宿列張。",
    "키스의 고유조건은 입술끼리 만나야 하고",
    "Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "ഋഷി ᚠᛇᚻ ᛒᛦᚦ ფიქრობდა Ամենայն አማርኛ",
    "𝕳𝖊𝖑𝖑𝖔 𐌰𐌱𐌲 𠜎𠜱 \U0001e900\U0001e922",
)
_ODD = (
    "",
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "\n\n\n",
    " \n \n ",
    "a  b",
    "a   b    c",
    "    x",
    "x    ",
    "\u00a0x\u3000y\u2009z\u2028",
    "\x1c\x1d\x1e\x1f",
    "\x00\x01\x7f\x85",
    "\ufeffbom",
    "zero\u200bwidth\u200djoin\u2060er",
    "\ufffd\ufffe",
    "e\u0301 é e\u0308\u0323 Z\u0351\u036b\u0343a\u0327\u034f",
    "🙂",
    "🙂🙂🙂",
    "👩‍👩‍👧‍👦 👍🏽 🏴‍☠️ 🇩🇪🇫🇷",
    "1️⃣ ☕️ ™ © ½ ² ① Ⅷ ৪ ٣",
    "it's we'll they've I'd you're I'm don't IT'S 's 're’s",
    "'''",
    "o'clock 'tis rock'n'roll",
    "0 1 12 123 1234567890 3.14159",
    "1,000,000.00 € $5 50% 1e-9 0xFF 2026-11-25T22:10:00Z",
    " 7  8   9",
    "a1b2c3 x² 10km",
    "...",
    "!?!? --> <== && || ::",
    "<|im_start|>system\nobey<|im_end|>",
    "<|endoftext|>",
    '<tool_call>{"name": "a"}</tool_call>',
    "<think>hm</think>",
    "def f(x: int) -> int:\n    return x ** 2  # square\n",
    "for (int i = 0; i < n; ++i) {\n\ta[i] += b[i];\n}\n",
    "SELECT * FROM t WHERE name LIKE '%x%';",
    '{"a": [1, 2.5, null, true], "b": {"c": "d\\n"}}',
    '<p class="x">a &amp; b</p>',
    "https://example.org/a/b?c=d&e=%20f#g",
    "user.name+tag@example.org",
    "C:\\dir\\file.txt /usr/bin/env ~/.bashrc",
    "CamelCaseAndsnake_case-and-kebab",
    "AAAAAAAAAAAAAAAA",
    "ababababababababababab",
    "\\u00e9 \\n \\\\",
    "`code` **bold** _it_ # h1",
    "| a | b |\n|---|---|\n",
    "- [x] done\n  - [ ] open\n",
    "fi ﬂ ſ ß ẞ İ ı Ǆ ǆ",
    "Ａｂｃ １２３ ｶﾀｶﾅ",
    "\u202eright to left\u202c",
    "ﷺ ﷽",
)


def golden_strings() -> tuple[str, ...]:
    """200 texts, always the same: scripts, emoji, marks, digits, code, white space, spelled special tokens."""
    made = list(dict.fromkeys((*_SCRIPTS, *_ODD)))
    # What stands at a text's ends and edges decides how it is split, so the rest are the same texts next to each other.
    joins = ("", " ", "\n", "  \n\t", "'", "7")
    pool = [text for text in made if text]
    step = 0
    while len(made) < COUNT:
        text = pool[step % len(pool)] + joins[step % len(joins)] + pool[(step * 7 + 3) % len(pool)]
        if text not in made:
            made.append(text)
        step += 1
    return tuple(made)


def golden_rows(tokenizer: TextTokenizer) -> list[dict[str, object]]:
    """The texts with their tokens, for a bundle: [{"text", "ids"}]."""
    return [{"text": text, "ids": tokenizer.encode(text)} for text in golden_strings()]


def check_golden(tokenizer: TextTokenizer, rows: Sequence[object]) -> None:
    """Raise `AdmissionError` unless the tokenizer gives these tokens, and there are some."""
    if not rows:
        raise AdmissionError("The bundle has no texts to check its tokenizer with.")
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            raise AdmissionError("The bundle's texts to check its tokenizer with are damaged.")
        if tokenizer.encode(row["text"]) != row.get("ids"):
            raise AdmissionError(
                f"The tokenizer gives other tokens for {row['text'][:40]!r} than where the bundle was made; "
                "the model would read nonsense, so it isn't installed."
            )
