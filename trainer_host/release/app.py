"""Publishes the companion itself in the update repository: one target per platform, of which the newest version stays.

Its name, `models/apps/companion-<platform>`, puts it under the keys that sign specialists.
"""

from __future__ import annotations

import re
from pathlib import Path

from trainer_host.errors import TrainerError
from trainer_host.release.repository import Repository
from trainer_host.release.settle import Done

PLATFORMS = ("linux-x86_64", "linux-aarch64", "windows-x86_64", "macos-arm64", "macos-x86_64", "android")
_VERSION = re.compile(r"\d{1,4}(\.\d{1,6}){1,3}")
MAX_BYTES = 512 * 2**20  # what a companion takes


def target_of(platform: str) -> str:
    """The name under which an app is published."""
    return f"models/apps/companion-{platform}"


def publish_app(repository: Repository, file: Path, *, platform: str, version: str) -> Done:
    """Publish a packaged companion; an older one of the platform goes.

    Raises `TrainerError` for what is no version or platform, and for a version that isn't newer.
    """
    if platform not in PLATFORMS:
        raise TrainerError(f"A platform is one of {', '.join(PLATFORMS)}, not '{platform[:40]}'.")
    if not _VERSION.fullmatch(version):
        raise TrainerError(f"A version is numbers with dots, as in 0.2.0, not '{version[:40]}'.")
    try:
        size = file.stat().st_size
    except OSError as cause:
        raise TrainerError(f"{file} can't be read: {cause.strerror}.") from None
    if not 0 < size <= MAX_BYTES:
        raise TrainerError(f"{file.name} has {size:,} bytes; at most {MAX_BYTES // 2**20} MB can be published.")
    name, custom = target_of(platform), {"kind": "app", "app": "companion", "platform": platform, "version": version}
    before = repository.targets().get(name)
    if before is not None:
        if number(version) <= number(str(before.custom.get("version"))):
            raise TrainerError(
                f"Version {before.custom.get('version')} is published for {platform}; the new one must be newer."
            )
        # A name stands for one content, so the old one goes first; in between companions find nothing new.
        repository.publish({}, [name])
    return repository.publish({name: (file, {**custom, "file": file.name})})


def number(version: str) -> tuple[int, ...]:
    """A version to compare with others; the lowest where it is none."""
    return tuple(int(part) for part in version.split(".")) if _VERSION.fullmatch(version) else ()
