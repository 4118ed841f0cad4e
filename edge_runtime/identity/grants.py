"""What a token is good for: a scope, and limits within it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest

# viewer: sees models, status, metrics and events. operator: asks specialists too. releaser: pushes bundles, goes back
# and removes too. owner: gives and takes tokens too.
SCOPES = ("viewer", "operator", "releaser", "owner")
MAX_ONLY = 32
MAX_NAME = 64
MAX_PER_MINUTE = 60_000
MAX_DAYS = 3650.0
DAY = 86_400.0


@dataclass(frozen=True)
class Grant:
    """scope: one of `SCOPES`. only: the specialists that may be asked, all where empty.

    per_minute: requests, any number where 0. until: seconds since 1970 at which it ends, never where 0.
    """

    scope: str
    only: tuple[str, ...] = ()
    per_minute: int = 0
    until: float = 0.0

    def covers(self, scope: str) -> bool:
        """Whether it reaches as far as a scope."""
        return SCOPES.index(self.scope) >= SCOPES.index(scope)

    def allows(self, specialist: str) -> bool:
        """Whether this specialist may be asked."""
        return not self.only or specialist in self.only

    def plain(self) -> dict[str, object]:
        """As JSON, without what isn't limited."""
        told: dict[str, object] = {"scope": self.scope}
        if self.only:
            told["only"] = list(self.only)
        if self.per_minute:
            told["per_minute"] = self.per_minute
        if self.until:
            told["until"] = self.until
        return told

    def __str__(self) -> str:
        limits = [f"only {', '.join(self.only)}"] if self.only else []
        if self.per_minute:
            limits.append(f"{self.per_minute} requests a minute")
        if self.until:
            limits.append(f"until {time.strftime('%Y-%m-%d %H:%M', time.localtime(self.until))}")
        return ", ".join([self.scope, *limits])


def grant(scope: str, only: tuple[str, ...] = (), per_minute: int = 0, days: float = 0.0) -> Grant:
    """A grant from what a person says; raises `BadRequest`. days: from now on, 0 for no end."""
    if not 0 <= days <= MAX_DAYS:
        raise BadRequest(f"A token lasts up to {MAX_DAYS:g} days; 0 means that it has no end.")
    return checked(Grant(scope, only, per_minute, round(time.time() + days * DAY, 3) if days else 0.0))


def checked(made: Grant) -> Grant:
    """The grant itself; raises `BadRequest` where it can't be one."""
    if made.scope not in SCOPES:
        raise BadRequest(f"A scope is {', '.join(SCOPES[:-1])} or {SCOPES[-1]}, not '{made.scope[:40]}'.")
    if len(made.only) > MAX_ONLY or not all(1 <= len(name) <= MAX_NAME and name.isprintable() for name in made.only):
        raise BadRequest(f"A token may be bound to up to {MAX_ONLY} specialists, each by its name.")
    if not 0 <= made.per_minute <= MAX_PER_MINUTE:
        raise BadRequest(f"A token takes 1 to {MAX_PER_MINUTE} requests a minute; 0 means any number.")
    if made.only and made.scope != "operator":
        raise BadRequest("Only an operator's token can be bound to some specialists; give it that scope.")
    return made


def read_grant(fields: Mapping[str, object]) -> Grant | None:
    """A grant out of a file or a request, None where it is malformed; raises `BadRequest` where it asks too much."""
    scope, only = fields.get("scope"), fields.get("only", [])
    per_minute, until = fields.get("per_minute", 0), fields.get("until", 0.0)
    if not isinstance(scope, str) or not isinstance(only, list) or not all(isinstance(name, str) for name in only):
        return None
    if not isinstance(per_minute, int) or isinstance(per_minute, bool) or not strict_json.is_number(until):
        return None
    return checked(Grant(scope, tuple(only), per_minute, float(until)))
