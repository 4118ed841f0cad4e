"""The two grammars of the built-in teacher: Home Assistant's intents and our own phrases, as labelled clauses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from hassil import Intents
from hassil.expression import Sentence
from hassil.intents import Intent, IntentData, SlotList, TextSlotList
from hassil.recognize import recognize_all
from home_assistant_intents import get_intents

from edge_runtime.home.inventory import Home
from edge_runtime.home.lexicon import KIND_WORDS, is_kind
from edge_runtime.home.words import stem, tokenize
from trainer_host.teacher.home import nouns, say, targets, values
from trainer_host.teacher.home.phrases import RECIPES, Recipe
from trainer_host.teacher.home.say import Said, Scene, Unsayable, Word
from trainer_host.teacher.home.templates import Slot, draw, parsed


@dataclass
class Clause:
    """A labelled clause. `ids` are the things it moves; None: whatever its words resolve to."""

    action: str
    kind: str
    words: list[Word]
    template: str
    ids: list[str] | None = None
    ambiguous: bool = False


@dataclass(frozen=True)
class Template:
    """One sentence template and how to say it; `key` decides on which side of the split it falls."""

    key: str
    weight: float
    say: Callable[[Scene], Clause]


# -- our own phrases ------------------------------------------------------------------------------------------------


def _own(recipe: Recipe, text: str, scene: Scene) -> Clause:
    domains: tuple[str, ...]
    if recipe.kind == "switchable":
        domains = targets.switchable(scene)
    elif recipe.kind in ("readable", "any"):
        choices = [
            "light",
            "switch",
            "cover",
            "fan",
            "lock",
            "media_player",
            "climate",
            "vacuum",
            "valve",
            "sensor",
        ]
        present = [d for d in choices if scene.entities(d)]
        if not present:
            raise Unsayable
        domains = (scene.rng.choice(present),)
    else:
        domains = nouns.DOMAINS_OF_RECIPE.get(recipe.kind, ())
        if domains and not scene.entities(*domains):
            raise Unsayable
    if recipe.kind in ("awning", "garage"):
        scene = say.only_covers(scene, recipe.kind)
    fillers = values.values(scene)
    words: list[Word] = []
    said: Said | None = None
    for part in draw(parsed(text), {}, scene.rng):
        if isinstance(part, str):
            words += _attributes(say.literal(part), recipe)
        elif part.slot_name == "r":
            said = targets.target(scene, domains)
            words += said.words
        elif part.slot_name == "command":
            words += [Word(w.text, "TEXT", begin=i == 0) for i, w in enumerate(_command(scene))]
        elif part.slot_name in ("place", "place_only") and domains:
            words += values.place(scene, domains, only=part.slot_name == "place_only")
        elif part.slot_name == "list":
            said = values.todo_list(scene)
            words += said.words
        elif part.slot_name in ("task", "done", "item") and not scene.entities("todo"):
            raise Unsayable
        else:
            words += fillers[part.slot_name]()
    kind = recipe.kind
    if kind in ("switchable", "readable") or (recipe.action == "none"):
        kind = "any"
        heads = [w for w in words if w.slot in ("KIND", "NAME") and not w.excluded and w.kind]
        if heads:
            kind = heads[0].kind
    elif kind in ("cover", "media"):
        kinds = {w.kind for w in words if w.slot in ("KIND", "NAME") and not w.excluded}
        kind = next(iter(kinds)) if len(kinds) == 1 else kind
    if recipe.kind in ("awning", "garage") and "{r}" not in text:
        said = None
    clause = Clause(recipe.action, kind, words, text)
    if recipe.kind == "any" and recipe.action in ("on", "off") and scene.rng.random() < 0.3:
        pool = scene.entities(*targets.EVERYTHING_DOMAINS)
        if len(pool) > 1:
            clause.words = [*words, *targets.exclusion(scene, [e.id for e in pool], words).words]
        return clause
    acts = recipe.action not in (
        "none",
        "query",
        "temperature",
        "weather",
        "time",
        "date",
        "nevermind",
        "broadcast",
    )
    if said is not None and acts and not recipe.action.startswith("timer"):
        clause.ids, clause.ambiguous = said.ids, said.ambiguous
    return clause


_ATTRIBUTES = {
    "volume": "media", "sound": "media", "brightness": "light", "temperature": "climate", "heat": "climate",
    "speed": "fan", "position": "cover",
}  # fmt: skip


def _attributes(words: list[Word], recipe: Recipe) -> list[Word]:
    """Label an own template's literals: quantity words and attribute words ("the volume")."""
    out = []
    acts = recipe.action in ("set", "up", "down", "mute", "unmute", "on", "off")
    for i, word in enumerate(words):
        following = words[i + 1].text if i + 1 < len(words) else ""
        if acts and word.text == "everything":
            word = Word(word.text, "ALL", begin=True)
        elif acts and word.text in _ATTRIBUTES and word.text != "position":
            if not (word.text == "sound" and recipe.action == "off"):
                word = Word(word.text, "ATTR", _ATTRIBUTES[word.text], begin=True)
        elif acts and word.text in ("lights", "light") and recipe.kind == "light" and following not in ("up",):
            if word.text == "lights" or (i and words[i - 1].text == "the"):
                word = Word(word.text, "KIND", "light", begin=True)
        elif recipe.kind == "garage" and word.text in ("garage", "door") and (not i or words[i - 1].text != "into"):
            word = Word(word.text, "KIND", "garage", begin=word.text == "garage")
        elif recipe.kind == "valve" and word.text in ("water", "gas") and i and words[i - 1].text == "the":
            word = Word(word.text, "KIND", "valve", begin=True)
        elif (
            recipe.kind == "media"
            and word.text in ("music", "song", "movie", "show", "podcast", "video", "film")
            and i
            and words[i - 1].text in ("the", "my")
        ):
            word = Word(word.text, "KIND", "media", begin=True)
        elif word.text in ("it", "that", "them") and recipe.action in ("pause", "next"):
            word = Word(word.text, "PRON", begin=True)
        out.append(word)
    return out


