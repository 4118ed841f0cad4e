"""Rollouts against a real repository and both databases, also where the host is killed between the two."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_runtime.update.desired import WHOLE, Where
from tests.trainer_host.fleet.conftest import opened
from tests.trainer_host.fleet.samples import Devices, published
from trainer_host.errors import NotThere, TrainerError
from trainer_host.fleet.rollouts import Plan, Stage, desired_of
from trainer_host.fleet.service import Fleet
from trainer_host.fleet.store import Store
from trainer_host.release.repository import Repository

QUICK = Plan((Stage(devices=1), Stage(share=WHOLE)), soak=0.0)
one_is_enough = pytest.mark.parametrize(
    "database", ["sqlite"], indirect=True
)  # `test_store` shows that both do the same


@dataclass
class Setting:
    """A fleet of twelve, half of them in the kitchen, at a time that tests set."""

    store: Store
    repository: Repository
    devices: Devices
    now: float = 1e9

    @property
    def fleet(self) -> Fleet:
        return Fleet(self.store, self.repository, "tester", lambda: self.now)

    def until_still(self) -> list[str]:
        for _ in range(20):
            self.devices.look(self.repository)
            self.devices.tell(self.store, self.now)
            self.now += 1.0
            if not self.fleet.step():
                break
        with self.store.reading() as session:
            return [course.state for course in session.courses()]

    def kinds(self) -> list[str]:
        with self.store.reading() as session:
            return [event.kind for event in session.events() if event.kind.startswith("rollout")]


@pytest.fixture
def setting(store: Store, tmp_path: Path) -> Setting:
    devices = Devices({f"d{n:02d}": ("kitchen",) if n % 2 else ("hall",) for n in range(12)})
    made = Setting(store, published(tmp_path, "1.0.0", "2.0.0", "3.0.0"), devices)
    devices.tell(store, made.now)
    return made


def test_a_good_version_reaches_all_and_a_bad_one_stops_at_its_canary_by_itself(setting: Setting) -> None:
    setting.fleet.start("easy", "1.0.0", Where(), QUICK)
    assert setting.until_still() == ["done"] and setting.devices.versions() == {"1.0.0"}
    setting.devices.bad = lambda device, version: version == "2.0.0"
    course = setting.fleet.start("easy", "2.0.0", Where(), QUICK)
    assert setting.until_still() == ["done", "paused"] and setting.devices.versions() == {"1.0.0"}
    look = setting.fleet.look(course.id)
    assert look.course.cause == "1 of 1 devices failed: 2 of 4 golden vectors differ."
    assert [told.device for told in look.told] == [*course.named] and look.tally.failed == 1
    assert course.before is not None and course.before.version == "1.0.0"
    setting.fleet.abort(course.id)
    assert [rollout.id for rollout in setting.repository.desired()] == ["r-0001"]
    with setting.store.reading() as session:
        failed = [event.detail for event in session.events() if event.kind == "device.failed"]
    assert [event["device"] for event in failed] == [*course.named]
    assert setting.kinds()[0] == "rollout.started" and setting.kinds()[-2:] == ["rollout.paused", "rollout.aborted"]


@one_is_enough
def test_what_was_pushed_by_hand_is_what_an_aborted_rollout_goes_back_to(setting: Setting) -> None:
    setting.fleet.start("easy", "1.0.0", Where(), QUICK)
    setting.until_still()
    with setting.store.changing() as session:  # as if there had never been a rollout
        from sqlalchemy import delete

        from trainer_host.fleet import schema

        session._connection.execute(delete(schema.rollouts))
    setting.repository.set_desired(())
    course = setting.fleet.start("easy", "2.0.0", Where(all=("kitchen",)), QUICK)
    assert setting.until_still() == ["done"] and setting.devices.versions() == {"1.0.0", "2.0.0"}
    setting.fleet.abort(course.id)
    setting.until_still()
    assert setting.devices.versions() == {"1.0.0"}


@one_is_enough
def test_a_newer_rollout_to_the_same_devices_replaces_one_that_is_open(setting: Setting) -> None:
    first = setting.fleet.start("easy", "1.0.0", Where(), Plan(soak=1e5))
    with pytest.raises(TrainerError, match=r"what r-0001 rolls out there \(running\)"):
        setting.fleet.start("easy", "1.0.0", Where(), QUICK)
    setting.fleet.start("easy", "2.0.0", Where(), QUICK)
    assert setting.until_still() == ["replaced", "done"] and setting.devices.versions() == {"2.0.0"}
    for act in (setting.fleet.pause, setting.fleet.resume):
        with pytest.raises(TrainerError, match="r-0001 is replaced; only a rollout"):
            act(first.id)


@one_is_enough
def test_paused_and_resumed_by_hand_it_goes_on_where_it_was(setting: Setting) -> None:
    course = setting.fleet.start("easy", "1.0.0", Where(), QUICK)
    setting.fleet.pause(course.id)
    assert setting.until_still() == ["paused"] and not setting.devices.runs
    setting.fleet.resume(course.id)
    assert setting.until_still() == ["done"] and setting.devices.versions() == {"1.0.0"}
    setting.fleet.abort(course.id)
    with pytest.raises(TrainerError, match="aborted already"):
        setting.fleet.abort(course.id)


@one_is_enough
def test_it_can_wait_for_hours_and_be_paused_meanwhile(setting: Setting) -> None:
    when = ("idle", *(f"0{hour}:00-09:00" for hour in range(1, 7)))  # as many as there may be; devices look at midnight
    setting.fleet.start("easy", "1.0.0", Where(), QUICK, when)
    setting.fleet.pause("r-0001")
    setting.fleet.resume("r-0001")
    assert setting.until_still() == ["running"] and not setting.devices.runs
    assert [rollout.when for rollout in setting.repository.desired()] == [when]


@pytest.mark.parametrize("act", ["start", "step"])
def test_killed_between_database_and_repository_the_next_step_writes_the_same(
    setting: Setting, database: str, act: str
) -> None:
    if act != "start":
        setting.fleet.start("easy", "1.0.0", Where(), QUICK)
        setting.devices.look(setting.repository)
        setting.devices.tell(setting.store, setting.now)
    before = setting.repository.desired()
    child = os.fork()
    if child == 0:
        try:
            setting.repository.set_desired = lambda rollouts: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore
            fleet = Fleet(opened(database), setting.repository, clock=lambda: setting.now + 1)
            if act == "start":
                fleet.start("easy", "1.0.0", Where(), QUICK)
            else:
                fleet.step()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL and setting.repository.desired() == before
    with opened(database) as store:
        assert Fleet(store, setting.repository).publish()
        with store.reading() as session:
            assert setting.repository.desired() == desired_of(session.courses()) != before
        assert not Fleet(store, setting.repository).publish()


@one_is_enough
def test_a_device_that_was_tagged_here_is_chosen_and_counted_like_one_that_has_the_tag(setting: Setting) -> None:
    with setting.store.changing() as session:
        session.give("d02", ("kitchen", "beta"), setting.now)
        session.give("d04", ("beta",), setting.now)
    setting.fleet.start("easy", "1.0.0", Where(all=("kitchen",)), QUICK)
    assert setting.until_still() == ["done"]
    assert set(setting.devices.runs) == {"d01", "d02", "d03", "d05", "d07", "d09", "d11"}
    assert setting.fleet.look("r-0001").tally.expected == 7
    with setting.store.changing() as session:
        assert [device.id for device in session.devices(Where(all=("beta",)))] == ["d02", "d04"]
        session.give("d02", (), setting.now)
        session.give("d04", ("kitchen",), setting.now)
    assert setting.fleet.publish()
    setting.devices.look(setting.repository)
    assert "d04" in setting.devices.runs and setting.fleet.look("r-0001").tally.expected == 7


@one_is_enough
def test_another_database_does_not_overwrite_what_devices_read(setting: Setting, tmp_path: Path) -> None:
    setting.fleet.start("easy", "1.0.0", Where(), QUICK)
    setting.until_still()
    setting.fleet.start("easy", "2.0.0", Where(all=("hall",)), QUICK)
    read = setting.repository.desired()
    with opened(str(tmp_path / "other.db")) as other:
        setting.devices.tell(other, setting.now)
        fleet = Fleet(other, setting.repository)
        for act in (fleet.step, fleet.publish, lambda: fleet.start("easy", "3.0.0", Where(), QUICK)):
            with pytest.raises(TrainerError, match="enigma rollout adopt"):
                act()
        assert setting.repository.desired() == read
        assert [course.state for course in fleet.adopt()] == ["done", "paused"]
        fleet.publish()
        assert [rollout.id for rollout in setting.repository.desired()] == ["r-0001", "r-0002"]
        assert fleet.start("easy", "3.0.0", Where(), QUICK).id == "r-0003"


@one_is_enough
def test_what_can_not_be_rolled_out_is_told_in_a_sentence(setting: Setting) -> None:
    with pytest.raises(NotThere, match=r"easy 9.9.9 isn't published; there are 1.0.0, 2.0.0, 3.0.0\."):
        setting.fleet.start("easy", "9.9.9", Where(), QUICK)
    with pytest.raises(NotThere, match="enigma release publish"):
        setting.fleet.start("other", "1.0.0", Where(), QUICK)
    with pytest.raises(TrainerError, match="No known device has these tags"):
        setting.fleet.start("easy", "1.0.0", Where(all=("attic",)), QUICK)
    with pytest.raises(TrainerError, match="can't be a tag"):
        setting.fleet.start("easy", "1.0.0", Where(all=("Küche",)), QUICK)
    with pytest.raises(TrainerError, match="is no condition"):
        setting.fleet.start("easy", "1.0.0", Where(), QUICK, ("held",))
    with pytest.raises(TrainerError, match="at most 32 tags of each kind and 7 conditions"):
        setting.fleet.start("easy", "1.0.0", Where(), QUICK, tuple(f"0{hour}:00-09:00" for hour in range(8)))
    with pytest.raises(NotThere, match="enigma rollout start"):
        setting.fleet.pause("r-0001")
    assert setting.repository.desired() == () and setting.kinds() == []
