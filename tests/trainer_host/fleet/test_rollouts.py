"""A rollout's rules: a bad version harms no more than its stage allows, a good one reaches everybody, whoever joins when."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge_runtime.errors import BadRequest
from edge_runtime.update.conditions import HELD, Readings, check_condition, unmet
from edge_runtime.update.desired import WHOLE, Where, chosen, parse_desired, write_desired
from trainer_host.errors import TrainerError
from trainer_host.fleet import rollouts
from trainer_host.fleet.rollouts import Course, Member, Plan, Release, Stage, desired_of, parse_stages, stepped


def release(version: str) -> Release:
    return Release("home-en", version, f"models/router/home-en-{version}.enigma", version[0] * 64)


V1, V2, V3 = release("1.0.0"), release("2.0.0"), release("3.0.0")
QUICK = Plan(soak=0.0)


@dataclass
class World:
    """Devices that do what they read, some of them badly."""

    tags: dict[str, tuple[str, ...]]
    bad: Callable[[str, str], bool] = lambda device, version: False
    away: Collection[str] = ()
    runs: dict[str, str] = field(default_factory=dict)  # device -> version
    told: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)  # (rollout, device) -> outcome, cause
    courses: list[Course] = field(default_factory=list)
    now: float = 1_000_000.0

    def members(self, course: str) -> list[Member]:
        told = [self.told.get((course, device), ("", "")) for device in self.tags]
        return [
            Member(device, device, self.tags[device], device not in self.away, *outcome)
            for device, outcome in zip(self.tags, told, strict=True)
        ]

    def start(
        self, new: Release, where: Where | None = None, plan: Plan = QUICK, before: Release | None = None
    ) -> Course:
        id_ = f"r-{len(self.courses) + 1:04d}"
        course = rollouts.begun(id_, new, before, where or Where(), (), plan, self.members(id_), self.now)
        self.courses.append(course)
        return course

    def devices_look(self, only: Collection[str] | None = None) -> None:
        read = parse_desired(write_desired(desired_of(self.courses)))
        for device in sorted(self.tags):
            wish = chosen(read, device, self.tags[device]).get("home-en")
            if wish is None or device in self.away or (only is not None and device not in only):
                continue
            if self.runs.get(device) == wish.version:
                self.told[wish.id, device] = ("done", "")
            elif self.told.get((wish.id, device), ("", ""))[0] == "failed":
                continue  # what failed isn't tried again
            elif not unmet(wish.when, Readings(0, 99.0, 0, True, True)):
                failed = self.bad(device, wish.version)
                self.told[wish.id, device] = ("failed", "golden vectors differ") if failed else ("done", "")
                if not failed:
                    self.runs[device] = wish.version

    def host_looks(self) -> list[str]:
        read = desired_of(self.courses)
        self.courses = [stepped(course, read, self.members(course.id), self.now)[0] for course in self.courses]
        return [course.state for course in self.courses]

    def until_still(self, most: int = 40) -> list[str]:
        for _ in range(most):
            self.devices_look()
            former, self.now = self.courses, self.now + 1.0
            if self.host_looks() and self.courses == former:
                break
        return [course.state for course in self.courses]


def fleet(count: int, **more: object) -> World:
    return World({f"d{n:05d}": ("kitchen",) if n % 2 else () for n in range(count)}, **more)  # type: ignore[arg-type]


def test_a_good_version_reaches_everybody_stage_by_stage() -> None:
    world, seen = fleet(400), []
    world.start(V2)
    while world.courses[0].state == "running":
        world.devices_look()
        if len(world.runs) not in seen:
            seen.append(len(world.runs))
        world.host_looks()
        world.now += 1
    assert world.until_still() == ["done"]
    assert seen[0] == 1 and 10 <= seen[1] <= 35 and 70 <= seen[2] <= 135 and seen[3:] == [400]
    assert desired_of(world.courses)[0].settled


def test_a_version_that_fails_everywhere_is_stopped_at_the_one_device_that_tried_it() -> None:
    world = fleet(400, bad=lambda device, version: version == "2.0.0")
    world.start(V1)
    world.until_still()
    world.start(V2, before=V1)
    assert world.until_still() == ["done", "paused"]
    assert world.courses[1].cause == "1 of 1 devices failed: golden vectors differ"
    assert [who for who, (outcome, _) in world.told.items() if outcome == "failed"] == [
        ("r-0002", *world.courses[1].named)
    ]
    assert set(world.runs.values()) == {"1.0.0"}


def test_a_rollout_that_is_done_is_paused_where_those_fail_that_come_late() -> None:
    away = {f"d{n:05d}" for n in range(10)}
    world = fleet(100, away=away, bad=lambda device, version: device in away)
    world.start(V2)
    assert world.until_still() == ["done"]
    world.away = ()
    assert world.until_still() == ["paused"] and world.courses[0].cause.startswith("10 of 100 devices failed")
    world.tags["later"] = ()
    world.devices_look()
    assert "later" not in world.runs and world.runs["d00050"] == "2.0.0"


@settings(max_examples=8, deadline=None)
@example(108, 6, 0)
@given(st.integers(0, 10_000), st.integers(0, 60), st.sampled_from([0, 200, 1000, 3000]))
def test_whoever_answers_first_no_more_fail_than_the_stage_allows_and_one_device(
    seed: int, percent_bad: int, most_failures: int
) -> None:
    """Devices look one at a time, in any order; a host that looks after each of them stops right above the threshold."""
    chance = random.Random(seed)
    bad = {f"d{n:05d}" for n in range(30) if chance.random() * 100 < percent_bad}
    world = fleet(30, bad=lambda device, version: device in bad)
    stages = (Stage(devices=1), Stage(share=2000), Stage(share=6000), Stage(share=WHOLE))
    world.start(V2, plan=Plan(stages, soak=0.0, most_failures=most_failures, least_done=7000))
    order = sorted(world.tags, key=lambda _: chance.random())
    for device in order * 4:
        world.devices_look([device])
        course, seen = stepped(world.courses[0], desired_of(world.courses), world.members("r-0001"), world.now)
        assert seen.failed <= seen.expected * most_failures // WHOLE + (course.state == "paused")
        world.courses = [course]
    failed = sum(outcome == "failed" for outcome, _ in world.told.values())
    assert failed <= 30 * most_failures // WHOLE + 1


def test_a_device_that_joins_late_gets_what_its_stage_has_and_is_counted() -> None:
    world = fleet(100)
    world.start(V2)
    world.until_still()
    world.tags["late"] = ()
    world.devices_look()
    assert world.runs["late"] == "2.0.0"
    during = fleet(100)
    course = during.start(V2, plan=Plan((Stage(share=5000), Stage(share=WHOLE)), soak=1e4))
    before = rollouts.tally(course, desired_of(during.courses), during.members(course.id)).expected
    during.tags.update({f"late{n}": () for n in range(100)})
    after = rollouts.tally(course, desired_of(during.courses), during.members(course.id)).expected
    assert 30 < after - before < 70


def test_a_stage_soaks_and_a_failure_within_it_still_pauses() -> None:
    world = fleet(40)
    world.start(V2, plan=Plan(soak=3600.0))
    world.devices_look()
    assert world.host_looks() == ["running"] and world.courses[0].met == world.now
    world.now += 3599
    world.host_looks()
    assert world.courses[0].stage == 0
    course = world.courses[0]
    world.now -= 7200  # the clock went back: the soak begins again, and isn't passed over
    world.host_looks()
    assert world.courses[0].stage == 0 and world.courses[0].met == world.now
    world.now += 3600
    world.host_looks()
    assert world.courses[0].stage == 1
    world.courses = [course]
    world.told["r-0001", course.named[0]] = ("failed", "slower than its budget")
    assert world.host_looks() == ["paused"]


def test_devices_that_are_away_hold_a_stage_up_only_where_they_are_many() -> None:
    plan = Plan((Stage(share=WHOLE),), soak=0.0, least_done=9000)
    few = fleet(100, away=[f"d{n:05d}" for n in range(10)])
    few.start(V2, plan=plan)
    assert few.until_still() == ["done"]
    many = fleet(100, away=[f"d{n:05d}" for n in range(11)])
    many.start(V2, plan=plan)
    assert many.until_still() == ["running"]
    seen = rollouts.tally(many.courses[0], desired_of(many.courses), many.members("r-0001"))
    assert (seen.done, seen.expected, len(seen.waiting)) == (89, 100, rollouts.SHOWN_DEVICES)
    assert few.courses[0].named == () and many.start(V3).named[0] not in many.away


def test_a_stage_without_a_new_device_is_not_soaked() -> None:
    world = World({"only": ()})
    world.start(V2, plan=Plan(soak=3600.0))
    world.devices_look()
    world.host_looks()
    world.now += 3600
    for _ in range(9):
        world.host_looks()
    assert world.courses[0].state == "done"


def test_no_stage_ends_without_a_device_that_runs_the_version() -> None:
    world = fleet(3)
    world.start(V2)
    world.tags.clear()
    assert world.until_still() == ["running"] and world.courses[0].stage == 0
    with pytest.raises(TrainerError, match="nobody could try"):
        world.start(V3)


def test_paused_devices_keep_what_they_run_and_no_other_switches() -> None:
    world = fleet(200)
    world.start(V1)
    world.until_still()
    world.start(V2, plan=Plan(soak=1e5))
    world.devices_look()
    course = world.courses[1]
    world.courses[1] = replace(course, state="paused", stage=2)
    world.devices_look()
    assert sorted(set(world.runs.values())) == ["1.0.0", "2.0.0"]
    assert [device for device, version in world.runs.items() if version == "2.0.0"] == [*course.named]
    with pytest.raises(BadRequest):
        check_condition(HELD)  # nobody can ask for it


def test_resumed_with_its_failures_seen_it_tries_another_device_and_counts_anew() -> None:
    world = fleet(100, bad=lambda device, version: device in broken)
    broken: set[str] = set()
    broken.update(world.start(V2).named)
    assert world.until_still() == ["paused"]
    course = world.courses[0]
    seen = rollouts.tally(course, desired_of(world.courses), world.members(course.id))
    world.courses = [rollouts.resumed(course, seen, world.members(course.id), world.now)]
    assert len(world.courses[0].named) == 2 and world.courses[0].named[0] in broken
    assert world.until_still() == ["done"]
    assert len(world.runs) == 99


def test_aborted_devices_go_back_to_the_version_before() -> None:
    world = fleet(200)
    world.start(V1)
    world.until_still()
    world.start(V2, before=V1)
    world.devices_look()
    world.courses[1] = replace(world.courses[1], state="aborted")
    world.devices_look()
    assert set(world.runs.values()) == {"1.0.0"} and len(world.runs) == 200


def test_aborted_after_everybody_had_it_the_version_before_is_wanted_again() -> None:
    world = fleet(60)
    world.start(V1)
    world.until_still()
    world.start(V2, before=V1)
    world.until_still()
    assert [rollout.id for rollout in desired_of(world.courses)] == ["r-0002"]
    world.courses[1] = replace(world.courses[1], state="aborted")
    world.devices_look()
    assert set(world.runs.values()) == {"1.0.0"}


def test_aborted_where_no_rollout_led_to_the_version_before_devices_are_told_of_it() -> None:
    world = fleet(60)
    world.runs = dict.fromkeys(world.tags, "1.0.0")  # pushed by hand, before there were rollouts
    world.start(V2, Where(all=("kitchen",)), before=V1)
    world.until_still()
    assert sorted(world.runs.values()) == ["1.0.0"] * 30 + ["2.0.0"] * 30
    world.courses[0] = replace(world.courses[0], state="aborted")
    world.devices_look()
    assert set(world.runs.values()) == {"1.0.0"}
    world.start(V3, Where(all=("kitchen",)), before=V1)
    world.until_still()
    assert [rollout.id for rollout in desired_of(world.courses)] == [
        "r-0002"
    ]  # whom it sent back is served otherwise now


def test_a_newer_rollout_wins_and_one_for_other_tags_leaves_devices_alone() -> None:
    world = fleet(60)
    world.start(V1)
    world.until_still()
    world.start(V2, Where(all=("kitchen",)))
    world.until_still()
    assert sorted(set(world.runs.values())) == ["1.0.0", "2.0.0"]
    world.start(V3)
    world.until_still()
    assert set(world.runs.values()) == {"3.0.0"}
    assert [rollout.id for rollout in desired_of(world.courses)] == ["r-0003"]


@pytest.mark.parametrize("text", ["", "100", "1,5%", "5%,1,100%", "5%,5%,100%", "0,100%", "0%,100%", "1,101%", "1,x,100%",
                                  "1,,100%", "5000,100%", "-1,100%", "1,100%,100%", ",".join(map(str, range(1, 40)))])  # fmt: skip
def test_stages_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(TrainerError) as refused:
        Plan(parse_stages(text))
    assert str(refused.value).endswith(".")


def test_plans_that_could_never_go_on_are_refused_and_times_and_shares_are_read_as_written() -> None:
    assert parse_stages("1, 5%,12.5%,100%") == (Stage(1), Stage(share=500), Stage(share=1250), Stage(share=WHOLE))
    assert [rollouts.parse_time(text) for text in ("90", "90s", "30m", "1h", "2d")] == [90, 90, 1800, 3600, 172_800]
    assert (rollouts.parse_share("2%"), rollouts.parse_share("0.5%"), rollouts.percent(50)) == (200, 50, "0.5%")
    for change in ({"soak": -1.0}, {"soak": 1e9}, {"most_failures": 2000}, {"least_done": 0}, {"stages": ()}):
        with pytest.raises(TrainerError):
            Plan(**change)  # type: ignore[arg-type]
    for wrong in ("1w", "", "1.5h", "soon"):
        with pytest.raises(TrainerError, match="time"):
            rollouts.parse_time(wrong)
    for wrong in ("2", "101%", "%", "-1%"):
        with pytest.raises(TrainerError, match="share"):
            rollouts.parse_share(wrong)
