"""Texts that a specialist was unsure about, kept for a teacher or a person where the device's owner says so.

They lie in the state folder, one JSON object a line, so that they are there again after a restart. Nothing is synced: a power
cut may cost the latest ones, and a line that it cut is left out.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from edge_runtime.errors import EdgeError
from edge_runtime.update import disk

FILE_NAME = "unsure.jsonl"
MOST_CHARACTERS = 4000  # as many as a router reads
_MOST_BYTES = 64 * 2**20  # 4096 texts of 4,000 characters with scores of 64 labels; what is longer isn't ours
Json = dict[str, object]
_log = logging.getLogger(__name__)


class Doubts:
    """The latest ones. most: how many are kept of all specialists together; none where it is 0."""

    def __init__(self, state: Path, most: int) -> None:
        self._path = state / FILE_NAME
        self._most = most
        # By specialist and text: what is asked again is kept once, with its latest answer.
        self._kept: dict[tuple[str, str], Json] = {}
        self._lines = 0
        if most:
            self._read()

    def keep(self, specialist: str, request: Json, answer: Json) -> None:
        """Keep a request of one text whose answer is unsure and has scores; others teach no label."""
        text, confidence, scores = request.get("text"), answer.get("confidence"), answer.get("scores")
        wanted = self._most and answer.get("unsure") is True and request.keys() == {"text"}
        if not wanted or not isinstance(text, str) or len(text) > MOST_CHARACTERS or not isinstance(scores, dict):
            return
        entry: Json = {"specialist": specialist, "text": text, "confidence": confidence, "scores": scores}
        self._add(entry)
        try:
            if self._lines < 2 * self._most:
                with self._path.open("a", encoding="utf-8") as out:
                    self._path.chmod(0o600)
                    out.write(json.dumps(entry, ensure_ascii=False) + "\n")
            else:
                self._rewrite()
        except (OSError, EdgeError) as cause:
            # Answering goes on where the disk is full; the text stays in memory.
            _log.warning("%s can't be written: %s", self._path, cause)

    def of(self, specialist: str) -> list[Json]:
        """What is kept of one, the latest first."""
        return [
            {key: value for key, value in entry.items() if key != "specialist"}
            for (name, _), entry in reversed(self._kept.items())
            if name == specialist
        ]

    def forget(self, specialist: str) -> int:
        """Drop what is kept of one, as somebody has it now; how many they were. Raises `StateError`."""
        gone = [place for place in self._kept if place[0] == specialist]
        for place in gone:
            del self._kept[place]
        if gone:
            with disk.storage_errors(self._path.parent):
                self._rewrite()
        return len(gone)

    def _add(self, entry: Json) -> None:
        place = str(entry["specialist"]), str(entry["text"])
        self._kept.pop(place, None)
        self._kept[place] = entry
        self._lines += 1
        while len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]

    def _rewrite(self) -> None:
        lines = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in self._kept.values())
        disk.write_atomic(self._path, lines.encode("utf-8"))
        self._lines = len(self._kept)

    def _read(self) -> None:
        try:
            if self._path.stat().st_size > _MOST_BYTES:
                _log.warning("%s is too long to be read; it begins anew", self._path)
                self._path.unlink()
                return
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return
        for line in lines:
            try:
                entry = json.loads(line)
                if isinstance(entry["specialist"], str) and isinstance(entry["text"], str):
                    self._add(entry)
            except (ValueError, KeyError, TypeError, RecursionError):
                continue  # cut by a power cut
