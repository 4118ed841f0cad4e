"""What a pipeline's file says: one source, models, and sinks. Everything is checked and bounded before anything starts.

[source]
kind = "camera"                       # camera, microphone, speech, serial, robot, topic or timer
device = "/dev/video0"

[[models]]
specialist = "eye"                    # a specialist, or a group of the plan
priority = "low"
deadline_ms = 500

[[sinks]]
kind = "event"                        # event, topic, webhook, action, sight, speak or home_assistant
when = { label = "person" }
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from edge_runtime.addresses import is_near
from edge_runtime.errors import BadRequest
from edge_runtime.pipelines import references
from edge_runtime.pipelines.declare import (
    Action,
    Camera,
    Event,
    HomeAssistant,
    Microphone,
    Model,
    Pipeline,
    Publish,
    Robot,
    Serial,
    Sight,
    Sink,
    Source,
    Speak,
    Speech,
    Timer,
    Topic,
    Webhook,
    When,
)
from edge_runtime.pipelines.toml_table import NAME, Table
from edge_runtime.pipelines.topics import check_topic, matches
from edge_runtime.serving.turns import PRIORITIES, Urgency

MAX_BYTES = 64 * 1024
MOST_MODELS = MOST_SINKS = 8
MOST_QUEUED = 1024
SOUND_QUEUE, QUEUE = 40, 4  # pieces of sound, two seconds; of anything else, the latest few are all that matters
_QUIET = {"camera": 15.0, "microphone": 15.0}  # seconds; a ring, a button or a topic may say nothing for days
_DAY = 86_400.0


def read_pipeline(path: Path) -> Pipeline:
    """The pipeline of a file, called as the file is; raises `BadRequest` with the path and the key that is wrong."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadRequest(f"{path} has over {MAX_BYTES:,} bytes; write less.")
        text = path.read_text(encoding="utf-8")
    except OSError as cause:
        raise BadRequest(f"{path} can't be read: {cause.strerror}.") from None
    except UnicodeDecodeError:
        raise BadRequest(f"{path} isn't UTF-8; save it as such.") from None
    try:
        return parse_pipeline(text, path.stem, path.parent)
    except BadRequest as cause:
        raise BadRequest(f"{path.name}: {cause}") from None


def parse_pipeline(text: str, name: str, folder: Path) -> Pipeline:
    """Check a pipeline's text; paths in it are within `folder`. Raises `BadRequest`, which names the key."""
    import tomllib

    if not NAME.fullmatch(name):
        raise BadRequest("The file's name must have small letters, digits and ._- only, as 'door.toml'.")
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as cause:
        raise BadRequest(f"It isn't valid TOML: {str(cause)[:200]}.") from None
    top = Table(raw, "")
    enabled = top.flag("enabled", True)
    top.need("source")
    table = Table(top.raw("source"), "source")
    kind = table.choice("kind", tuple(_SOURCES))
    source = _SOURCES[kind](table, folder)
    retry = table.number("retry_seconds", 1.0, 0.01, 3600)
    retry_most = table.number("retry_most_seconds", max(60.0, retry), retry, _DAY)
    quiet = table.number("quiet_seconds", _QUIET.get(kind, 0.0), 0, _DAY)
    table.done()
    hears = isinstance(source, Microphone)
    models: list[Model] = []
    for each in top.tables("models", MOST_MODELS):
        models.append(_model(each, models, hears))
    sinks = tuple(_sink(each, models, folder) for each in top.tables("sinks", MOST_SINKS))
    top.done()
    if not sinks:
        raise BadRequest("There is no sink; add one with [[sinks]], of the kind event for example.")
    for sink in sinks:
        if isinstance(source, Topic) and isinstance(sink.to, Publish) and matches(source.topic, sink.to.topic):
            raise BadRequest(f"It would read what it publishes on '{sink.to.topic}'; choose another topic.")
        if isinstance(sink.to, Sight) and not isinstance(source, Camera):
            raise BadRequest("A sight is about a camera's pictures: the source must be a camera.")
    return Pipeline(name, enabled, kind, source, retry, retry_most, quiet, tuple(models), sinks)


