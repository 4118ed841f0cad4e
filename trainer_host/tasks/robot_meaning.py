"""Whether other words still mean the same calls: action, names, places and values said, nothing else named.

The device's resolver can't tell: it is given the action by the model, and would find "turn off the lamp" a fine
sentence for turning it on. So the words for actions are read here, by plain rules that know common verbs alone; a
good sentence without any of them ("let there be light") is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edge_runtime.home.inventory import Entity, Home
from edge_runtime.home.lexicon import AREA_SYNONYMS, COLORS, KIND_WORDS
from edge_runtime.home.match import stems
from edge_runtime.home.resolve import Call
from edge_runtime.home.words import FRACTIONS, numbers, stem, tokenize
from trainer_host.tasks import Rejected

# Direction -> phrases that say it, in stems. "on" and "back" need more than a word, see `directions`.
_PHRASES: dict[str, tuple[str, ...]] = {
    "off": ("off", "kill", "deactivate", "disable", "extinguish", "shut down", "power down", "lights out", "light out",
            "lamp out", "turn out", "put out", "switch out", "douse", "unplug"),
    "on": ("activate", "enable", "illuminate", "light up", "power up", "fire up", "boot", "trigger", "engage", "going",
           "running", "turn it on"),
    "open": ("open", "opened", "unfurl", "roll up", "pull up", "draw back", "let in"),
    "close": ("close", "closed", "shut", "roll down", "pull down", "draw the"),
    "up": ("up", "louder", "brighter", "brighten", "raise", "increase", "higher", "warmer", "hotter", "boost", "faster",
           "more", "crank", "bump", "lift", "upward"),
    "down": ("down", "quieter", "softer", "dim", "dimmer", "darker", "darken", "lower", "decrease", "reduce", "cooler",
             "colder", "slower", "less", "turn it down", "drop", "downward"),
    "lock": ("lock", "locked", "bolt", "secure", "latch"),
    "unlock": ("unlock", "unlocked", "unbolt", "unlatch"),
    "mute": ("mute", "muted", "silence", "silent"),
    "unmute": ("unmute", "unmuted", "sound back"),
    "next": ("next", "skip", "forward"),
    "previous": ("previous", "last", "before", "rewind", "go back", "back to", "back one", "back a"),
    "pause": ("pause", "paused", "stop", "halt", "hold", "freeze", "quit"),
    "resume": ("resume", "continue", "unpause", "carry on", "keep playing", "play on", "play again", "play"),
    "play": ("play", "hear", "listen", "put on", "watch", "stream"),
    "start": ("start", "run", "vacuum", "clean", "hoover", "sweep", "mop", "mow", "begin", "launch", "tidy", "cut",
              "set off"),
    "dock": ("dock", "return", "home", "base", "charge", "charger", "charging", "station", "go back", "send back"),
    "add": ("add", "put", "need", "buy", "include", "note", "write", "jot", "get", "pop", "throw", "stick", "want"),
    "complete": ("complete", "completed", "done", "check", "tick", "cross", "finished", "mark", "bought", "got"),
    "remove": ("remove", "delete", "take", "drop", "scratch", "strike", "erase", "rid", "clear"),
}  # fmt: skip
_SAYS: dict[tuple[str, ...], set[str]] = {}
for _direction, _phrases in _PHRASES.items():
    for _phrase in _phrases:
        _SAYS.setdefault(tuple(stem(word) for word in _phrase.split()), set()).add(_direction)
_LONGEST = max(len(phrase) for phrase in _SAYS)
_CONTRARY = {
    "on": {"off"}, "off": {"on"}, "open": {"close"}, "close": {"open"}, "up": {"down"}, "down": {"up"},
    "lock": {"unlock"}, "unlock": {"lock"}, "mute": {"unmute"}, "unmute": {"mute"}, "next": {"previous"},
    "previous": {"next"}, "pause": {"resume"}, "resume": {"pause"}, "start": {"dock", "pause"}, "dock": {"start"},
    "add": {"complete", "remove"}, "complete": {"add"}, "remove": {"add"}, "play": {"pause", "off"},
}  # fmt: skip
# What must be said for an intent, any of these; None: its value says it.
_SAID: dict[str, frozenset[str] | None] = {
    "HassMediaPause": frozenset({"pause"}), "HassMediaUnpause": frozenset({"resume", "play", "start"}),
    "HassMediaNext": frozenset({"next"}), "HassMediaPrevious": frozenset({"previous"}),
    "HassMediaPlayerMute": frozenset({"mute"}), "HassMediaPlayerUnmute": frozenset({"unmute"}),
    "HassMediaSearchAndPlay": frozenset({"play"}), "HassListAddItem": frozenset({"add"}),
    "HassListCompleteItem": frozenset({"complete"}), "HassListRemoveItem": frozenset({"remove"}),
    "HassVacuumStart": frozenset({"start", "on"}), "HassVacuumReturnToBase": frozenset({"dock"}),
    "HassVacuumPause": frozenset({"pause"}), "HassLawnMowerStartMowing": frozenset({"start", "on"}),
    "HassLawnMowerDock": frozenset({"dock"}), "HassLawnMowerPause": frozenset({"pause"}),
    "HassLightSet": None, "HassSetPosition": None, "HassFanSetSpeed": None, "HassSetVolume": None,
    "HassClimateSetTemperature": None, "HassSetVolumeRelative": None, "HassGetState": frozenset({"question"}),
}  # fmt: skip
_VALUED = frozenset({"HassLightSet", "HassSetPosition", "HassFanSetSpeed", "HassSetVolume"})
INTENTS = frozenset({*_SAID, "HassTurnOn", "HassTurnOff"})  # those whose words are known here
_SWITCHING = frozenset({"turn", "turned", "turning", "switch", "switched", "put", "flip", "flick", "power", "click"})
_AFTER_ON = frozenset({"in", "at", "please", "for", "when", "now", "and", ",", ".", "!", "?", "if", "then", "again", "right", "would", "to"})  # fmt: skip
_NEGATING = frozenset({
    "don't", "dont", "not", "never", "no", "nothing", "without", "except", "but", "isn't", "won't", "can't", "cannot",
    "shouldn't", "unless", "save", "apart", "doesn't", "avoid", "neither", "nor", "only",
})  # fmt: skip
# Actions that a rewording must not add; others, as "up" and "put", are words of many sentences.
_DISTINCT = frozenset({"open", "close", "lock", "unlock", "mute", "unmute"})
# Words that widen or move what is meant.
_WIDER = frozenset(
    {"other", "another", "everything", "everywhere", "house", "upstairs", "downstairs", "outside", "inside", "rest"}
)
_TOLD = (" is now ", " are now ", " is already ", " are already ", " has been ", " have been ", " was turned ")
_ASKING = frozenset({
    "is", "are", "what", "what's", "which", "who", "where", "when", "why", "how", "does", "do", "did", "has", "have",
    "am", "any", "was", "were",
})  # fmt: skip
_TELLING = ("tell me", "check if", "check whether", "let me know", "show me", "know if", "know whether", "see if")


def directions(tokens: Sequence[str]) -> set[str]:
    """What a sentence says to do, as far as plain verbs say it."""
    found = tuple(stem(token) for token in tokens)
    said: set[str] = set()
    for i in range(len(found)):
        if found[i + 1 : i + 2] == ("you",):
            continue  # "I need you to ..." adds nothing to a list
        for size in range(1, _LONGEST + 1):
            said |= _SAYS.get(found[i : i + size], set())
    for i, token in enumerate(tokens):
        # "turn on the lamp", "the lamp on, please" and "lamp on"; but not "the lamp on the desk".
        before = tokens[i - 1] if i else ""
        if token == "on" and (before in _SWITCHING or i + 1 == len(tokens) or tokens[i + 1] in _AFTER_ON):
            said.add("on")
    if is_question(tokens):
        said.add("question")
    return said


def is_question(tokens: Sequence[str]) -> bool:
    """Whether a sentence asks how things are, rather than asks for something to be done."""
    text = f" {' '.join(tokens)} "
    return bool(tokens) and (tokens[0] in _ASKING or any(f" {words} " in text for words in _TELLING))


def must_say(call: Call, home: Home, sentence: Sequence[str]) -> frozenset[str] | None:
    """Directions of which a rewording of `sentence` must say one; None where the values of the call say it."""
    if call.name in ("HassTurnOn", "HassTurnOff"):
        on = call.name == "HassTurnOn"
        domains = {entity.domain for entity in home.entities if entity.id in call.targets}
        if domains <= {"cover", "valve"}:
            switched = directions(sentence) & {"on" if on else "off"}  # "turn the water on"
            moved = {"up" if on else "down"} if "cover" in domains else set()
            return frozenset({"open" if on else "close", *moved, *switched})
        if domains == {"lock"}:
            return frozenset({"lock", "close"} if on else {"unlock", "open"}) & directions(sentence)
        return frozenset({"on", "start", "play"} if on else {"off", "pause"})
    said = _SAID[call.name]
    if said is not None:
        return said
    changes = directions(sentence) & {"up", "down", "open", "close", "on"}
    return None if any(values(sentence)) else frozenset(changes)


def values(tokens: Sequence[str], parts: bool = True) -> tuple[list[float], list[str]]:
    """The amounts and the colours of a sentence, sorted: what a rewording must keep.

    parts: whether words such as "half", "slow" and "way" are amounts, as they are for lights, blinds and fans.
    """
    amounts = numbers(list(tokens))
    if parts:
        amounts += [FRACTIONS[token] for token in tokens if token in FRACTIONS]
    return sorted(amounts), sorted(token for token in tokens if token in COLORS)


def _by(tokens: Sequence[str]) -> bool:
    """Whether a sentence changes something by an amount, rather than to one."""
    return any(token == "by" and numbers(list(tokens[i + 1 : i + 2])) for i, token in enumerate(tokens))


def check_meaning(text: str, sentence: str, calls: Sequence[Call], home: Home) -> None:
    """Refuse a rewording of `sentence` that doesn't surely mean the same calls; raises `Rejected`."""
    new, old = tokenize(text), tokenize(sentence)
    _check_actions(new, old, calls, home)
    parts = any(call.name in _VALUED for call in calls)
    if values(new, parts) != values(old, parts) or _by(new) != _by(old):
        amounts, colors = values(old, parts)
        wanted = ", ".join([*(f"{amount:g}" for amount in amounts), *colors]) or "no number and no colour"
        raise Rejected("other value", f"Keep the values as they are: {wanted}.")
    targets = [entity for entity in home.entities if any(entity.id in call.targets for call in calls)]
    if wider := sorted(set(new) & _WIDER - set(old)):
        raise Rejected("other name", f"The word {wider[0]!r} speaks of something else; name only what was named.")
    missing = [word for word in _anchors(old, targets, home) if not _says(new, word)]
    if missing:
        raise Rejected("name missing", f"Keep the names and rooms; {missing[0]!r} is missing.")
    for call in calls:
        for key in ("item", "search_query"):
            phrase = list(stems(str(call.arguments.get(key, ""))))
            if phrase and not _holds([stem(token) for token in new], phrase) and _holds([stem(t) for t in old], phrase):
                raise Rejected("name missing", f"Keep {call.arguments[key]!r} as it is.")
    if stranger := _stranger(new, old, home):
        raise Rejected("other name", f"{stranger!r} is something else in this home; name only what the sentence names.")