def _command(scene: Scene) -> list[Word]:
    """A plain command inside another one ("turn off the oven in five minutes")."""
    said = targets.target(scene, targets.switchable(scene))
    verb = scene.rng.choice(("turn off", "turn on", "switch off", "switch on"))
    return [*say.literal(verb), *said.words]


# -- Home Assistant's intents ----------------------------------------------------------------------------------------

_INTENT_ACTIONS = {
    "HassLightSet": "set", "HassSetPosition": "set", "HassFanSetSpeed": "set", "HassSetVolume": "set",
    "HassClimateSetTemperature": "set", "HassClimateSetFanMode": "mode", "HassClimateGetTemperature": "temperature",
    "HassGetState": "query", "HassGetWeather": "weather", "HassGetCurrentTime": "time", "HassGetCurrentDate": "date",
    "HassMediaNext": "next", "HassMediaPrevious": "previous", "HassMediaPause": "pause", "HassMediaUnpause": "resume",
    "HassMediaPlayerMute": "mute", "HassMediaPlayerUnmute": "unmute", "HassMediaSearchAndPlay": "play",
    "HassListAddItem": "add", "HassShoppingListAddItem": "add", "HassListCompleteItem": "complete",
    "HassShoppingListCompleteItem": "complete", "HassListRemoveItem": "remove", "HassVacuumStart": "start",
    "HassVacuumCleanArea": "clean", "HassVacuumReturnToBase": "dock", "HassLawnMowerStartMowing": "start",
    "HassLawnMowerDock": "dock", "HassStartTimer": "timer_start", "HassCancelTimer": "timer_cancel",
    "HassCancelAllTimers": "timer_cancel", "HassPauseTimer": "timer_pause", "HassUnpauseTimer": "timer_resume",
    "HassIncreaseTimer": "timer_increase", "HassDecreaseTimer": "timer_decrease", "HassTimerStatus": "timer_status",
    "HassBroadcast": "broadcast", "HassNevermind": "nevermind", "HassRespond": "respond",
}  # fmt: skip
_INTENT_KINDS = {
    "HassLightSet": "light", "HassFanSetSpeed": "fan", "HassSetVolume": "media", "HassSetVolumeRelative": "media",
    "HassClimateSetTemperature": "climate", "HassClimateSetFanMode": "climate", "HassClimateGetTemperature": "climate",
    "HassVacuumStart": "vacuum", "HassVacuumCleanArea": "vacuum", "HassVacuumReturnToBase": "vacuum",
    "HassLawnMowerStartMowing": "mower", "HassLawnMowerDock": "mower", "HassMediaNext": "media",
    "HassMediaPrevious": "media", "HassMediaPause": "media", "HassMediaUnpause": "media", "HassMediaPlayerMute": "media",
    "HassMediaPlayerUnmute": "media", "HassMediaSearchAndPlay": "media",
}  # fmt: skip
_OPEN_CLOSE = {"cover": ("open", "close"), "valve": ("open", "close"), "lock": ("lock", "unlock")}
_TIMER_SLOTS = ("timer_hours", "timer_minutes", "timer_seconds", "timer_half")
_PLAIN_SLOTS = {
    "message": "TEXT", "timer_command": "TEXT", "search_query": "QUERY", "fan_mode": "MODE", "color": "COLOR",
    "color_temperature": "WHITE", "color_temperature_names": "WHITE", "todo_list_item": "ITEM",
    "shopping_list_item": "ITEM", "timer_name": "TEXT", "zone": "TEXT",
}  # fmt: skip


