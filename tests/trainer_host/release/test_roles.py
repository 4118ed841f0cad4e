from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.trainer_host.release.updates import CHEAP, Clock
from trainer_host.errors import TrainerError
from trainer_host.release.repository import Repository
from trainer_host.release.roles import PASSPHRASE, ROOT, TARGETS, RoleKeys, opened_seed, read_key, write_key
from trainer_host.release.trust import Plan, create, rotate
from trainer_host.teacher.protocol import Secret


def asking(*answers: str) -> tuple[list[str], object]:
    """Someone who types these, and what they were asked."""
    asked: list[str] = []
    waiting = list(answers)

    def ask(prompt: str) -> Secret | None:
        asked.append(prompt)
        return Secret(waiting.pop(0)) if waiting else None

    return asked, ask


def test_a_sealed_key_opens_by_its_passphrase_alone_and_shows_none_of_its_seed(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    public = write_key(path, Secret("correct horse"), CHEAP).public
    key = read_key(path)
    assert (key.public, key.seed) == (public, None)
    seed = opened_seed(key, lambda prompt: Secret("correct horse"))
    assert seed.hex() not in path.read_text() and seed.hex() not in repr(key)
    with pytest.raises(TrainerError, match="passphrase is wrong"):
        opened_seed(key, lambda prompt: Secret("wrong horse"))
    with pytest.raises(TrainerError, match=f"set {PASSPHRASE}, or run this on a terminal"):
        opened_seed(key, lambda prompt: None)


def test_keys_lie_there_for_their_owner_alone(tmp_path: Path) -> None:
    keys = RoleKeys(tmp_path / "keys" / "release", lambda prompt: None, CHEAP)
    keys.new(ROOT)
    [key] = keys.held(ROOT)
    assert stat.S_IMODE(key.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.folder.stat().st_mode) == 0o700 == stat.S_IMODE(keys.folder.parent.stat().st_mode)
    key.path.chmod(0o640)
    with pytest.raises(TrainerError, match="can be read by others; run 'chmod 600"):
        keys.held(ROOT)


def test_a_key_file_is_never_written_over(tmp_path: Path) -> None:
    write_key(tmp_path / "phone.key", None)
    before = (tmp_path / "phone.key").read_bytes()
    with pytest.raises(TrainerError, match="never written over"):
        write_key(tmp_path / "phone.key", None)
    assert (tmp_path / "phone.key").read_bytes() == before


@pytest.mark.parametrize("how", ["empty", "cut", "other", "huge", "not text", "swapped"])
def test_a_damaged_key_is_told_of_in_one_sentence(tmp_path: Path, how: str) -> None:
    path, other = tmp_path / "a.key", tmp_path / "b.key"
    write_key(path, None)
    write_key(other, None)
    good = path.read_bytes()
    public = read_key(other).public.hex().encode()
    bad = {
        "empty": b"",
        "cut": good[:-10],
        "other": b'{"public":"00"}',
        "huge": good + b" " * 10_000,
        "not text": b"\xff\x00" * 50,
        "swapped": good.replace(read_key(path).public.hex().encode(), public),
    }
    path.write_bytes(bad[how])
    path.chmod(0o600)
    with pytest.raises(
        TrainerError, match=r"isn't a key of 'enigma release', or is damaged; restore it from a copy\.$"
    ):
        read_key(path)


def test_what_is_done_daily_asks_for_no_passphrase_and_what_is_rare_asks_once(tmp_path: Path) -> None:
    asked, ask = asking("correct horse", "correct horse")
    keys = RoleKeys(tmp_path / "keys" / "release", ask, CHEAP)  # type: ignore[arg-type]
    repository = Repository(tmp_path / "updates", keys, Clock())
    create(repository, Plan(), Secret("correct horse"))
    assert [key.seed for role in (ROOT, TARGETS) for key in keys.held(role)] == [None, None]
    assert asked == []  # it was just given

    asked, ask = asking("correct horse")
    keys = RoleKeys(tmp_path / "keys" / "release", ask, CHEAP)  # type: ignore[arg-type]
    repository = Repository(tmp_path / "updates", keys, Clock())
    (tmp_path / "file").write_bytes(b"model")
    repository.publish({"models/router/easy-1.0.0.enigma": (tmp_path / "file", {"kind": "bundle"})})
    repository.set_desired(())
    repository.refresh()
    assert asked == []
    rotate(repository, "timestamp")
    rotate(repository, "models")
    assert len(asked) == 1  # the root's, tried on targets too


def test_a_new_passphrase_seals_the_next_key_and_the_old_one_what_it_sealed(tmp_path: Path) -> None:
    folder = tmp_path / "keys" / "release"
    old, new = Secret("correct horse"), Secret("battery staple")
    create(Repository(tmp_path / "updates", RoleKeys(folder, lambda prompt: None, CHEAP), Clock()), Plan(), old)
    asked, ask = asking("correct horse")
    rotate(Repository(tmp_path / "updates", RoleKeys(folder, ask, CHEAP), Clock()), ROOT, secret=new)  # type: ignore[arg-type]
    assert len(asked) == 1
    asked, ask = asking("battery staple", "correct horse")
    rotate(Repository(tmp_path / "updates", RoleKeys(folder, ask, CHEAP), Clock()), TARGETS, secret=new)  # type: ignore[arg-type]
    assert len(asked) == 2
    asked, ask = asking("correct horse")
    with pytest.raises(TrainerError, match="passphrase is wrong"):
        rotate(Repository(tmp_path / "updates", RoleKeys(folder, ask, CHEAP), Clock()), "fleet")  # type: ignore[arg-type]
