from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from edge_runtime.bundle import public_key_of
from edge_runtime.update.desired import Rollout
from edge_runtime.update.tuf.metadata import Role, key_of, sign
from tests.trainer_host.release.updates import NAME, Clock, Reference, give, made, opened
from trainer_host.errors import TrainerError
from trainer_host.release.repository import Repository
from trainer_host.release.roles import FLEET, MODELS, ROLES, SNAPSHOT, TARGETS, TIMESTAMP
from trainer_host.release.trust import Plan, create, rotate


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def repository(tmp_path: Path, clock: Clock) -> Repository:
    return made(tmp_path, clock)


def rollout(repository: Repository, version: str) -> Rollout:
    target = repository.targets()[NAME.format(version)]
    return Rollout(f"r-{version[0]}", "easy", target.name, target.hashes["sha256"])


def test_the_reference_client_takes_what_is_published_and_fetches_it(repository: Repository, tmp_path: Path) -> None:
    client = Reference(repository.public, tmp_path / "client")
    assert client.targets() == {}
    give(repository, tmp_path, "1.0.0")
    found = client.targets(NAME.format("1.0.0"), "fleet/desired.json")
    assert found[NAME.format("1.0.0")] == (tmp_path / "easy-1.0.0.enigma").read_bytes()
    assert found["fleet/desired.json"] == b'{"format":1,"rollouts":[]}\n'


def test_a_bundle_of_a_task_that_nobody_knew_gets_a_role(repository: Repository, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"new")
    repository.publish({"models/knitting/scarf-1.0.0.enigma": (path, {"kind": "bundle"})})
    client = Reference(repository.public, tmp_path / "client")
    assert client.targets("models/knitting/scarf-1.0.0.enigma") == {"models/knitting/scarf-1.0.0.enigma": b"new"}


def test_publishing_the_same_again_changes_no_byte(repository: Repository, tmp_path: Path) -> None:
    give(repository, tmp_path, "1.0.0")
    before = contents(repository.public)
    give(repository, tmp_path, "1.0.0")
    assert contents(repository.public) == before


def test_a_version_has_one_content_for_ever(repository: Repository, tmp_path: Path) -> None:
    give(repository, tmp_path, "1.0.0")
    with pytest.raises(TrainerError, match="another content; give this one a new version"):
        give(repository, tmp_path, "1.0.0", content="changed")


def test_the_same_keys_files_and_times_give_the_same_bytes(tmp_path: Path, clock: Clock) -> None:
    one = made(tmp_path / "one", clock)
    shutil.copytree(tmp_path / "one" / "keys", tmp_path / "two" / "keys")
    two = opened(tmp_path / "two", clock)
    create(two, Plan(), None)
    for repository in (one, two):
        give(repository, tmp_path, "1.0.0", "1.1.0")
        repository.set_desired([rollout(repository, "1.1.0")])
    assert contents(one.public) == contents(two.public)


def test_the_fleet_is_given_only_what_is_published_with_that_content(repository: Repository, tmp_path: Path) -> None:
    give(repository, tmp_path, "1.0.0")
    wanted = rollout(repository, "1.0.0")
    assert repository.set_desired([wanted]).changed
    assert not repository.set_desired([wanted]).changed
    assert repository.desired() == (wanted,)
    with pytest.raises(TrainerError, match="isn't published with that content"):
        repository.set_desired([Rollout("r-2", "easy", wanted.target, "0" * 64)])
    assert repository.desired() == (wanted,)


def test_signatures_are_renewed_before_clients_stop_taking_them(
    repository: Repository, clock: Clock, tmp_path: Path
) -> None:
    give(repository, tmp_path, "1.0.0")
    assert not repository.refresh().changed
    soonest = 365
    for _ in range(30):
        clock.wait(days=12.5)  # with a timestamp that counts for a week, a client stops unless each day is a new one
        repository.refresh(offline=True)
        left = min(expires - clock() for expires in repository.expiries().values())
        soonest = min(soonest, left.days)
    assert soonest == 7
    assert Reference(repository.public, tmp_path / "client").targets(NAME.format("1.0.0"))