@lru_cache(maxsize=1)
def intents_data() -> dict:
    data = get_intents("en")
    assert data is not None
    return data


@lru_cache(maxsize=1)
def _whole() -> Intents:
    return Intents.from_dict(intents_data())


def rules() -> dict[str, Sentence]:
    return _whole().expansion_rules


def _action_of(intent: str, block: dict) -> str:
    if intent in ("HassTurnOn", "HassTurnOff"):
        on = intent == "HassTurnOn"
        domain = (block.get("slots") or {}).get("domain") or (
            (block.get("requires_context") or {}).get("domain") or [""]
        )[0]
        if domain in _OPEN_CLOSE:
            return _OPEN_CLOSE[domain][0 if on else 1]
        return "on" if on else "off"
    return _INTENT_ACTIONS.get(intent, "")


def _theirs(intent: str, block: dict, text: str, scene: Scene) -> Clause:
    rng = scene.rng
    required = (block.get("requires_context") or {}).get("domain") or []
    fixed = block.get("slots") or {}
    needs_area = bool((block.get("requires_context") or {}).get("area"))
    if needs_area and scene.here is None:
        raise Unsayable
    action = _action_of(intent, block)
    kind = _INTENT_KINDS.get(intent, "any")
    if fixed.get("domain") in ("light", "fan", "lock", "switch"):
        kind = fixed["domain"]
    ids: list[str] | None = None
    entity = None
    area = None
    words: list[Word] = []
    slots: dict[str, str] = {}
    drawn = draw(parsed(text), rules(), rng)
    names = {part.slot_name for part in drawn if isinstance(part, Slot)}
    if "name" in names:
        pool = [e for e in scene.home.entities if e.domain in required]
        if not pool:
            raise Unsayable
        entity = rng.choice(pool)
        if entity.domain in (
            "light",
            "switch",
            "fan",
            "media_player",
            "cover",
            "lock",
            "vacuum",
            "lawn_mower",
            "valve",
            "climate",
            "todo",
        ):
            ids = [entity.id]
        kind = say.kind_of(entity)
        area = scene.home.area(entity.area)
    else:
        wanted = fixed.get("domain") or {
            "climate": "climate",
            "media": "media_player",
            "fan": "fan",
            "vacuum": None,
            "mower": None,
        }.get(kind)
        rooms = [
            a
            for a in scene.home.areas
            if not wanted or any(e.area == a.id and e.domain == wanted for e in scene.home.entities)
        ]
        if rooms:
            area = rng.choice(rooms)
    for part in drawn:
        if isinstance(part, str):
            words += _their_literals(part, intent, action)
            continue
        name = part.list_name
        if name == "name":
            assert entity is not None
            label = rng.choice((entity.name, *entity.aliases)) if rng.random() < 0.2 else entity.name
            slots["name"] = label
            words += say.tagged(label, "NAME", kind)
        elif name == "area":
            if area is None:
                raise Unsayable
            slots["area"] = area.name
            words += say.tagged(area.name, "AREA")
        elif name == "floor":
            floor = area.floor if area else None
            if floor is None:
                raise Unsayable
            slots["floor"] = floor
            words += say.tagged(floor, "FLOOR")
        elif name == "cover_classes":
            here = {e.device_class for e in scene.home.entities if e.domain == "cover" and e.device_class}
            if not here:
                raise Unsayable
            cover = rng.choice(sorted(str(c) for c in here))
            if cover not in nouns.KIND_PHRASES:
                raise Unsayable
            text_of = rng.choice(nouns.KIND_PHRASES[cover])[rng.random() < 0.6]
            words += say.tagged(text_of, "KIND", cover)
            kind = cover
        elif name in _TIMER_SLOTS:
            words += say.tagged("half" if name == "timer_half" else str(rng.randint(1, 59)), "TIME")
        elif name in ("brightness", "position", "fan_speed", "volume"):
            slots[part.slot_name] = str(rng.randint(1, 100))
            words += say.tagged(slots[part.slot_name], "VALUE")
        elif name in ("volume_step_up", "volume_step_down"):
            action = name.removeprefix("volume_step_")
            words += say.tagged(str(rng.randint(1, 50)), "VALUE")
        elif name == "temperature":
            words += say.tagged(str(rng.randint(15, 28)), "VALUE")
        elif name == "volume_step":
            direction = rng.choice(("up", "down", "up", "down", "increase", "decrease"))
            action = "up" if direction in ("up", "increase") else "down"
            words += say.literal(direction)
        elif name == "brightness_level":
            words += say.tagged(rng.choice(("max", "maximum", "highest", "min", "minimum", "lowest")), "VALUE")
        elif name == "color_temperature":
            words += say.tagged(str(rng.randrange(20, 66) * 100), "WHITE")
        elif name in ("color", "color_temperature_names"):
            options = [v["in"] for v in intents_data()["lists"][name]["values"] if not set(v["in"]) & set("([|")]
            words += say.tagged(rng.choice(options), _PLAIN_SLOTS[name])
        elif name in ("todo_list_item", "shopping_list_item"):
            words += values.values(scene)["item"]()
        elif name == "search_query":
            words += values.values(scene)["query"]()
        elif name == "timer_command":
            words += [Word(w.text, "TEXT", begin=i == 0) for i, w in enumerate(_command(scene))]
        elif name in ("message", "timer_name", "zone"):
            words += values.values(scene)["text"]()
        elif name == "fan_mode":
            words += values.values(scene)["mode"]()
        elif name == "media_class":
            words += say.literal(rng.choice(("artist", "album", "track", "playlist", "podcast")))
        else:
            states = [v["in"] for v in intents_data()["lists"].get(name, {}).get("values", []) if "(" not in v["in"]]
            words += say.literal(rng.choice(states or ["on"]).replace("[", "").replace("]", ""))
    if action in ("add", "complete", "remove") and "name" not in names:
        kind = "todo"
    words = _join_units(words, action)
    if action.startswith("timer"):
        kind = "timer"
    return Clause(action, kind, words, f"{intent}: {text}", ids)


