"""What a file may say: each mistake is one sentence that names its key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import BadRequest
from edge_runtime.pipelines.declare import (
    Action,
    Camera,
    Microphone,
    Webhook,
    When,
)
from edge_runtime.pipelines.reading import MAX_BYTES, parse_pipeline, read_pipeline
from edge_runtime.serving.turns import PRIORITIES, Urgency

FOLDER = Path("/folder")
TIMER = '[source]\nkind = "timer"\nevery_seconds = 1\n'
MICROPHONE = '[source]\nkind = "microphone"\n'
EVENT = '[[sinks]]\nkind = "event"\n'
EYE = '[[models]]\nspecialist = "eye"\n'

WRONG = [
    ("", "source is missing"),
    ("[source", "isn't valid TOML"),
    ("source = 1", "source must be a table"),
    ("[source]\n", r"source\.kind is missing"),
    ('[source]\nkind = "radio"', r"source\.kind must be camera, microphone, speech, robot, serial, topic or timer"),
    (TIMER, "There is no sink"),
    ("x = 1\n" + TIMER + EVENT, "There is no key x"),
    (TIMER + "speed = 2\n" + EVENT, r"There is no key source\.speed"),
    ('[source]\nkind = "timer"\n' + EVENT, r"source\.every_seconds is missing"),
    ('[source]\nkind = "timer"\nevery_seconds = 0\n' + EVENT, r"source\.every_seconds must be a number from 0\.01"),
    ('[source]\nkind = "timer"\nevery_seconds = true\n' + EVENT, r"source\.every_seconds must be a number"),
    (TIMER + "value = { at = 1979-05-27 }\n" + EVENT, r"source\.value\.at must be a text"),
    (TIMER + "value = { at = nan }\n" + EVENT, r"source\.value\.at must be .*finite"),
    (TIMER + "count = 1.5\n" + EVENT, r"source\.count must be a whole number"),
    (TIMER + "retry_seconds = 5\nretry_most_seconds = 1\n" + EVENT, r"source\.retry_most_seconds must be .* from 5"),
    ('enabled = "yes"\n' + TIMER + EVENT, "enabled must be true or false"),
    ('[source]\nkind = "topic"\ntopic = "a b"\n' + EVENT, r"source\.topic: A topic has"),
    ('[source]\nkind = "serial"\n' + EVENT, r"source\.port is missing"),
    ('[source]\nkind = "serial"\nport = "/dev/x"\nformat = "xml"\n' + EVENT, r"source\.format must be lines or json"),
    ('[source]\nkind = "camera"\n' + EVENT, 'source needs one of "device", "file" and "url"'),
    ('[source]\nkind = "camera"\ndevice = "0"\nwidth = 640\n' + EVENT, "source needs both width and height"),
    ('[source]\nkind = "camera"\ndevice = "0"\nloop = true\n' + EVENT, r"There is no key source\.loop"),
    ('[source]\nkind = "camera"\nurl = "ftp://a/b"\n' + EVENT, r"source\.url must begin with rtsp"),
    ('[source]\nkind = "camera"\nurl = "rtsp://[1/b"\n' + EVENT, r"source\.url is no address"),
    ('[source]\nkind = "camera"\nurl = "rtsp://me:secret@cam/1"\n' + EVENT, r"source\.url holds a password"),
    ('[source]\nkind = "microphone"\ndevice = "-"\n' + EVENT, r"source\.device must be the name of a microphone"),
    ('[source]\nkind = "microphone"\nfile = "a.wav"\npace = "slow"\n' + EVENT, r"source\.pace must be live or fast"),
    (TIMER + "[[models]]\n" + EVENT, r"models\[0\]\.specialist is missing"),
    (TIMER + '[[models]]\nspecialist = "No"\n' + EVENT, r"models\[0\]\.specialist must be a name"),
    (TIMER + EYE + 'after = "x"\n' + EVENT, r"models\[0\]\.after must name a model that stands above it"),
    (TIMER + EYE + 'when = { label = "x" }\n' + EVENT, r"models\[0\]\.when is about an answer"),
    (TIMER + EYE + 'request = { a = "$answer.b" }\n' + EVENT, r"models\[0\]\.request\.a refers to an answer"),
    (TIMER + EYE + 'request = { a = ["$items"] }\n' + EVENT, r"models\[0\]\.request\.a\[0\] must refer as"),
    (TIMER + EYE + "request = 5\n" + EVENT, r"models\[0\]\.request must be a table"),
    (TIMER + EYE + 'priority = "urgent"\n' + EVENT, r"models\[0\]\.priority must be high, normal or low"),
    (TIMER + EYE + "deadline_ms = 0\n" + EVENT, r"models\[0\]\.deadline_ms must be"),
    (TIMER + EYE + "queue = 0\n" + EVENT, r"models\[0\]\.queue must be a whole number from 1"),
    (TIMER + EYE + "window_seconds = 1\n" + EVENT, r"models\[0\]\.window_seconds is for models that take sound"),
    (MICROPHONE + EYE + "window_seconds = 1\nhop_seconds = 2\n" + EVENT, r"models\[0\]\.hop_seconds must be .* to 1"),
    (TIMER + EYE + EYE + EVENT, r"models\[1\]\.name: there is another model called eye"),
    (TIMER + 9 * EYE + EVENT, "models must be a list of up to 8"),
    (TIMER + 9 * EVENT, "sinks must be a list of up to 8"),
    (TIMER + "[sinks]\n", r"sinks must be a list of up to 8 tables"),
    (TIMER + '[[sinks]]\nkind = "mail"\n', r"sinks\[0\]\.kind must be event"),
    (TIMER + EVENT + 'after = "eye"\n', r"sinks\[0\]\.after names 'eye'"),
    (TIMER + EVENT + "after = 3\n", r"sinks\[0\]\.after must be the name of a model"),
    (TIMER + EVENT + "min_confidence = 0.5\n", r"sinks\[0\]\.when is about an answer"),
    (TIMER + EYE + EVENT + "when = { label = [] }\n", r"sinks\[0\]\.when\.label must be a text"),
    (TIMER + EYE + EVENT + "min_confidence = 2\n", r"sinks\[0\]\.min_confidence must be a number from 0 to 1"),
    (
        '[source]\nkind = "topic"\ntopic = "a/#"\n[[sinks]]\nkind = "topic"\ntopic = "a/b"\n',
        "would read what it publishes",
    ),
    (TIMER + '[[sinks]]\nkind = "webhook"\nurl = "http://example.org/x"\n', r"sinks\[0\]\.url must begin with https"),
    (TIMER + '[[sinks]]\nkind = "webhook"\nurl = "https://me:pw@example.org/"\n', r"sinks\[0\]\.url holds a password"),
    (TIMER + '[[sinks]]\nkind = "webhook"\nurl = "https://a/"\nsecret = "x"\n', r"There is no key sinks\[0\]\.secret"),
    (TIMER + '[[sinks]]\nkind = "home_assistant"\nurl = "http://127.0.0.1:8123"\n', "needs a model whose answer"),
    (
        TIMER + EYE + '[[sinks]]\nkind = "home_assistant"\nurl = "http://127.0.0.1:8123"\nentities = "*"\n',
        r"sinks\[0\]\.entities must name entities",
    ),
    (TIMER + '[[sinks]]\nkind = "action"\nsocket = "s"\ncalls = "x"\n', r"sinks\[0\]\.calls must be a list of calls"),
    (TIMER + '[[sinks]]\nkind = "action"\nsocket = "s"\nmax_age_ms = 90000\n', r"sinks\[0\]\.max_age_ms must be"),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_a_mistake_is_one_sentence_with_the_key(text: str, said: str) -> None:
    with pytest.raises(BadRequest, match=said) as refused:
        parse_pipeline(text, "door", FOLDER)
    assert str(refused.value).endswith(".") and "\n" not in str(refused.value)


def test_everything_that_is_said_arrives() -> None:
    made = parse_pipeline(
        """
        [source]
        kind = "camera"
        url = "rtsp://cam.local/1"
        credentials_file = "cam.txt"
        width = 320
        height = 240
        fps = 5
        retry_seconds = 2
        [[models]]
        specialist = "eye"
        priority = "low"
        deadline_ms = 250
        [[models]]
        name = "reader"
        specialist = "plates"
        after = "eye"
        when = { label = ["car", "van"], unsure = false }
        request = { image = "$item", where = "$answer.label" }
        [[sinks]]
        kind = "webhook"
        url = "http://192.168.1.5/hook"
        secret_file = "/etc/secret"
        [[sinks]]
        kind = "action"
        after = "eye"
        socket = "/run/robot.sock"
        calls = [{ name = "stop" }]
        """,
        "gate",
        FOLDER,
    )
    assert made.source == Camera("", None, "rtsp://cam.local/1", FOLDER / "cam.txt", 320, 240, 5.0, False, False)
    assert (made.name, made.enabled, made.retry, made.retry_most, made.quiet) == ("gate", True, 2.0, 60.0, 15.0)
    assert [model.urgency for model in made.models] == [Urgency(PRIORITIES["low"], 0.25), Urgency()]
    assert [(model.name, model.after) for model in made.models] == [("eye", ""), ("reader", "eye")]
    assert made.sinks[0].to == Webhook("http://192.168.1.5/hook", Path("/etc/secret"), 5.0, 3)
    assert [sink.after for sink in made.sinks] == [
        ("reader",),
        ("eye",),
    ]  # those that nobody goes on with, or as it says
    assert made.sinks[1].to == Action(Path("/run/robot.sock"), [{"name": "stop"}], 1.0, 0.5)
    heard = parse_pipeline(MICROPHONE + 'file = "a.wav"\npace = "fast"\n' + EYE + EVENT, "ear", FOLDER)
    assert heard.source == Microphone("", FOLDER / "a.wav", True, False) and heard.waits
    assert (heard.models[0].window, heard.models[0].hop) == (1.0, 0.5)


def test_conditions_tell_true_from_one_and_look_within() -> None:
    when = When({"label": ("a", "b"), "unsure": (False,), "box.n": (1,)}, 0.5)
    good = {"label": "b", "unsure": False, "box": {"n": 1.0}, "confidence": 0.5}
    assert when.holds(good)
    for change in (
        {"label": "c"},
        {"unsure": 0},
        {"box": {"n": True}},
        {"box": 1},
        {"confidence": 0.4},
        {"confidence": "1"},
    ):
        assert not when.holds({**good, **change}), change
    assert When().holds({})


def test_a_file_is_bounded_and_called_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "door.toml"
    with pytest.raises(BadRequest, match="can't be read: No such file"):
        read_pipeline(path)
    path.write_text("#" * (MAX_BYTES + 1))
    with pytest.raises(BadRequest, match="over 65,536 bytes"):
        read_pipeline(path)
    path.write_bytes(b"# \xff")
    with pytest.raises(BadRequest, match="isn't UTF-8"):
        read_pipeline(path)
    path.write_text(TIMER)
    with pytest.raises(BadRequest, match=r"door\.toml: There is no sink"):
        read_pipeline(path)
    (tmp_path / "A B.toml").write_text(TIMER + EVENT)
    with pytest.raises(BadRequest, match="file's name"):
        read_pipeline(tmp_path / "A B.toml")
    path.write_text(TIMER + "value = " + "[" * 5000)
    with pytest.raises(BadRequest, match="isn't valid TOML"):
        read_pipeline(path)


_KEYS = st.sampled_from(
    ["kind", "file", "url", "device", "specialist", "after", "when", "request", "queue", "topic", "pace"]
)
_VALUES = st.recursive(
    st.sampled_from(
        ["timer", "camera", "microphone", "topic", "event", "webhook", "$item", "$x", "", "a/b", "http://["]
    )
    | st.integers()
    | st.floats()
    | st.booleans(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_KEYS, inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=40)
@given(
    source=st.dictionaries(_KEYS, _VALUES, max_size=4),
    models=st.lists(st.dictionaries(_KEYS, _VALUES, max_size=4), max_size=2) | _VALUES,
    sinks=st.lists(st.dictionaries(_KEYS, _VALUES, max_size=3), max_size=2) | _VALUES,
)
def test_whatever_stands_there_is_taken_or_refused_by_a_sentence(source: object, models: object, sinks: object) -> None:
    text = f"source = {_toml(source)}\nmodels = {_toml(models)}\nsinks = {_toml(sinks)}\n"
    try:
        parse_pipeline(text, "any", FOLDER)
    except BadRequest as cause:
        assert str(cause).endswith((".", "]"))


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