def test_what_a_poll_reads_is_less_than_500_bytes(repository: Repository) -> None:
    assert (repository.public / "metadata" / "timestamp.json").stat().st_size < 500


def test_what_no_client_reads_any_more_goes_away_and_roots_stay(
    repository: Repository, clock: Clock, tmp_path: Path
) -> None:
    give(repository, tmp_path, "1.0.0", "2.0.0")
    rotate(repository, TIMESTAMP)
    gone = NAME.format("2.0.0")
    file = repository.files.file(repository.targets()[gone])
    for number in range(12):
        repository.set_desired([rollout(repository, f"{1 + number % 2}.0.0")])
    names = [path.name for path in (repository.public / "metadata").iterdir()]
    assert sum(name.endswith(".snapshot.json") for name in names) == 8
    assert sum(name.endswith(".root.json") for name in names) == 2
    repository.set_desired([])
    repository.publish({}, remove=[gone])
    half_written = file.with_name(".easy.part")
    half_written.write_bytes(b"half")
    clock.wait(days=1)
    repository.refresh()
    assert file.exists() and not half_written.exists()  # for clients that began to read before it was taken out
    for version in range(1, 8):
        give(repository, tmp_path, f"3.{version}.0")
    clock.wait(days=1)
    repository.refresh()
    left = [path for path in (repository.public / "targets").rglob("*") if path.is_file()]
    assert not file.exists()
    assert len(left) == 8 + len({path for path in left if "fleet" in path.parts})
    assert len(left) <= 16 and Reference(repository.public, tmp_path / "client").targets(NAME.format("3.7.0"))


def test_a_clock_that_was_set_back_signs_nothing(repository: Repository, clock: Clock, tmp_path: Path) -> None:
    clock.wait(hours=-1)
    with pytest.raises(TrainerError, match="clock is behind"):
        give(repository, tmp_path, "1.0.0")


def test_a_time_that_was_signed_by_mistake_is_taken_back_with_a_new_key(
    repository: Repository, clock: Clock, tmp_path: Path
) -> None:
    clock.wait(days=4000)
    repository.refresh(offline=True)
    client = Reference(repository.public, tmp_path / "client")
    client.targets()
    clock.wait(days=-4000)
    with pytest.raises(TrainerError, match="or where that time was wrong, run 'enigma release rotate timestamp'"):
        give(repository, tmp_path, "1.0.0")
    rotate(repository, TIMESTAMP)
    give(repository, tmp_path, "1.0.0")
    assert client.targets(NAME.format("1.0.0"))[NAME.format("1.0.0")]
    assert repository.expiries()["timestamp"] < clock() + timedelta(days=8)


def test_a_damaged_repository_is_told_in_one_sentence(repository: Repository) -> None:
    for path in (repository.public / "metadata").glob("1.*.json"):
        path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(TrainerError, match=r"is damaged .*restore it from a copy"):
        repository.targets()


@pytest.mark.parametrize("what", ["models/router", "root"])
def test_what_somebody_else_put_where_it_is_served_from_is_not_signed(
    repository: Repository, tmp_path: Path, what: str
) -> None:
    """Whoever can write to the web server's folder must not get the host's signature for it at the next change."""
    give(repository, tmp_path, "1.0.0")
    now, thief = repository.state(), bytes([6]) * 32
    if what == "root":
        key = key_of(public_key_of(thief))
        roles = {name: Role((key.keyid,), 1) for name in now.root.content.roles}
        root = dataclasses.replace(now.root.content, version=2, roles=roles, keys={key.keyid: key})
        repository.files.write("root", sign(root, [thief]))
    else:
        models = now.delegated[what].content
        bad = repository.files.store("models/router/evil-1.0.0.enigma", b"evil")
        more = dataclasses.replace(models, targets={**models.targets, bad.name: bad})
        repository.files.write(what, sign(more, [thief]))
    for change in (lambda: give(repository, tmp_path, "1.1.0"), lambda: repository.refresh(), repository.targets):
        with pytest.raises(TrainerError, match="changed by somebody who hasn't got its keys"):
            change()