def _their_literals(text: str, intent: str, action: str) -> list[Word]:
    """Label the words that the intents package writes out: kinds, quantities, "here" and attributes."""
    out: list[Word] = []
    tokens = tokenize(text)
    quiet = action in ("weather", "time", "date", "respond", "nevermind", "broadcast") or action.startswith("timer")
    for i, token in enumerate(tokens):
        following = tokens[i + 1] if i + 1 < len(tokens) else ""
        kind = KIND_WORDS.get(stem(token))
        if quiet:
            out.append(Word(token))
        elif token in ("all", "every", "each", "everywhere", "any", "entire", "whole", "some"):
            out.append(Word(token, "ALL" if token not in ("any", "some", "entire", "whole") else "", begin=True))
        elif token == "here" or (token == "this" and following in ("room", "area", "space")):
            out.append(Word(token, "HERE", begin=True))
        elif token in ("room", "area", "space") and out and out[-1].slot == "HERE":
            out.append(Word(token, "HERE"))
        elif token in ("volume", "brightness", "speed", "temperature", "temp"):
            label = {"volume": "media", "brightness": "light", "speed": "fan"}.get(token, "climate")
            out.append(Word(token, "ATTR", label, begin=True))
        elif (
            kind
            and kind not in ("timer", "scene")
            and not (token == "light" and following == "up")
            and not (kind == "switch" and intent != "HassGetState")
        ):
            joins = out and out[-1].slot == "KIND"
            out.append(Word(token, "KIND", kind, begin=not joins))
        else:
            out.append(Word(token))
    return out


