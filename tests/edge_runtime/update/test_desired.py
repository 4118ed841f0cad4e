"""Which device runs which version: every device answers it alone, and all of them together as the host meant it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.update import desired
from edge_runtime.update.conditions import HELD, check_condition
from edge_runtime.update.desired import DesiredError, Rollout, Where, chosen, parse_desired, place, write_desired

TAGS = ("kitchen", "hall", "floor:2", "beta")
FIRST = Rollout("r-0001", "home-en", "models/router/home-en-1.3.0.enigma", "a" * 64, settled=True)
SECOND = Rollout("r-0002", "home-en", "models/router/home-en-1.4.0.enigma", "b" * 64, share=0)
devices = st.from_regex(r"[0-9a-f]{16}", fullmatch=True)
some_tags = st.lists(st.sampled_from(TAGS), max_size=3, unique=True).map(tuple)
queries = st.builds(Where, some_tags, some_tags, some_tags, st.lists(devices, max_size=2, unique=True).map(tuple))
shares = st.integers(0, desired.WHOLE)
few = settings(max_examples=25)


@few
@given(queries, devices, some_tags, shares, shares)
def test_a_device_that_a_share_chooses_is_chosen_by_every_larger_one(
    where: Where, device: str, tags: tuple[str, ...], one: int, other: int
) -> None:
    small, large = (replace(SECOND, where=where, share=share) for share in sorted((one, other)))
    assert large.chooses(device, tags) or not small.chooses(device, tags)


@few
@given(queries, devices, some_tags)
def test_all_of_them_are_those_that_the_query_matches_and_none_are_only_the_named(
    where: Where, device: str, tags: tuple[str, ...]
) -> None:
    named, have = device in where.devices, set(tags)
    matched = have >= set(where.all) and not have & set(where.none) and (not where.any or bool(have & set(where.any)))
    assert replace(SECOND, where=where, share=desired.WHOLE).chooses(device, tags) == (named or matched)
    assert replace(SECOND, where=where, share=0).chooses(device, tags) == named


def test_a_share_chooses_as_many_as_it_says_and_others_in_another_rollout() -> None:
    everyone = [f"{n:016x}" for n in range(8_000)]
    in_one = {device for device in everyone if replace(SECOND, share=500).chooses(device, ())}
    in_other = {device for device in everyone if replace(SECOND, id="r-0003", share=500).chooses(device, ())}
    assert 320 < len(in_one) < 480  # 400 expected, standard deviation 20
    assert len(in_one & in_other) < 45  # 20 expected: no home is the one that tries everything first


@pytest.mark.parametrize("word", ["idle", "docked", "charging", "22:00-06:00"])
def test_a_condition_that_a_person_may_give_is_one_that_devices_read(word: str) -> None:
    rollout = replace(SECOND, when=(check_condition(word), HELD))
    assert parse_desired(write_desired([rollout])) == (rollout,)


def test_a_device_that_joins_later_is_chosen_as_if_it_had_been_there() -> None:
    rollout = replace(SECOND, where=Where(all=("kitchen",)), share=2500)
    raw = write_desired([FIRST, rollout])
    late = [f"late{n}" for n in range(400)]
    joined = [device for device in late if chosen(parse_desired(raw), device, ["kitchen"])["home-en"] == rollout]
    assert joined == [device for device in late if place(rollout.id, device) < 2500]
    assert 0 < len(joined) < 400
    assert {chosen(parse_desired(raw), device, [])["home-en"] for device in late} == {FIRST}


@few
@given(st.lists(st.tuples(queries, shares), min_size=1, max_size=5), devices, some_tags)
def test_of_the_rollouts_that_choose_a_device_the_last_counts(
    made: list[tuple[Where, int]], device: str, tags: tuple[str, ...]
) -> None:
    rollouts = [replace(SECOND, id=f"r-{n}", where=where, share=share) for n, (where, share) in enumerate(made)]
    choosing = [rollout for rollout in rollouts if rollout.chooses(device, tags)]
    assert chosen(rollouts, device, tags).get("home-en") == (choosing[-1] if choosing else None)


def test_each_specialist_has_its_own_rollouts_and_one_without_any_is_left_alone() -> None:
    other = Rollout("r-0009", "mood", "models/sentiment/mood-1.0.0-rc.1.enigma", "c" * 64, Where(any=("hall",)))
    assert chosen([FIRST, other], "d1", ["hall"]) == {"home-en": FIRST, "mood": other}
    assert chosen([FIRST, other], "d1", ["attic"]) == {"home-en": FIRST}
    assert (other.task, other.version) == ("sentiment", "1.0.0-rc.1")


@few
@given(st.lists(st.builds(Rollout, st.uuids().map(str), st.just("home-en"), st.just(SECOND.target), st.just("0" * 64),
                          queries, shares, st.sampled_from([(), ("idle", "docked")]), st.booleans()),
                max_size=4, unique_by=lambda rollout: rollout.id))  # fmt: skip
def test_what_is_written_is_read_again_in_one_form(rollouts: list[Rollout]) -> None:
    raw = write_desired(rollouts)
    assert parse_desired(raw) == tuple(rollouts)
    assert write_desired(parse_desired(raw)) == raw


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda top, one: top.update(format=2), "update Enigma"),
        (lambda top, one: top.update(format=True), "update Enigma"),
        (lambda top, one: top.update(hurry=1), "'hurry'"),
        (lambda top, one: top.update(rollouts={}), "must be a list"),
        (lambda top, one: top.update(rollouts=[one, one]), "same id"),
        (lambda top, one: top.update(rollouts=[7]), r"rollouts\[0\] must be an object"),
        (lambda top, one: one.update(until="2027-01-01"), "update Enigma"),
        (lambda top, one: one.pop("share"), "lacks 'share'"),
        (lambda top, one: one.update(share=10_001), "'share'"),
        (lambda top, one: one.update(share=-1), "'share'"),
        (lambda top, one: one.update(share=True), "'share'"),
        (lambda top, one: one.update(share=2.5), "'share'"),
        (lambda top, one: one.update(settled=1), "'settled'"),
        (lambda top, one: one.update(sha256="A" * 64), "'sha256'"),
        (lambda top, one: one.update(sha256="a" * 63 + "\n"), "'sha256'"),
        (lambda top, one: one.update(id="../r"), "'id'"),
        (lambda top, one: one.update(specialist="home", target=one["target"]), "'target'"),
        (lambda top, one: one.update(target="models/router/../../root.json"), "'target'"),
        (lambda top, one: one.update(target="models/router/home-en-1.4.enigma"), "'target'"),
        (lambda top, one: one.update(target="models/router/home-en-1.4.٠.enigma"), "'target'"),
        (lambda top, one: one.update(when=["idle", "idle"]), "different"),
        (lambda top, one: one.update(when=["idle"] * 9), "at most"),
        (lambda top, one: one.update(when=[["idle"]]), "can't use"),
        (lambda top, one: one.update(when=["22:00"]), "can't use"),
        (lambda top, one: one["where"].update(any="kitchen"), "must be a list"),
        (lambda top, one: one["where"].update(all=[f"t{n}" for n in range(33)]), "at most 32"),
        (lambda top, one: one["where"].update(devices=["a/b"]), "can't use"),
        (lambda top, one: one["where"].update(models=[]), "'models'"),
        (lambda top, one: one.update(where=None), "must be an object"),
    ],
)  # fmt: skip
def test_what_a_device_could_misread_is_refused_with_the_place(
    change: Callable[[dict[str, object], dict[str, object]], object], says: str
) -> None:
    top = json.loads(write_desired([SECOND]))
    change(top, top["rollouts"][0] if isinstance(top["rollouts"], list) else {})
    with pytest.raises(DesiredError, match=says):
        parse_desired(json.dumps(top).encode())


@few
@given(st.binary(max_size=200), st.integers(0, 400))
def test_no_bytes_break_it(junk: bytes, cut: int) -> None:
    whole = write_desired([FIRST, SECOND])
    for raw in (junk, whole[:cut], whole[:cut] + junk):
        try:
            assert write_desired(parse_desired(raw))
        except DesiredError as refused:
            assert str(refused)


def test_a_list_that_is_too_long_is_refused_unread_and_never_written() -> None:
    with pytest.raises(DesiredError, match="at most 262,144 are read"):
        parse_desired(b"[" * (desired.MOST_BYTES + 1))
    with pytest.raises(DesiredError, match="at most 1000"):
        write_desired([replace(FIRST, id=f"r-{n}") for n in range(1001)])
