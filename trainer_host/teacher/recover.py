"""Logs the calls of processes that ended before they could: each once, whenever this one ends itself.

The cache holds what is to be logged, committed before the request was sent, and again with its reply. So after a
kill -9 no call is missing from the audit log or from what a lesson has spent: one whose reply was kept is logged as it
was, one that was under way as "lost", at its worst case, for the provider may have billed it.
"""

from __future__ import annotations

from dataclasses import replace

from trainer_host.teacher.audit import AuditLog, entries_since
from trainer_host.teacher.cache import ReplyCache
from trainer_host.teacher.calls import from_text


def recover(cache: ReplyCache, audit: AuditLog) -> int:
    """Log what is left over; returns how many calls were. Raises `TrainerError` where the log can't be written."""
    with cache.left_over() as texts:
        calls = [call for call in map(from_text, texts) if call is not None]
        if not calls:
            return 0
        # A process may have ended between the log and the cache.
        since = min(call.time for call in calls)
        known = {(entry.call.time, entry.call.request) for entry in entries_since(audit.path, since)}
        new = [replace(call, recovered=True) for call in calls if (call.time, call.request) not in known]
        audit.record(*new)
    return len(new)