def _model(table: Table, before: list[Model], hears: bool) -> Model:
    specialist = table.name("specialist")
    name = table.name("name", specialist)
    if any(other.name == name for other in before):
        raise BadRequest(f'{table.key("name")}: there is another model called {name}; give one a "name" of its own.')
    after = table.name("after") if table.has("after") else ""
    table.raw("after")
    if after and after not in {other.name for other in before}:
        raise BadRequest(f"{table.key('after')} must name a model that stands above it, not '{after}'.")
    request = table.raw("request")
    if request is not None:
        if not isinstance(request, dict):
            raise BadRequest(f'{table.key("request")} must be a table, as in {{ text = "$item.text" }}.')
        references.check_template(request, table.key("request"), answer=bool(after))
    when = _when(table)
    if not after and when != When():
        raise BadRequest(f'{table.key("when")} is about an answer; name the model that gives it with "after".')
    priority = table.choice("priority", tuple(PRIORITIES), "normal")
    within = table.number("deadline_ms", 0.0, 1, 600_000) if table.has("deadline_ms") else None
    table.raw("deadline_ms")
    window = hop = 0.0
    for key in ("window_seconds", "hop_seconds"):
        if table.has(key) and (not hears or after):
            raise BadRequest(f"{table.key(key)} is for models that take sound, right behind a microphone.")
    if hears and not after:
        window = table.number("window_seconds", 1.0, 0.05, 30)
        hop = table.number("hop_seconds", window / 2, 0.01, window)
    queue = table.whole("queue", SOUND_QUEUE if hears and not after else QUEUE, 1, MOST_QUEUED)
    table.done()
    urgency = Urgency(PRIORITIES[priority], None if within is None else within / 1000)
    return Model(name, specialist, after, when, request, urgency, queue, window, hop)


def _sink(table: Table, models: list[Model], folder: Path) -> Sink:
    kind = table.choice("kind", tuple(_SINKS))
    after = table.names("after")
    known = {model.name for model in models}
    if unknown := next((name for name in after if name not in known), None):
        raise BadRequest(f"{table.key('after')} names '{unknown}', and no model is called so.")
    if not after:  # what no other model goes on with
        after = tuple(model.name for model in models if model.name not in {other.after for other in models})
    when = _when(table)
    if not models and when != When():
        raise BadRequest(f"{table.key('when')} is about an answer, and there is no model.")
    every = table.number("every_seconds", 0.1 if kind == "event" else 0.0, 0, _DAY)
    queue = table.whole("queue", 64 if kind == "webhook" else QUEUE, 1, MOST_QUEUED)
    to = _SINKS[kind](table, folder, bool(models))
    table.done()
    return Sink(kind, to, after, when, every, queue)


def _when(table: Table) -> When:
    least = table.number("min_confidence", 0.0, 0, 1)
    fields: dict[str, tuple[object, ...]] = {}
    conditions = table.table("when")
    for path, value in conditions.items() if conditions is not None else ():
        values = tuple(value) if isinstance(value, list) else (value,)
        if not values or not all(isinstance(each, str | bool | int | float) for each in values):
            raise BadRequest(
                f"{table.key('when')}.{path[:40]} must be a text, a number, true or false, or a list of such."
            )
        fields[path] = values
    return When(fields, least)


def _timer(table: Table, folder: Path) -> Timer:
    every = table.number("every_seconds", None, 0.01, _DAY)
    value = table.raw("value", {})
    if not isinstance(value, dict):
        raise BadRequest(f'{table.key("value")} must be a table, as in {{ text = "what now?" }}.')
    _plain(value, table.key("value"))
    return Timer(every, value, table.whole("count", 0, 0, 10**9))


def _plain(value: object, where: str) -> None:
    """Raise unless a value can be JSON; it is as it is, references are for requests."""
    references.check_template(_without_dollars(value), where, answer=False)


