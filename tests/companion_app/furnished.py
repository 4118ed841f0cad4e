"""An app that has something to show on every screen, without a device or a host behind it."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from companion_app.services.wire import answer_from
from companion_app.state import actions as act
from companion_app.state import bundles as bact
from companion_app.state import fleet_actions as fact
from companion_app.state import host_actions as hact
from companion_app.state import question_actions as qact
from companion_app.state import rows_actions as ract
from companion_app.state import signing_actions as sact
from companion_app.state import train_actions as tact
from companion_app.state.bundles import HostBundle
from companion_app.state.fleet import (
    Coming,
    Detail,
    Figures,
    Found,
    Label,
    Log,
    LogLine,
    PairedWith,
    PipelineTold,
    Sample,
    Updates,
    Version,
    Vitals,
)
from companion_app.state.host import Host, Lesson, LessonState, Offer, Provider, StoredKey, Task
from companion_app.state.model import Device, Event
from companion_app.state.questions import Question, Queue, Topic
from companion_app.state.rollout_plan import Known, Member
from companion_app.state.rows import DataRow, Filter
from companion_app.state.signing import Ask, Bundle
from companion_app.state.training import Curve, DatasetCard, Job, JobState, Rollout, Stage
from edge_runtime.update.desired import Where

from . import samples
from .a_chat import furnish_chat
from .a_robot import furnish_robot
from .words import NUMBERS, Words

if TYPE_CHECKING:
    from companion_app.state.store import Store

TASKS = (
    "Chat",
    "Code",
    "Vision",
    "Avatar",
    "Images",
    "Audio",
    "Video",
    "3D models",
    "Games",
    "Robot",
    "Maths",
    "Router",
)
OFFER = Offer(
    tasks=tuple(Task(title.lower(), title, title == "Robot") for title in TASKS),
    presets=(
        ("all", tuple(title.lower() for title in TASKS)),
        ("basic", ("chat",)),
        ("creative", ("games",)),
        ("none", ()),
    ),
    providers=(
        Provider("openai", model="gpt-5-mini"),
        Provider("ollama", "openai", "http://127.0.0.1:11434/v1", "llama3.2", False, True),
    ),
    keys=(
        StoredKey("openai", "default", "…x9Qz", True, "2026-11-02"),
        StoredKey("openai", "spare", "…77ab", source="OPENAI_API_KEY"),
    ),
)
LESSONS = (
    Lesson(
        "a",
        "a",
        ("robot", "chat", "maths"),
        200,
        "openai",
        LessonState.RUNNING,
        0.42,
        252,
        (("duplicate", 12),),
        1,
        0.31,
        88.0,
        260.0,
    ),
    Lesson("b", "b", ("chat",), 10, "openai", LessonState.STOPPED, 0.5, 5, (), 0, 2.0, datasets=(("chat", "chat-2"),)),
    Lesson("c", "c", ("code",), 100, "ollama", LessonState.DONE, 1.0, 100, cost=0.0),
)
# A hash without three letters beside each other, which would look like a word that isn't translated.
EXPIRES = datetime(2026, 12, 24, tzinfo=UTC)
ASK = Ask("models/robot", 4, EXPIRES, (), (Bundle("home-en", "1.4.0", "robot", 980_000, sha256(b"home-en 1.4.10").hexdigest(), (("onnxruntime", 0.973),)),), 1, 2, True)  # fmt: skip


def _detail(words: Words) -> Detail:
    return Detail(
        Vitals("0.9.0", 1.7953e9, 61.0, 40.0, 52_000_000, 12_300_000_000, "sparing", (words.spares,)),
        {"home-en": Figures(0.83, 1204, 3_100_000)},
        {"home-en": (Version("sha256:aa", "1.1.0", True), Version("sha256:bb", "1.0.0", False))},
        (PipelineTold(words.pipelines[0], "running", "", 431), PipelineTold(words.pipelines[1], "stopped")),
        Updates(True, "", (Coming("tickets", "staged"),)),
        (PairedWith("42", "owner", "2026-11-20"),),
        "ab12cd34ef56ab78.0",
    )


def furnish(store: Store, words: Words = NUMBERS) -> None:
    """Put it all into a state."""
    do = store.dispatch
    do(act.Paired(Device(samples.ATTIC, "Attic", "operator")))
    do(act.Paired(Device(samples.KITCHEN, "Kitchen Pi", "operator")))
    do(act.DeviceSelected(samples.KITCHEN))
    do(act.LinkUpdated(samples.KITCHEN, True, (samples.HOME_EN, samples.TICKETS)))
    do(act.EventSeen(samples.KITCHEN, Event("10:11:12", words.event)))
    do(fact.DetailSeen(samples.KITCHEN, _detail(words)))
    do(fact.Labelled(samples.KITCHEN, Label(words.group, (words.tag,))))
    do(fact.NearbyLooked(False, (Found(words.found, "x", "https://192.168.1.77:8765"),)))
    do(fact.SampleSeen(samples.KITCHEN, "home-en", Sample(False, *words.sample, 0.8)))
    do(
        fact.LogSeen(
            Log(
                samples.KITCHEN,
                False,
                tuple(LogLine(1.7957e9 + at, "log", said, at == 3) for at, said in enumerate(words.log)),
            )
        )
    )
    answer = answer_from(samples.ROBOT_ANSWER, store.state.inventory, 12.0)
    do(act.Asked(1, "home-en", words.asked[0]))
    do(act.Answered(1, answer))
    do(act.Asked(2, "home-en", words.asked[1]))
    do(hact.HostPaired(Host("http://192.168.1.10:8770", "Tower")))
    do(hact.HostUpdated(OFFER, LESSONS))
    do(qact.TopicsTold((Topic("mails", 2, 1), Topic("tickets", 1, 0))))
    do(
        qact.QueueTold(
            Queue(
                "mails",
                words.labels,
                2,
                1,
                (Question(words.questions[0], ((words.labels[0], 0.6),)), Question(words.questions[1])),
            )
        )
    )
    furnish_signatures(store)
    furnish_robot(store, words=words)
    furnish_chat(store, words)
    furnish_training(store, words)


def furnish_signatures(store: Store) -> None:
    """A key, and an update that waits for its signature."""
    store.dispatch(sact.KeyFound(sha256(b"key").hexdigest()))
    store.dispatch(sact.SignaturesTold((ASK,)))


def furnish_training(store: Store, words: Words = NUMBERS) -> None:
    """A training under way with its curve, one that is done, and a dataset's rows."""
    do = store.dispatch
    datasets = (
        DatasetCard("mails", "robot", "openai", train=3_842, heldout=960),
        DatasetCard("tickets", "router", "ollama", train=412, heldout=103, labels=words.labels),
    )
    running = Job(
        "train-2", run="home-en", task="robot", data="mails", state=JobState.RUNNING, progress=0.63,
        step=1_260, figures=(("loss", 0.412), ("held_out", 0.455)), rate=11.2, eta=66.0, pausable=True,
    )  # fmt: skip
    done = Job("train-1", run="tickets", task="router", data="tickets", state=JobState.DONE, progress=1.0, step=400)
    do(tact.HostDataTold(datasets, (running, done)))
    do(tact.JobOpened("train-2"))
    steps = tuple(range(1, 1_261))
    losses = tuple(0.38 + 4.6 / (1 + step / 60) + 0.05 * math.sin(step * 1.7) for step in steps)
    do(tact.CurveTold(Curve("train-2", "loss", steps, losses, ("loss", "held_out")), True))
    furnish_releases(store)
    rows = tuple(
        DataRow(at, text, words.labels[label], "openai", 0.99 - at % 5 / 20)
        for at, (text, label) in enumerate(words.rows)
    )
    do(ract.DatasetOpened("tickets"))
    do(ract.PageTold("tickets", "train", Filter(), "c", 412, 0, rows))


