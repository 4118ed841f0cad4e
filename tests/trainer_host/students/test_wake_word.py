"""A wake word from a few synthetic speakers, in seconds: the whole way to a device that listens, and the baselines."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch

from edge_runtime.audio.files import RATE, read_sound
from edge_runtime.audio.frontend import BANDS, HOP
from edge_runtime.audio.wake import STRIDE
from edge_runtime.bundle import Golden, ModelFile, Scored, write_bundle
from edge_runtime.cli import main as edge_main
from edge_runtime.engines import available_runtimes, open_engine
from edge_runtime.tasks import wake_word
from tests.edge_runtime import tiny
from tests.edge_runtime.conftest import edge, trust
from tests.trainer_host.speech.needs import needs_speech
from tests.trainer_host.students.wake_clips import FRAMES, some_material, some_noises
from trainer_host.cli import main
from trainer_host.compress.gate import draft_manifest, limits_of
from trainer_host.compress.inspect import weight_bytes
from trainer_host.compress.quantize import quantize_onnx
from trainer_host.data.dataset import Dataset
from trainer_host.evaluation.answers import Examined, listened
from trainer_host.evaluation.show import show
from trainer_host.export.onnx import export_onnx
from trainer_host.speech.acoustics import Scene
from trainer_host.speech.kinds import MORE, NEAR, PHRASE, TALK
from trainer_host.speech.phrases import holds
from trainer_host.speech.rows import make_dataset
from trainer_host.students import GraphStudent, student_for
from trainer_host.students.wake_data import CLIP_STEPS, Heard, heard_rows, more_talk, talk_alone
from trainer_host.students.wake_fit import (
    ROUNDS,
    SECONDS_A_STEP,
    USUAL,
    Course,
    Plan,
    Recipe,
    alarms,
    fit,
    hardest,
    learn_from_several,
    mean_of,
    means_of,
    planned,
)
from trainer_host.students.wake_net import KERNELS, Shape, WakeNet, WakeStep, as_of_throats, memories
from trainer_host.students.wake_word import chosen_threshold, load_config
from trainer_host.training.run import Run, train_run
from trainer_host.training.steps import Steps
from trainer_host.workspace import Workspace


@dataclass(frozen=True)
class Taught:
    """A dataset, a run on it, and its int8 file in the device's own code. heard: held-out sounds, rendered once."""

    dataset: Dataset
    run: Run
    int8: Path
    word: wake_word.WakeWord
    heard: list[Heard]


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taught]:
    pytest.importorskip("onnxruntime")
    workspace = Workspace(tmp_path_factory.mktemp("home"))
    dataset = make_dataset(workspace, "hey-robot", "hey robot", seed=1, scale=0.0075)
    run, _ = train_run(
        workspace,
        dataset,
        "hey-robot",
        seed=1,
        seconds=2.5,
        settings={"size": "nano"},
        on_progress=lambda share, figures: None,
    )
    student = cast(GraphStudent, student_for("wake_word"))
    module, examples, names = student.module(run.folder)
    export_onnx(module, examples, names, run.folder / "fp32.onnx")
    int8 = run.folder / "int8.onnx"
    quantize_onnx(run.folder / "fp32.onnx", int8, student.calibration(run.folder, dataset.folder, 60))
    engine = open_engine(int8)
    heard = list(heard_rows(list(dataset.rows("heldout")), dataset.folder, 2, Scene(), (2, 1), lambda share: None))
    word = wake_word.load(draft_manifest(run, student), run.folder, engine)
    yield Taught(dataset, run, int8, word, heard)
    engine.close()


def auroc(yes: list[float], no: list[float]) -> float:
    """How often one of `yes` is above one of `no`; 0.5 for a coin."""
    a, b = np.array(yes)[:, None], np.array(no)[None]
    return float((a > b).mean() + (a == b).mean() / 2)


@needs_speech
def test_held_out_speakers_are_understood_better_than_by_loudness(taught: Taught) -> None:
    length = CLIP_STEPS * STRIDE * HOP
    sure: dict[str, list[float]] = {PHRASE: [], NEAR: [], TALK: []}
    loudness: dict[str, list[float]] = {PHRASE: [], NEAR: [], TALK: []}
    for one in taught.heard:
        for start in range(0, max(1, len(one.samples) - length), 2 * length) if one.kind == TALK else (0,):
            samples = one.samples[start : start + length + RATE]
            session = taught.word.listen()
            session.feed(samples)
            sure[one.kind].append(session.peak)
            energy = np.cumsum(samples.astype(np.float64) ** 2)
            loudness[one.kind].append(float((energy[8_000:] - energy[:-8_000]).max()))  # of the loudest half second
    # The better of both signs: phrases may be the louder or the softer clips by chance. Near misses, two sounds away,
    # take longer to learn than a test may last; the gate measures them.
    by_loudness = auroc(loudness[PHRASE], loudness[TALK])
    assert auroc(sure[PHRASE], sure[TALK]) > max(by_loudness, 1 - by_loudness) + 0.1


