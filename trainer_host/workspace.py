"""The home folder of the host: where datasets, runs, bundles, keys and the first device's state lie."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trainer_host.errors import NameRefused, NotThere, TrainerError

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")  # a specialist's name in a bundle has the same form
_ALONE_SECONDS, _LOOK_SECONDS = 5.0, 0.05  # that another process is waited for, and between two looks


@dataclass(frozen=True)
class Workspace:
    """The folder of `--home`; its parts are made when something is written into them."""

    home: Path

    @property
    def data(self) -> Path:
        """Datasets, one folder each."""
        return self.home / "data"

    @property
    def runs(self) -> Path:
        """Trained specialists with their model files and gate reports, one folder each."""
        return self.home / "runs"

    @property
    def training(self) -> Path:
        """Checkpoints of trainings that aren't done, one folder each."""
        return self.home / "training"

    @property
    def bundles(self) -> Path:
        """Signed bundles."""
        return self.home / "bundles"

    @property
    def keys(self) -> Path:
        """The signing key and the tokens of paired devices; readable by their owner alone."""
        return self.home / "keys"

    @property
    def teacher(self) -> Path:
        """What teachers answered, what it cost, and the lessons that were begun."""
        return self.home / "teacher"

    @property
    def lessons(self) -> Path:
        """One file per lesson."""
        return self.teacher / "lessons"

    @property
    def device(self) -> Path:
        """The state folder of the device that `enigma quickstart` starts."""
        return self.home / "device"

    def dataset(self, name: str) -> Path:
        """The folder of a dataset; raises `NotThere` with the names that exist."""
        return _existing(self.data, checked_name(name), "dataset", "dataset.json", "enigma data import")

    def run(self, name: str) -> Path:
        """The folder of a run; raises `NotThere` with the names that exist."""
        return _existing(self.runs, checked_name(name), "run", "run.json", "enigma train")

    def names(self, folder: Path) -> list[str]:
        """What a part of the home folder holds."""
        return _names(folder)


def default_home() -> Path:
    """`ENIGMA_HOME`, else the platform's folder for user data."""
    if chosen := os.environ.get("ENIGMA_HOME"):
        return Path(chosen)
    from platformdirs import user_data_path

    return user_data_path("enigma", appauthor=False)


def checked_name(name: str) -> str:
    """The name itself, or `NameRefused`: names become folders, addresses and parts of a bundle."""
    if not _NAME.fullmatch(name):
        raise NameRefused(
            f"'{name[:80]}' can't be a name; use lower-case letters, digits and dashes, at most 64, "
            "starting with a letter or digit."
        )
    return name


def write_atomic(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace a file by this content; after a crash it is the old one or the new one."""
    part = path.with_name(f".{path.name}.{_random_name()}.part")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as cause:
        cause.filename = str(path)  # what a person knows
        raise
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def making(folder: Path) -> Iterator[Path]:
    """An empty folder that takes the place of `folder` where the block ends well, and else goes away.

    What a process left that was killed in such a block goes away too, once the same folder is made again.
    """
    import shutil  # here, since `enigma --help` imports this module

    with storage_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left in [path for path in folder.parent.iterdir() if _is_part(path.name, folder.name)]:
            if (lock := _locked(left, wait=False)) is not None:  # nobody makes it any more
                shutil.rmtree(left, ignore_errors=True)
                os.close(lock)
        while True:
            part = folder.with_name(f".{folder.name}.{_random_name()}.part")
            part.mkdir()
            lock = _locked(part, wait=True)
            if lock is None or part.exists():  # else it was taken for something left, before it was locked
                break
            os.close(lock)
        try:
            yield part
            if folder.exists():
                aside = folder.with_name(f".{folder.name}.{_random_name()}.old")
                folder.rename(aside)
                part.rename(folder)
                shutil.rmtree(aside, ignore_errors=True)
            else:
                part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
            if lock is not None:
                os.close(lock)


def _is_part(name: str, of: str) -> bool:
    return re.fullmatch(rf"\.{re.escape(of)}\.[0-9a-f]{{8}}\.part", name) is not None


def _locked(folder: Path, *, wait: bool) -> int | None:
    """A descriptor that keeps a folder locked until it is closed, or the process ends; None where that can't be."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        found = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # a file, or gone already
        return None
    try:
        fcntl.flock(found, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # another process has it, or this disk knows no locks
        os.close(found)
        return None
    return found


@contextlib.contextmanager
def alone(file: Path, refusal: str) -> Iterator[None]:
    """One process at a time in such a block; the file is made, and stays. Raises `TrainerError` with `refusal`.

    What a killed process began may hold it for a moment longer, and is waited for.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with storage_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        give_up = time.monotonic() + _ALONE_SECONDS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up:
                    raise TrainerError(refusal) from None
                time.sleep(_LOOK_SECONDS)
            except OSError:  # this disk knows no locks
                break
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Turn an `OSError` about files inside into one sentence."""
    try:
        yield
    except (
        PermissionError,
        NotADirectoryError,
        IsADirectoryError,
        FileExistsError,
        BlockingIOError,
    ) as cause:
        raise TrainerError(f"{cause.filename or folder} can't be used: {cause.strerror}.") from None
    except OSError as cause:
        if cause.errno is None:
            raise
        raise TrainerError(
            f"{cause.filename or folder} can't be written or read ({cause.strerror}); check the disk."
        ) from None


def _random_name() -> str:
    return os.urandom(4).hex()


def _existing(parent: Path, name: str, what: str, proof: str, command: str) -> Path:
    folder = parent / name
    if (folder / proof).is_file():
        return folder
    have = ", ".join(entry for entry in _names(parent) if (parent / entry / proof).is_file())
    advice = f"there are {have}" if have else f"make one with '{command}'"
    raise NotThere(f"There is no {what} '{name}' in {parent}; {advice}.")


def _names(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