def furnish_releases(store: Store) -> None:
    """Runs, a release, bundles on the host, and two rollouts."""
    do = store.dispatch
    do(tact.RunsTold((), ("home-en", "tickets")))
    released = Job("release-3", "release", "tickets", state=JobState.DONE, progress=1.0, commands=("enigma export tickets", "enigma publish"))  # fmt: skip
    do(tact.JobTold(released))
    do(
        bact.BundlesTold(
            (
                HostBundle("a1" * 32, "tickets", "0.3.1", "router", 345_678, 1.7640e9),
                HostBundle("b2" * 32, "home-en", "1.4.0", "robot", 2_345_678, 1.7636e9, True),
                HostBundle("c3" * 32, "home-en", "1.3.0", "robot", 2_345_101, 1.7622e9, True),
            )
        )
    )
    do(
        bact.ExportsTold(
            (
                HostBundle("d4" * 32, "tickets", "", "router", 345_678, 1.7640e9, model="model.int8.onnx"),
                HostBundle(
                    "e5" * 32, "home-en", "", "robot", 2_345_678, 1.7636e9, model="model.fp32.tflite", current=False
                ),
            )
        )
    )
    stages = (Stage("1 device", 1, 1, 0), Stage("5%", 3, 2, 0), Stage("25%", 12, 2, 0), Stage("100%", 48, 2, 0))
    terms = Rollout(
        "",
        where=Where(all=("kitchen",), none=("beta",)),
        when=("idle", "22:00-06:00"),
        most_failures="2%",
        least_done="90%",
    )
    running = replace(
        terms,
        id="r-0002",
        specialist="home-en",
        version="1.4.0",
        before="1.3.0",
        state="running",
        stage=1,
        devices=48,
        done=3,
        stages=stages,
    )
    members = (Member("d1", "Kitchen Pi", ("floor:1",), ("kitchen",)), Member("d2", "Attic", ("hall",)))
    known = Known(61, ((("floor:1", "kitchen"), 48), (("beta", "kitchen"), 4), (("hall",), 9)), members)
    ended = tuple(replace(stage, done=stage.devices) for stage in stages)
    done = Rollout("r-0001", "home-en", "1.3.0", "1.2.0", "done", stage=3, devices=48, done=48, stages=ended)
    do(tact.ReleasesTold(("models/robot/home-en-1.4.0.enigma",), (running, done), "", known))
