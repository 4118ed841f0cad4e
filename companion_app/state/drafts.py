"""What is typed and not sent yet, by the name of its field: screens are built anew where the language changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# More fields than the app has at a time; the oldest go.
MAX_DRAFTS = 200


@dataclass(frozen=True)
class Drafted:
    """A field holds this text now; an empty one is forgotten. Secrets are never drafts."""

    name: str
    text: str


DraftAction = Drafted


def reduce_drafts(action: DraftAction, drafts: Mapping[str, str]) -> Mapping[str, str]:
    """What is typed after an action; the same object if nothing changed."""
    if drafts.get(action.name, "") == action.text:
        return drafts
    others = [(name, text) for name, text in drafts.items() if name != action.name]
    return dict([*others, (action.name, action.text)][-MAX_DRAFTS:]) if action.text else dict(others)