def check_actions(text: str, calls: Sequence[Call], home: Home) -> None:
    """Refuse a sentence of its own that doesn't say what its calls do, or says the contrary; raises `Rejected`."""
    tokens = tokenize(text)
    said = directions(tokens)
    wanted = [must_say(call, home, tokens) for call in calls]
    for call, options in zip(calls, wanted, strict=True):
        if options is not None and not options & said:
            raise Rejected("action missing", f"The sentence must say {' or '.join(sorted(options)) or 'what to do'}.")
        contrary = {other for direction in options or () for other in _CONTRARY.get(direction, ())}
        contrary |= {"off"} if call.name in _VALUED else set()
        contrary -= {direction for others in wanted for direction in others or ()}
        if contrary & said:
            raise Rejected(
                "contrary action", f"The sentence says {min(contrary & said)!r}, the call does the contrary."
            )
    if any(token in _NEGATING for token in tokens):
        raise Rejected("negation", "The sentence takes something back; say plainly what is to be done.")
    if is_question(tokens):
        raise Rejected("asks", "The sentence asks how things are; say what is to be done.")


def _check_actions(new: Sequence[str], old: Sequence[str], calls: Sequence[Call], home: Home) -> None:
    said, before = directions(new), directions(old)
    for call in calls:
        wanted = must_say(call, home, old)
        if wanted is not None and not wanted & said:
            options = " or ".join(sorted(wanted)) or "what is to be done, with a plain verb"
            raise Rejected("action missing", f"The sentence must say {options}, as in {' '.join(old)!r}.")
        contrary = {other for direction in wanted or before for other in _CONTRARY.get(direction, ())} - before
        if call.name in _VALUED:
            contrary |= {"off"} - before
        if contrary & said:
            raise Rejected("contrary action", f"The sentence says {min(contrary & said)!r}; that is the contrary.")
        more = (said - before - (wanted or frozenset())) & _DISTINCT
        if more - ({"close"} if "off" in said else set()):  # "shut it off" closes nothing
            raise Rejected("another action", f"The sentence also says {min(more)!r}; say only what was given.")
    text = f" {' '.join(new)} "
    if any(words in text for words in _TOLD) and not any(words in f" {' '.join(old)} " for words in _TOLD):
        raise Rejected("states", "The sentence tells how things are; say what is to be done.")
    if added := sorted(set(new) & _NEGATING - set(old)):
        raise Rejected("negation", f"The word {added[0]!r} takes something back; say it without.")
    if is_question(new) and not is_question(old):
        raise Rejected("asks", "The sentence asks how things are; say what is to be done.")


