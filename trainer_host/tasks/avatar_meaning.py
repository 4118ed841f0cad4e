"""What the words of a command say about face, body and eyes: whether a teacher's command fits the choice drawn for it.

Plain rules over the grammar's own phrases and common other words for them; a good command in words that none of them
knows ("make like a statue") is refused. What fits a *line* can't be told by words; that is a judge's question.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from edge_runtime.avatar.vocabulary import DEFAULTS
from trainer_host.tasks import Rejected
from trainer_host.tasks.avatar_grammar import FACES, LOOKS, MOVES
from trainer_host.tasks.wording import words

# Other words, beyond the phrases of the grammar; a word stands for its forms in -s, -ing, -ed too.
_MORE: dict[str, dict[str, tuple[str, ...]]] = {
    "emotion": {
        "neutral": ("neutral", "straight face", "poker face", "blank", "expressionless", "no expression", "serious"),
        "happy": ("smile", "happy", "happily", "grin", "joy", "joyful", "cheerful", "glad", "laugh", "delighted", "beam", "excited"),
        "sad": ("sad", "sadly", "unhappy", "cry", "tearful", "gloomy", "heartbroken", "frown", "pout", "sorrow", "depressed"),
        "angry": ("angry", "angrily", "anger", "mad", "furious", "rage", "annoyed", "scowl", "glare", "outraged", "cross with"),
        "afraid": ("afraid", "scared", "fear", "fearful", "frightened", "terrified", "anxious", "nervous", "scare", "panic"),
        "surprised": ("surprised", "surprise", "amazed", "astonished", "shocked", "stunned", "gasp", "startled"),
        "disgusted": ("disgusted", "disgust", "grossed out", "revolted", "yuck", "sick of it", "repelled"),
        "loving": ("loving", "lovingly", "love", "affection", "affectionate", "tender", "tenderly", "adoring", "adore"),
        "confused": ("confused", "confusion", "puzzled", "baffled", "lost", "perplexed", "bewildered"),
        "bored": ("bored", "boredom", "uninterested", "yawn", "fed up", "dull", "weary"),
        "proud": ("proud", "proudly", "pride", "smug", "pleased with yourself"),
        "shy": ("shy", "shyly", "bashful", "blush", "embarrassed", "coy", "timid"),
    },
    "gesture": {
        "wave": ("wave", "waving"), "nod": ("nod", "nodding"), "shake_head": ("shake your head", "shaking your head"),
        "shrug": ("shrug", "shrugging"), "point": ("point", "pointing"), "thumbs_up": ("thumbs up", "thumb up"),
        "thumbs_down": ("thumbs down", "thumb down"), "clap": ("clap", "clapping", "applaud", "applause"),
        "bow": ("bow", "bowing", "take a bow"), "cross_arms": ("cross your arms", "arms crossed", "fold your arms", "arms folded"),
        "facepalm": ("facepalm", "palm on your face", "palm to your face"), "heart_hands": ("heart with your hands", "heart hands"),
        "dance": ("dance", "dancing"), "jump": ("jump", "jumping", "hop"),
        "think": ("chin", "thinking pose", "scratch your head", "look thoughtful"), "salute": ("salute", "saluting"),
        "beckon": ("beckon", "wave me over", "come closer", "call me over"),
        "tilt_head": ("tilt your head", "head to one side", "head to the side", "cock your head"),
        "hands_up": ("hands up", "raise your hands", "hands in the air", "both arms", "raise your arms", "arms up"),
    },
    "gaze": {
        "user": ("look at me", "face me", "eye contact", "eyes on me", "looking at me", "watch me"),
        "away": ("look away", "looking away", "avert", "avoid my eyes"),
        "up": ("look up", "looking up", "at the ceiling", "at the sky", "upward", "upwards"),
        "down": ("look down", "looking down", "at the floor", "at the ground", "at your feet", "downward", "downwards"),
        "left": ("left",), "right": ("right",),
        "around": ("look around", "looking around", "around the room", "scan the room", "glance around"),
        "closed": ("close your eyes", "eyes closed", "shut your eyes", "eyes shut", "closed eyes"),
    },
}  # fmt: skip
_TABLES: Mapping[str, Mapping[str, tuple[str, ...]]] = {"emotion": FACES, "gesture": MOVES, "gaze": LOOKS}
_NO_CUE = frozenset({"all right", "right now", "right away", "right here"})
# What a line holds when its writer couldn't leave it at the words: *waves*, (smiling), [bows].
_STAGE = re.compile(r"\*[^*\n]{2,40}\*|[(\[][a-z' ]{3,40}[)\]]")


@lru_cache(maxsize=1)
def _phrases() -> dict[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Phrase, as words -> what it says, each as (head, label)."""
    found: dict[tuple[str, ...], set[tuple[str, str]]] = {}
    for tables in (_TABLES, _MORE):
        for head, table in tables.items():
            for label, phrases in table.items():
                for phrase in phrases:
                    found.setdefault(tuple(words(phrase)), set()).add((head, label))
    return {phrase: tuple(sorted(meant)) for phrase, meant in found.items()}


def told(text: str) -> dict[str, set[str]]:
    """Head -> labels that a command's words name; of two phrases at one place the longer counts."""
    tokens = words(text)
    known = _phrases()
    longest = max(map(len, known))
    heads: dict[str, set[str]] = {head: set() for head in _TABLES}
    at = 0
    while at < len(tokens):
        for size in range(min(longest, len(tokens) - at), 0, -1):
            phrase = tuple(tokens[at : at + size])
            if " ".join(phrase) in _NO_CUE:
                at += size
                break
            meant = known.get(phrase) or (known.get((_root(phrase[0]),)) if size == 1 else None)
            if meant:
                for head, label in meant:
                    heads[head].add(label)
                at += size
                break
        else:
            at += 1
    return heads


def _root(word: str) -> str:
    for ending in ("ing", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def check_command(text: str, choice: Mapping[str, object]) -> None:
    """Refuse a command that doesn't say what was chosen, or says something else as well; raises `Rejected`."""
    for head, named in told(text).items():
        label = str(choice[head])
        if label != DEFAULTS[head] and label not in named:
            raise Rejected("choice unsaid", f"The command doesn't say the {head} {label}; say it in plain words.")
        if others := sorted(named - {label, DEFAULTS[head]}):
            raise Rejected("says something else", f"The command also says the {head} {others[0]}; leave that out.")


def check_line(text: str) -> None:
    """Refuse a line with stage directions, which would be spoken; raises `Rejected`."""
    if found := _STAGE.search(text):
        raise Rejected("stage direction", f"{found[0]!r} is no part of what is said; write the spoken words alone.")
