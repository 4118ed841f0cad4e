"""What people and speech recognizers do to a sentence: slips, fillers, dropped marks, contractions, spelled numbers."""

from __future__ import annotations

import random
from dataclasses import replace

from edge_runtime.home.words import tokenize
from trainer_host.teacher.home.phrases import FILLERS
from trainer_host.teacher.home.say import Word

_NEIGHBOURS = {
    "a": "sqz", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj", "i": "uo", "j": "hk",
    "k": "jl", "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o", "q": "wa", "r": "et", "s": "ad", "t": "ry",
    "u": "yi", "v": "cb", "w": "qe", "x": "zc", "y": "tu", "z": "x",
}  # fmt: skip
_CONTRACTIONS = (
    (("it's",), ("it", "is")), (("it", "is"), ("it's",)), (("it's",), ("its",)), (("i'm",), ("i", "am")),
    (("i'm",), ("im",)), (("don't",), ("do", "not")), (("don't",), ("dont",)), (("can't",), ("cannot",)),
    (("can't",), ("cant",)), (("what's",), ("what", "is")), (("what's",), ("whats",)), (("i'd",), ("i", "would")),
    (("we're",), ("we", "are")), (("that's",), ("thats",)), (("there's",), ("there", "is")), (("let's",), ("lets",)),
    (("going", "to"), ("gonna",)), (("want", "to"), ("wanna",)), (("give", "me"), ("gimme",)), (("i've",), ("ive",)),
)  # fmt: skip


def slip(word: str, rng: random.Random) -> str:
    """One typing slip inside a word of four letters or more: swap, drop, double or a neighbouring key."""
    i = rng.randrange(1, len(word) - 1)
    roll = rng.random()
    if roll < 0.3:
        return word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    if roll < 0.55:
        return word[:i] + word[i + 1 :]
    if roll < 0.75:
        return word[:i] + word[i] + word[i:]
    return word[:i] + rng.choice(_NEIGHBOURS.get(word[i], word[i])) + word[i + 1 :]


def roughen(words: list[Word], rng: random.Random) -> list[Word]:
    """The words with the noise of one speaker; labels stay on their words."""
    out = list(words)
    if rng.random() < 0.3:
        out = _contract(out, rng)
    if rng.random() < 0.09:
        candidates = [i for i, w in enumerate(out) if len(w.text) > 3 and w.text.isalpha() and w.text.isascii()]
        for i in rng.sample(candidates, min(len(candidates), rng.choice((1, 1, 2)))):
            out[i] = replace(out[i], text=slip(out[i].text, rng))
    if rng.random() < 0.06 and len(out) > 2:
        at = rng.randrange(1, len(out))
        inside = out[at].slot and not out[at].begin
        if not inside:
            out[at:at] = [Word(token) for token in tokenize(rng.choice(FILLERS))]
    if rng.random() < 0.04:
        out = [w for w in out if w.text not in ("the", "a") or w.slot] or out
    if rng.random() < 0.25:
        out = [w for w in out if w.text not in (",", ".", "!", "?", ":") or w.slot] or out
    return out


def _contract(words: list[Word], rng: random.Random) -> list[Word]:
    out = list(words)
    for before, after in rng.sample(_CONTRACTIONS, len(_CONTRACTIONS)):
        if all(w.text != before[0] for w in out):
            continue
        for i in range(len(out) - len(before) + 1):
            window = out[i : i + len(before)]
            if tuple(w.text for w in window) == before and not any(w.slot for w in window):
                out[i : i + len(before)] = [replace(window[0], text=text) for text in after]
                break
    return out
