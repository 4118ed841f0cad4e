"""What is typed and not sent yet, by the name of its field: screens are built anew where the language changes, and
when they were long out of sight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# More fields than the app has at a time; the oldest go.
MAX_DRAFTS = 200


@dataclass(frozen=True)
class Drafted:
    """A field holds this text now; an empty one is forgotten, but where it is emptied of what the state has. Secrets are
    never drafts."""

    name: str
    text: str
    emptied: bool = False


DraftAction = Drafted


def reduce_drafts(action: DraftAction, drafts: Mapping[str, str]) -> Mapping[str, str]:
    """What is typed after an action; the same object if nothing changed."""
    kept = action.text if action.text or action.emptied else None
    if drafts.get(action.name) == kept:
        return drafts
    others = [(name, text) for name, text in drafts.items() if name != action.name]
    return dict([*others, (action.name, kept)][-MAX_DRAFTS:]) if kept is not None else dict(others)
