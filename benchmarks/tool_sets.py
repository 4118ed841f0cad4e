"""The tools and the wordings of `benchmarks/tools.py`: those to be examined on, and others to try things out on before.

Training rows show the first seven of ten tools. Nothing that ships was chosen by answers about `EXAM`.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainer_host.tasks import Json


@dataclass(frozen=True)
class ToolSet:
    """Tools in OpenAI's form. seen: those that training rows show; unseen: those that none does.

    acts, about: sentences that no training row has, for requests and for what must not act.
    """

    seen: tuple[Json, ...]
    unseen: tuple[Json, ...]
    acts: tuple[str, ...]
    about: tuple[str, ...]


def tool(name: str, about: str, required: tuple[str, ...] = (), /, **properties: Json) -> Json:
    """A tool in OpenAI's form."""
    parameters = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "description": about, "parameters": parameters}}


def choice(*values: str) -> Json:
    """A parameter with a list of values."""
    return {"type": "string", "enum": list(values)}


def whole(low: int, high: int) -> Json:
    """A parameter that is a whole number."""
    return {"type": "integer", "minimum": low, "maximum": high}


def real(low: float, high: float) -> Json:
    """A parameter that is a number."""
    return {"type": "number", "minimum": low, "maximum": high}


TEXT: Json = {"type": "string"}
YES_NO: Json = {"type": "boolean"}
_ROOMS = choice("kitchen", "living room", "hall", "bathroom")
EXAM = ToolSet(
    (
        tool("set_light", "Set a lamp", ("room", "level"), room=_ROOMS, level=whole(0, 100)),
        tool("add_note", "Write down a note", ("text",), text=TEXT, pinned=YES_NO),
        tool("set_alarm", "Set an alarm clock", ("hour",), hour=whole(0, 23), minute=whole(0, 59)),
        tool("heat_room", "Heat up a room", ("room", "degrees"), room=_ROOMS, degrees=real(5, 25)),
        tool("play_music", "Play some music", ("title",), title=TEXT, shuffle=YES_NO, volume=whole(0, 100)),
        tool("send_message", "Send a message to somebody", ("person", "message"), person=TEXT, message=TEXT),
        tool("stop_everything", "Stop everything that runs"),
    ),
    (
        tool(
            "start_vacuum", "Start the vacuum cleaner", ("area",),
            area=choice("bedroom", "corridor", "office"), power=choice("quiet", "strong"),
        ),
        tool("buy_groceries", "Put groceries on the shopping list", ("item",), item=TEXT, quantity=whole(1, 20)),
        tool("reserveSeat", "Reserve seats in a cinema", ("film", "seats"), film=TEXT, seats=whole(1, 9), balcony=YES_NO),
    ),
    (
        "Kindly {what}.", "Be a dear and {what}.", "The next thing to do: {what}.", "I'd be glad if you could {what}.",
        "Get on with it and {what}.", "Your task is to {what}.", "Okay robot, {what}", "One more thing, {what}.",
        "If you don't mind, {what}.", "Right away, {what}!", "We ought to {what} now, so do it.", "{What} for once.",
    ),
    (
        "Is it dangerous to {what}?", "Please don't {what}.", "Has it ever been a mistake to {what}?",
        "When did you last {what}?", "Nobody asked you to {what}.", "Why did you {what}?",
        "My neighbour always tells me to {what}.", "I would rather you did not {what}.", "Who is allowed to {what}?",
        "Do you think I should {what}?", "What does it cost to {what}?", "You must not {what}.",
    ),
)  # fmt: skip

_SHOPS = choice("main street", "harbour", "old town")
DEVELOPMENT = ToolSet(
    (
        tool("water_plants", "Water the plants", ("bed", "litres"), bed=choice("roses", "herbs", "front lawn"), litres=whole(1, 40)),
        tool("create_reminder", "Create a reminder", ("subject",), subject=TEXT, daily=YES_NO),
        tool("start_timer", "Start a kitchen timer", ("minutes",), minutes=whole(1, 180), seconds=whole(0, 59)),
        tool("mix_paint", "Mix paint in a shop", ("shop", "litres"), shop=_SHOPS, litres=real(0.5, 20)),
        tool("show_film", "Show a film on the screen", ("name",), name=TEXT, subtitles=YES_NO, brightness=whole(0, 100)),
        tool("forward_call", "Forward a call to a colleague", ("colleague", "greeting"), colleague=TEXT, greeting=TEXT),
        tool("lock_all", "Lock all doors"),
    ),
    (
        tool(
            "feed_animals", "Feed the animals on the farm", ("animal",),
            animal=choice("goats", "hens", "ponies"), portion=choice("small", "large"),
        ),
        tool("print_labels", "Print labels for parcels", ("caption",), caption=TEXT, copies=whole(1, 50)),
        tool("bookTable", "Book a table in a restaurant", ("place", "guests"), place=TEXT, guests=whole(1, 12), outside=YES_NO),
    ),
    (
        "I was hoping you could {what}.", "Do me a favour: {what}", "Time to {what}!", "Be so kind and {what}.",
        "My request: {what}.", "Right then, {what}.", "Would it bother you to {what}?", "{What}, and be quick.",
        "You may {what} now.", "Start now: {what}", "Somebody has to {what}, please do it.", "Alright, {what}!",
    ),
    (
        "I was wondering why people {what}.", "There is no need to {what}.", "Stop asking whether to {what}.",
        "Has anyone managed to {what}?", "My friend says you can {what}; is that true?", "Under no circumstances {what}.",
        "How long does it take to {what}?", "Last week I forgot to {what}.", "It would be silly to {what}.",
        "Imagine you had to {what}: what would you do first?", "Whose idea was it to {what}?", "Better not {what}.",
    ),
)  # fmt: skip
SETS = {"exam": EXAM, "development": DEVELOPMENT}