@pytest.mark.parametrize("role", ROLES)
def test_clients_follow_a_new_key_of_any_role(repository: Repository, tmp_path: Path, role: str) -> None:
    give(repository, tmp_path, "1.0.0")
    client = Reference(repository.public, tmp_path / "client")
    client.targets(NAME.format("1.0.0"))
    [before] = repository.keys.held(role)
    assert rotate(repository, role).waiting == ()
    [after] = repository.keys.held(role)
    assert before.public != after.public
    give(repository, tmp_path, "1.1.0")
    newcomer = Reference(repository.public, tmp_path / "newcomer")
    for each in (client, newcomer):
        assert all(each.targets(NAME.format("1.0.0"), NAME.format("1.1.0"), "fleet/desired.json").values())


@pytest.mark.parametrize("role", [SNAPSHOT, TIMESTAMP, FLEET, MODELS])
def test_a_lost_online_key_is_replaced(repository: Repository, tmp_path: Path, role: str) -> None:
    give(repository, tmp_path, "1.0.0")
    client = Reference(repository.public, tmp_path / "client")
    client.targets()
    [lost] = repository.keys.held(role)
    lost.path.unlink()
    if role in (SNAPSHOT, TIMESTAMP):
        with pytest.raises(TrainerError, match=f"'enigma release rotate {role}'"):
            give(repository, tmp_path, "1.1.0")
    rotate(repository, role)
    give(repository, tmp_path, "1.1.0")
    assert all(client.targets(NAME.format("1.0.0"), NAME.format("1.1.0"), "fleet/desired.json").values())


Change = Callable[[Repository, Path], object]
CHANGES: dict[str, Change] = {
    "publish": lambda repository, folder: give(repository, folder, "1.1.0", "1.2.0"),
    # The key of fleet is named where that of models is, and those of root and timestamp where that of snapshot is.
    "rotate targets": lambda repository, folder: rotate(repository, TARGETS),
    "rotate snapshot": lambda repository, folder: rotate(repository, SNAPSHOT),
    "rotate models": lambda repository, folder: rotate(repository, MODELS),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_kill_between_any_two_writes_leaves_what_clients_take(
    tmp_path: Path, clock: Clock, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each rename and each removal of a file, as a kill then would leave them: every such state is tried."""
    home = tmp_path / "home"
    repository = made(home, clock)
    give(repository, tmp_path, "1.0.0")
    client = Reference(repository.public, tmp_path / "client")
    client.targets()
    states: list[Path] = []

    def recorded(name: str) -> None:
        original = getattr(Path, name)

        def step(self: Path, *arguments: object, **options: object) -> object:
            done = original(self, *arguments, **options)
            if home in self.parents and not self.name.startswith(".deltas-"):
                states.append(tmp_path / f"state-{len(states)}")
                shutil.copytree(home, states[-1])
            return done

        monkeypatch.setattr(Path, name, step)

    recorded("replace")
    recorded("unlink")
    CHANGES[change](repository, tmp_path)
    monkeypatch.undo()
    assert len(states) > 2
    for state in states:
        found = client.forked(state / "updates" / "repository", state / "client").targets(NAME.format("1.0.0"))
        assert found[NAME.format("1.0.0")]
    for state in states[::2]:
        again = opened(state, clock)
        again.refresh()
        if state is states[len(states) // 4 * 2]:
            CHANGES[change](again, tmp_path)
        after = client.forked(again.public, state / "after")
        assert after.targets(NAME.format("1.0.0"), "fleet/desired.json")[NAME.format("1.0.0")]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