def _anchors(tokens: Sequence[str], targets: Iterable[Entity], home: Home) -> list[str]:
    """Stems of a sentence that say which things are meant: parts of their names, rooms, floors, sorts."""
    own: set[str] = set()
    for entity in targets:
        for name in (entity.name, *entity.aliases):
            own.update(stems(name))
        if area := home.area(entity.area):
            own.update(stems(area.name))
            own.update(stems(area.floor or ""))
            for group in AREA_SYNONYMS:
                if area.name.lower() in group:
                    own.update(word for name in group for word in stems(name))
    own -= {"the", "a", "of", "my", "on", "off", "in", "to"}
    found = [stem(token) for token in tokens]
    return [word for word in found if word in own or word in KIND_WORDS or word in ("upstair", "downstair")]


def _says(tokens: Sequence[str], word: str) -> bool:
    """Whether a word is said, or, for a sort of thing, another word for the same sort."""
    found = {stem(token) for token in tokens}
    kind = KIND_WORDS.get(word)
    return word in found or (kind is not None and any(KIND_WORDS.get(other) == kind for other in found))


def _stranger(new: Sequence[str], old: Sequence[str], home: Home) -> str | None:
    """A name or place that the rewording has and the sentence hadn't."""
    said, before = [stem(token) for token in new], {stem(token) for token in old}
    names = [name for entity in home.entities for name in (entity.name, *entity.aliases)]
    rooms = [area.name for area in home.areas] + [area.floor for area in home.areas if area.floor]
    rooms += sorted(word for group in AREA_SYNONYMS for word in group)
    for name in (*names, *rooms):
        phrase = list(stems(name))
        added = [word for word in phrase if word not in before]
        # A thing that is called "Light" isn't named by every "light" that stands for "lamp"; a room is by its word.
        sort = name not in rooms and all(word in KIND_WORDS for word in added)
        if added and not sort and _holds(said, phrase):
            return name
    return None


def _holds(tokens: Sequence[str], phrase: Sequence[str]) -> bool:
    size = len(phrase)
    return size > 0 and any(list(tokens[i : i + size]) == list(phrase) for i in range(len(tokens) - size + 1))