def _without_dollars(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_dollars(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_dollars(each) for each in value]
    return "" if isinstance(value, str) else value


def _topic(table: Table, folder: Path) -> Topic:
    return Topic(_topic_name(table, pattern=True))


def _topic_name(table: Table, *, pattern: bool) -> str:
    try:
        return check_topic(table.text("topic"), pattern=pattern)
    except BadRequest as cause:
        raise BadRequest(f"{table.key('topic')}: {cause}") from None


def _microphone(table: Table, folder: Path) -> Microphone:
    heard = table.flag("heard", False)
    if not table.has("file"):
        device = table.text("device", "")
        if device == "-":
            raise BadRequest(f"{table.key('device')} must be the name of a microphone; 'arecord -L' lists them.")
        return Microphone(device, None, False, False, heard)
    return Microphone("", table.path("file", folder), *_played(table), heard)


def _played(table: Table) -> tuple[bool, bool]:
    """(fast, loop) of a file."""
    return table.choice("pace", ("live", "fast"), "live") == "fast", table.flag("loop", False)


def _camera(table: Table, folder: Path) -> Camera:
    if sum(table.has(key) for key in ("device", "file", "url")) != 1:
        raise BadRequest(f'{table.where} needs one of "device", "file" and "url".')
    device = table.text("device") if table.has("device") else ""
    file = table.path("file", folder) if table.has("file") else None
    fast, loop = _played(table) if file is not None else (False, False)
    url = _stream_url(table) if table.has("url") else ""
    credentials = table.path("credentials_file", folder) if url and table.has("credentials_file") else None
    size = [table.whole(key, 0, 16, 8192) if table.has(key) else 0 for key in ("width", "height")]
    for key in ("width", "height"):
        table.raw(key)
    if not all(size) and any(size):
        raise BadRequest(f"{table.where} needs both width and height, or neither.")
    fps, shown = table.number("fps", 0.0, 0, 1000), table.flag("shown", False)
    return Camera(device, file, url, credentials, size[0], size[1], fps, fast, loop, shown)


def _stream_url(table: Table) -> str:
    url = table.text("url")
    parts = _split(table.key("url"), url)
    if parts.scheme not in ("rtsp", "rtsps", "http", "https") or not parts.hostname:
        raise BadRequest(f"{table.key('url')} must begin with rtsp://, rtsps://, http:// or https:// and a host.")
    if parts.username or parts.password:
        raise BadRequest(
            f'{table.key("url")} holds a password; put user:password into a file, and its name into "credentials_file".'
        )
    return url


def _split(key: str, url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise BadRequest(f"{key} is no address.") from None
    return parts


def _serial(table: Table, folder: Path) -> Serial:
    form = table.choice("format", ("lines", "json"), "lines")
    return Serial(table.text("port"), table.whole("baud", 115_200, 50, 10_000_000), form == "json")


def _speech(table: Table, folder: Path) -> Speech:
    return Speech(_microphone(table, folder), table.path("grammar", folder))


def _robot(table: Table, folder: Path) -> Robot:
    token = table.path("token_file", folder) if table.has("token_file") else None
    socket = table.path("socket", folder) if table.has("socket") else None
    return Robot(socket, table.number("every_seconds", 0.5, 0.1, 60), token)


def _speak(table: Table, folder: Path, models: bool) -> Speak:
    text = table.raw("text", "$answer.text" if models else "$item.text")
    references.check_template(text, table.key("text"), answer=models)
    if not isinstance(text, str):
        raise BadRequest(f'{table.key("text")} must be a text, or refer to one, as "$item.text" does.')
    voice, device = table.choice("voice", ("man", "woman"), "woman"), table.text("device", "")
    file = table.path("file", folder) if table.has("file") else None
    return Speak(text, voice, device, file)


def _event(table: Table, folder: Path, models: bool) -> Event:
    return Event()


def _publish(table: Table, folder: Path, models: bool) -> Publish:
    return Publish(_topic_name(table, pattern=False))


def _webhook(table: Table, folder: Path, models: bool) -> Webhook:
    url = _near_or_encrypted(table)
    secret = table.path("secret_file", folder) if table.has("secret_file") else None
    return Webhook(url, secret, table.number("timeout_seconds", 5.0, 0.05, 60), table.whole("tries", 3, 1, 10))


def _home_assistant(table: Table, folder: Path, models: bool) -> HomeAssistant:
    if not models:
        raise BadRequest(f"{table.where} needs a model whose answer holds calls, as one of the task robot.")
    raw = table.raw("entities")
    listed = [raw] if isinstance(raw, str) else raw
    if (
        not isinstance(listed, list)
        or not listed
        or not all(isinstance(e, str) and _PATTERN.fullmatch(e) for e in listed)
    ):
        raise BadRequest(f'{table.key("entities")} must name entities, or all of a kind, as ["light.*", "switch.fan"].')
    age = table.number("max_age_ms", 2000, 10, 60_000) / 1000
    timeout = table.number("timeout_seconds", 5.0, 0.05, 60)
    return HomeAssistant(_near_or_encrypted(table), table.path("token_file", folder), tuple(listed), timeout, age)


def _near_or_encrypted(table: Table) -> str:
    url = table.text("url")
    parts = _split(table.key("url"), url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadRequest(f"{table.key('url')} must begin with https:// and a host.")
    if parts.username or parts.password:
        raise BadRequest(f'{table.key("url")} holds a password; sign with a "secret_file" instead.')
    if parts.scheme == "http" and not is_near(parts.hostname):
        raise BadRequest(f"{table.key('url')} must begin with https:// beyond this machine and its private networks.")
    return url


def _action(table: Table, folder: Path, models: bool) -> Action:
    calls = table.raw("calls", "$answer.calls" if models else "$item.calls")
    references.check_template(calls, table.key("calls"), answer=models)
    if not (isinstance(calls, list) or (isinstance(calls, str) and calls.startswith("$"))):
        raise BadRequest(f'{table.key("calls")} must be a list of calls, or refer to one, as "$answer.calls" does.')
    age = table.number("max_age_ms", 500, 10, 60_000) / 1000
    token = table.path("token_file", folder) if table.has("token_file") else None
    socket = table.path("socket", folder) if table.has("socket") else None
    return Action(socket, calls, table.number("timeout_seconds", 1.0, 0.05, 30), age, token)


def _sight(table: Table, folder: Path, models: bool) -> Sight:
    if not models:
        raise BadRequest(f"{table.where} needs a model that finds objects, as a detector of the task vision.")
    names: dict[str, str] = {}
    given = table.table("names")
    for label, name in given.items() if given is not None else ():
        if not isinstance(name, str) or not 0 < len(name) <= 64:
            raise BadRequest(f"{table.key('names')}.{label[:40]} must be a name of the robot's inventory.")
        names[label] = name
    age, sure = table.number("max_age_ms", 1000, 10, 2000) / 1000, table.number("sure", 0.5, 0, 1)
    token = table.path("token_file", folder) if table.has("token_file") else None
    socket = table.path("socket", folder) if table.has("socket") else None
    return Sight(socket, names, sure, table.number("timeout_seconds", 1.0, 0.05, 30), age, token)


_PATTERN = re.compile(r"[a-z0-9_]+\.(?:\*|[a-z0-9_]+\*?)")  # an entity of Home Assistant, or those that begin so
_SOURCES: Mapping[str, Callable[[Table, Path], Source]] = {
    "camera": _camera,
    "microphone": _microphone,
    "speech": _speech,
    "robot": _robot,
    "serial": _serial,
    "topic": _topic,
    "timer": _timer,
}
_SINKS: Mapping[
    str, Callable[[Table, Path, bool], Event | Publish | Webhook | Action | Sight | Speak | HomeAssistant]
] = {
    "event": _event,
    "topic": _publish,
    "webhook": _webhook,
    "action": _action,
    "sight": _sight,
    "speak": _speak,
    "home_assistant": _home_assistant,
}