def _join_units(words: list[Word], action: str) -> list[Word]:
    """Units belong to their value: "30" + "percent", "5" + "minutes"."""
    out: list[Word] = []
    for word in words:
        before = out[-1] if out else Word("")
        if not word.slot and before.slot == "VALUE" and word.text in ("%", "percent", "degrees", "degree", "°"):
            word = Word(word.text, "VALUE")
        elif not word.slot and before.slot == "WHITE" and word.text in ("k", "kelvin"):
            word = Word(word.text, "WHITE")
        elif not word.slot and before.slot == "TIME" and stem(word.text) in ("hour", "minute", "second"):
            word = Word(word.text, "TIME")
        out.append(word)
    return out


# -- verification by the grammar itself -------------------------------------------------------------------------------


@lru_cache(maxsize=2048)
def _only(intent: str, block: int, sentence: int) -> Intents:
    whole = _whole()
    source = whole.intents[intent].data[block]
    alone = IntentData([source.sentence_texts[sentence]], slots=source.slots)
    return replace(whole, intents={intent: Intent(intent, [alone])})


def agrees_with_grammar(clause: Clause, key: tuple[str, int, int], home: Home) -> bool:
    """Whether Home Assistant's own recognizer reads the clause's words as the same intent with the same name and area."""
    text = " ".join(word.text for word in clause.words)
    name = " ".join(w.text for w in clause.words if w.slot == "NAME")
    area = " ".join(w.text for w in clause.words if w.slot == "AREA")
    floor = " ".join(w.text for w in clause.words if w.slot == "FLOOR")
    lists: dict[str, SlotList] = {
        slot: TextSlotList.from_strings([value], name=slot, allow_template=False)
        for slot, value in (
            ("name", name or "\u2205"),
            ("area", area or "\u2205"),
            ("floor", floor or "\u2205"),
        )
    }
    for result in recognize_all(text, _only(*key), slot_lists=lists):
        found = result.entities
        if all((slot in found) == bool(value) for slot, value in (("name", name), ("area", area), ("floor", floor))):
            return True
    return False


# -- all templates ------------------------------------------------------------------------------------------------------


def own_templates() -> list[Template]:
    out = []
    for recipe in RECIPES:
        for text in recipe.templates:

            def speak(scene: Scene, recipe: Recipe = recipe, text: str = text) -> Clause:
                return _own(recipe, text, scene)

            out.append(Template(text, recipe.weight / len(recipe.templates), speak))
    return out


# Chance of each intent of the package, by how often people use it; the rest share what is left.
_INTENT_WEIGHTS = {
    "HassTurnOn": 3.0,
    "HassTurnOff": 3.0,
    "HassLightSet": 2.0,
    "HassGetState": 1.5,
    "HassStartTimer": 0.6,
}


def _is_aside(intent: str) -> bool:
    """Timers, the clock, the weather: easy to tell apart, so fewer examples do."""
    return intent.endswith(("Timer", "Timers", "TimerStatus")) or intent.startswith(
        ("HassGetCurrent", "HassGetWeather", "HassBroadcast", "HassNevermind", "HassRespond")
    )


def their_templates() -> list[Template]:
    out = []
    for intent, body in intents_data()["intents"].items():
        weight = _INTENT_WEIGHTS.get(intent, 0.15 if _is_aside(intent) else 0.4)
        total = sum(len(block["sentences"]) for block in body["data"])
        for b, block in enumerate(body["data"]):
            if not (_action_of(intent, block) or intent == "HassSetVolumeRelative"):
                continue
            required = (block.get("requires_context") or {}).get("domain") or []
            if set(required) <= {"person", "button", "input_button", "weather", "binary_sensor"} and required:
                continue
            for s, text in enumerate(block["sentences"]):

                def speak(scene: Scene, intent: str = intent, block: dict = block, text: str = text,
                          key: tuple[str, int, int] = (intent, b, s)) -> Clause:  # fmt: skip
                    clause = _theirs(intent, block, text, scene)
                    if not agrees_with_grammar(clause, key, scene.home):
                        raise GrammarDisagrees(clause.template)
                    return clause

                out.append(Template(f"{intent}: {text}", weight / total, speak))
    return out


class GrammarDisagrees(Exception):
    """The recognizer reads a drawn sentence otherwise than its label says: the example is rejected."""


__all__ = ["Clause", "GrammarDisagrees", "Template", "is_kind", "own_templates", "their_templates"]