@needs_speech
def test_its_page_has_each_sound_to_look_at_and_to_listen_to(taught: Taught) -> None:
    rows = [row for row in taught.dataset.rows("heldout") if row.meta["kind"] != TALK]
    answers = listened(taught.dataset, rows, taught.word, lambda share, what: None)
    assert [answer.asked["text"] for answer in answers] == [row.input["text"] for row in rows]
    for answer in answers:
        assert answer.wanted["wakes"] == (answer.asked["kind"] == PHRASE)
        assert answer.score in (0.0, 1.0) and 0 <= (answer.confidence or 0.0) <= 1
        if answer.score:
            assert answer.got["wakes"] == answer.wanted["wakes"]
    page = show(taught.run, Examined("model.int8.onnx", "onnxruntime", 1, answers))
    assert page.count("<audio controls") == page.count("its spectrogram") > 0
    assert "Confusions of the waking" in page


@needs_speech
def test_the_int8_file_is_small_and_int8(taught: Taught) -> None:
    counts = weight_bytes(taught.int8)
    assert taught.int8.stat().st_size < limits_of(student_for("wake_word")).bytes == 100_000  # type: ignore[operator]
    assert counts["int8"] > 10_000 and set(counts) <= {"int8", "int32", "int64", "float32"}


@needs_speech
def test_a_device_that_installed_it_listens_to_a_file_and_to_raw_sound(
    taught: Taught, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    student = student_for("wake_word")
    requests = student.golden(taught.run.folder, taught.dataset.folder, 8)
    golden = [{"request": request, "response": taught.word.run(request)} for request in requests]
    runtime = "onnxruntime"
    model = ModelFile("int8.onnx", "int8", (runtime,), scored_in=(Scored(runtime, available_runtimes()[runtime], 0.9),))
    manifest = draft_manifest(taught.run, student)
    manifest = type(manifest)(
        **{**manifest.__dict__, "version": "1.0.0", "licence": "Apache-2.0", "models": (model,)}
        | {"golden": Golden("golden.json", len(golden))}
    )
    files = {"int8.onnx": taught.int8, "golden.json": json.dumps(golden).encode()}
    write_bundle(tmp_path / "word.enigma", manifest, files, tiny.KEY)
    state = tmp_path / "device"
    trust(state)
    assert edge_main(["install", str(tmp_path / "word.enigma"), "--state", str(state)]) == 0, capsys.readouterr().err
    # The clearest sound of the phrase, with quiet before it, so that something is there to be heard.
    clearest = max(golden, key=lambda one: float(str(one["response"]["confidence"])))
    wav = tmp_path / "said.wav"
    wav.write_bytes(base64.b64decode(str(clearest["request"]["audio"])))
    heard = edge("listen", "hey-robot", "--state", state, "--file", wav, "--json")
    assert heard.returncode == 0, heard.stderr
    events = [json.loads(line) for line in heard.stdout.splitlines()]
    wakes = [event for event in events if event["type"] == "wake"]
    assert len(wakes) == len(clearest["response"]["detections"])
    assert events[-1]["type"] == "end"
    assert events[-1]["seconds"] == pytest.approx(len(read_sound(wav.read_bytes()).samples) / RATE + 0.3, abs=0.1)
    for wrong, said in ((("--file", tmp_path / "none.wav"), "can't be read"), (("--device", "x"), "arecord")):
        assert edge_main(["listen", "hey-robot", "--state", str(state), *map(str, wrong)]) == 1
        assert said in capsys.readouterr().err


@needs_speech
def test_the_same_rows_sound_the_same(taught: Taught) -> None:
    rows = list(taught.dataset.rows("heldout"))
    few = [next(row for row in rows if row.meta["kind"] == kind) for kind in (PHRASE, NEAR, TALK)]
    first, again = (
        list(heard_rows(few, taught.dataset.folder, 5, Scene(), (1, 1), lambda share: None)) for _ in range(2)
    )
    assert len(first) == 4  # and one of noise alone
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.samples, other.samples) and (one.kind, one.end) == (other.kind, other.end)


def test_the_same_clips_and_seed_give_the_same_weights() -> None:
    made = []
    for _ in range(2):
        torch.manual_seed(3)
        net = WakeNet(Shape(8))
        fit(net, some_material(), some_noises(), Recipe(steps=6, clips=(2, 2, 2)), 1, lambda step, loss: None)
        made.append(net.state_dict())
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])


