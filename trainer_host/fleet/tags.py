"""Tags that devices are given from here, beside those of their own configuration."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from edge_runtime.update.desired import MOST_TAGS, Where
from trainer_host.errors import TrainerError
from trainer_host.fleet.records import Device
from trainer_host.fleet.service import Fleet, check_where
from trainer_host.fleet.store import Store
from trainer_host.fleet.watching import tell
from trainer_host.release.repository import Repository
from trainer_host.workspace import Workspace


def give(store: Store, name: str, add: Sequence[str], remove: Sequence[str]) -> Device:
    """A device by its name or id with these tags more, and without those; raises `TrainerError`.

    Call `settle` afterwards: whom an open rollout means may be others now.
    """
    check_where(Where(all=tuple(add)), ())
    with store.changing() as session:
        device = session.device(name)
        if missing := [one for one in remove if one not in device.given]:
            own = missing[0] in device.tags
            raise TrainerError(
                f"{device.name} has the tag '{missing[0][:64]}' in its own configuration; take it out there."
                if own
                else f"{device.name} wasn't given the tag '{missing[0][:64]}'."
            )
        given = tuple(dict.fromkeys([one for one in (*device.given, *add) if one not in remove]))
        if len(given) > MOST_TAGS:
            raise TrainerError(f"A device can be given at most {MOST_TAGS} tags.")
        session.give(device.id, given, time.time())
        return session.device(device.id)


def settle(workspace: Workspace, store: Store, repository: Callable[[], Repository]) -> None:
    """What devices read may have changed with a tag, or with one of them: publish it, log it, and tell of it. repository: asked for
    only where rollouts were begun."""
    with store.reading() as session:
        begun = session.next_number() > 1
    if begun:
        Fleet(store, repository()).publish()
    tell(workspace, store)