def test_a_network_learns_what_others_say_where_it_would_have_said_the_opposite() -> None:
    # Its teacher is wrong on purpose, so that nothing but the teacher tells it so.
    torch.manual_seed(3)
    teacher, net = WakeNet(Shape(8)).eval(), WakeNet(Shape(8))
    with torch.no_grad():
        teacher.leave.bias.add_(6.0)
    recipe = Recipe(steps=40, clips=(4, 4, 4), looks=())
    fit(net, some_material(), some_noises(), recipe, 1, lambda step, loss: None)
    alone = copy.deepcopy(net)
    fit(alone, some_material(), some_noises(), recipe, 2, lambda step, loss: None)
    fit(net, some_material(), some_noises(), recipe, 2, lambda step, loss: None, teachers=[teacher])
    clips = torch.from_numpy(some_material().talk[0][None, : 3 * STRIDE * 20].astype(np.float32))
    with torch.inference_mode():
        apart = [float((one(clips) - teacher(clips)).abs().mean()) for one in (net, alone)]
    assert apart[0] < 0.7 * apart[1]


def test_a_network_learns_from_itself_and_from_others_that_began_elsewhere_and_is_the_mean_of_its_last_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = Recipe(steps=3, clips=(2, 2, 2), looks=())
    plan = Plan([few], [[few, few], [few]], [few, few])
    taught_by: list[int] = []
    states: list[dict[str, torch.Tensor]] = []

    def spied(net: WakeNet, *args: object) -> None:
        fit(net, *args)  # type: ignore[arg-type]
        taught_by.append(len(cast(Sequence[WakeNet], args[-1])))
        states.append({name: one.clone() for name, one in net.state_dict().items()})

    monkeypatch.setattr("trainer_host.students.wake_fit.fit", spied)
    shares: list[float] = []
    torch.manual_seed(3)
    net = WakeNet(Shape(8)).eval()
    course = Course(
        some_material(), some_noises(), Steps(None), plan.steps, lambda share, mined, step, loss: shares.append(share)
    )
    course.learn(net, few, 1)
    learn_from_several(net, plan, course, 1)
    assert taught_by == [0, 0, 0, 0, 3, 3]
    assert shares == sorted(shares) and shares[-1] == course.share == 1.0
    assert not any(torch.equal(states[1][name], states[3][name]) for name in ("enter.weight", "leave.weight"))
    wanted = mean_of(states[-2:])
    assert all(torch.equal(one, wanted[name]) for name, one in net.state_dict().items())


def test_rounds_share_the_time_that_is_told() -> None:
    assert planned(None) == USUAL
    few, many = planned(70.0), planned(1_000.0)
    assert [one.masks for one in few.rounds] == [one.masks for one in ROUNDS] == [one.masks for one in many.rounds]
    assert few.rounds[0].steps / few.rounds[2].steps == pytest.approx(ROUNDS[0].steps / ROUNDS[2].steps, rel=0.05)
    assert few.steps == pytest.approx(70.0 / SECONDS_A_STEP, rel=0.05)
    assert many.steps == pytest.approx(1_000.0 / SECONDS_A_STEP, rel=0.05)
    # Where time is short, the first network has all of it.
    assert few.others == few.last == [] and [len(other) for other in many.others] == [2, 2] and len(many.last) == 2


@needs_speech
def test_more_talk_is_said_by_those_who_are_learnt_from(taught: Taught) -> None:
    rows = [row for row in taught.dataset.rows("train") if row.meta["kind"] == MORE]
    assert len(rows) > 20 and {row.meta["side"] for row in rows} == {"train"}
    said = list(more_talk(rows[:2], taught.dataset.folder, 1, Scene(), lambda share: None))
    assert [one.shape[1] for one in said] == [BANDS] * 2 and min(map(len, said)) > 100


@needs_speech
def test_sides_share_no_speaker_and_no_other_row_says_the_phrase(taught: Taught) -> None:
    rows = [*taught.dataset.rows("train"), *taught.dataset.rows("heldout")]
    speakers: dict[str, set[str]] = {}
    for row in rows:
        voice = cast(dict[str, str], row.input["voice"])["voice"]
        speakers.setdefault(str(row.meta["side"]), set()).add(voice.partition("+")[2] or voice)
        assert holds(str(row.input["text"]), "hey robot") == (row.meta["kind"] == PHRASE) == row.output["wake"]
    assert not speakers["train"] & speakers["heldout"] and not speakers["check"] & speakers["heldout"]


@pytest.mark.parametrize("throats", [1, 3])
def test_a_step_at_a_time_gives_what_the_whole_gives(throats: int) -> None:
    torch.manual_seed(1)
    net = WakeNet(Shape(16, throats)).eval()
    for norm in (net.enter_norm, *net.norms):
        norm.running_mean.normal_(0, 0.1)  # type: ignore[union-attr, operator]
        norm.running_var.uniform_(0.5, 2)  # type: ignore[union-attr, operator]
    features = torch.rand(1, 60 * STRIDE, BANDS)
    assert net.shape.memory == throats * (sum(KERNELS) - len(KERNELS))
    step, memory, found = WakeStep(net).eval(), torch.zeros(1, net.shape.memory, 16), []
    with torch.inference_mode():
        for place in range(0, features.shape[1], STRIDE):
            logit, memory = step(features[:, place : place + STRIDE], memory)
            found.append(float(logit))
        whole = net.by_all_throats(features)[0].numpy()
        remembered = list(memories(net, features[0]))
    assert np.allclose(found, whole, atol=1e-4)
    with torch.inference_mode():
        again, kept = step(features[:, -STRIDE:], remembered[-1])
    assert float(again) == pytest.approx(found[-1], abs=1e-4) and torch.allclose(kept, memory, atol=1e-4)


def test_throats_lie_a_band_apart_and_the_middle_one_is_the_sound_itself() -> None:
    sound = torch.rand(2, 6, BANDS)
    made = as_of_throats(sound, 3).reshape(3, 2, 6, BANDS)
    assert torch.equal(made[1], sound)
    assert torch.equal(made[0, ..., 1:], sound[..., :-1]) and torch.equal(made[2, ..., :-1], sound[..., 1:])


def test_a_run_of_before_hears_with_one_throat_and_takes_the_mean_of_five_steps(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"phrase": "hey robot", "size": "micro", "threshold": 0.7, "people": 2}')
    assert load_config(tmp_path).shape == Shape(80, 1) and load_config(tmp_path).smooth == 5


def test_of_more_talk_only_what_sounds_most_like_the_phrase_is_kept() -> None:
    torch.manual_seed(3)
    net = WakeNet(Shape(8))
    fit(net, some_material(), some_noises(), Recipe(steps=6, clips=(2, 2, 2)), 1, lambda step, loss: None)
    # Each sound is as loud as its place says, so that it is known whatever pace and throat it is given.
    talk = [np.full((FRAMES, BANDS), -9 + place / 4, np.float16) for place in range(24)]
    made, again = (list(hardest(net, iter(talk), some_noises(), 5)) for _ in range(2))
    assert len(made) == 3 and {one.shape for one in made} == {(FRAMES, BANDS)}
    places = [float(np.median(one) + 9) * 4 for one in made]
    assert places == sorted(set(places)) and all(place in range(24) for place in places)
    assert all(np.array_equal(one, other) for one, other in zip(made, again, strict=True))
    assert talk_alone(made).hours == pytest.approx(3 * FRAMES * 0.01 / 3600)


def test_the_mean_of_networks_lies_between_them() -> None:
    nets = [WakeNet(Shape(8)) for _ in range(2)]
    nets[1].enter_norm.num_batches_tracked += 3  # type: ignore[operator]
    made = mean_of([net.state_dict() for net in nets])
    middle = (nets[0].leave.weight + nets[1].leave.weight) / 2
    assert torch.allclose(made["leave.weight"], middle)
    nets[0].load_state_dict(made)
    assert mean_of([made, made]).keys() == made.keys()
    assert all(torch.equal(one, made[name]) for name, one in mean_of([made, made]).items())


def test_a_threshold_wakes_as_often_as_it_may_and_no_more() -> None:
    rng = np.random.default_rng(1)
    talk = [means_of(rng.normal(-6, 3, 120_000), 5) for _ in range(3)]
    hours = sum(len(one) for one in talk) * 0.03 / 3600
    for an_hour in (0.4, 5.0, 20.0):
        at = chosen_threshold(talk, hours, an_hour)
        count = sum(alarms(one, at) for one in talk)
        assert count <= round(an_hour * hours)
        assert count >= 0.6 * an_hour * hours or an_hour * hours < 2


def test_alarms_are_counted_as_a_session_counts_them() -> None:
    means = np.full(200, -5.0)
    for start, stop in ((10, 60), (62, 64), (100, 102), (103, 104), (150, 151)):
        means[start:stop] = 5
    assert alarms(means, 0.0) == 4  # within a second of one another, or without a pause, they are one
    assert len(means_of(np.zeros(7), 5)) == 7 and means_of(np.full(5, 3.0), 5)[-1] == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (["data", "hi"], "Put a word before it"),
        (["data", "hey robot", "--amount", "100"], "times the usual"),
        (["teach", "hey robot 2"], "write numbers as words"),
        (["teach", "hey robot", "--hours", "0"], "--hours must be"),
        (["teach", "hey robot", "--seconds", "-1"], "--seconds must be"),
    ],
)
@needs_speech
def test_what_makes_no_sense_is_refused_with_a_sentence_before_anything_is_written(
    order: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["wakeword", *order, "--home", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert said in " ".join(error.split()) and "Traceback" not in error
    assert not (tmp_path / "data").exists() or not list((tmp_path / "data").iterdir())
