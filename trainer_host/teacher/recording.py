"""What the audit log gets to see of prompts and answers where somebody asked for it: no key, no personal data."""

from __future__ import annotations

from collections.abc import Iterable

from trainer_host.data.pii import Scrubber
from trainer_host.teacher.protocol import Key, Request, Secret
from trainer_host.teacher.scrub import without


class Recorder:
    """Makes texts fit for the log; the same person is the same placeholder in all of them."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        """secrets: no piece of them is in any text."""
        self._secrets = tuple(secrets)
        self._scrubber = Scrubber()

    def prompt(self, request: Request) -> str:
        """All turns of a request, each behind its role; of pictures their kinds and sizes."""
        turns = [f"[system] {request.system}"] if request.system else []
        for message in request.messages:
            pictures = [f"[{image.media_type}, {len(image.data)} bytes]" for image in message.images]
            turns.append(" ".join([f"[{message.role}]", *pictures, message.text]))
        return self._fit("\n".join(turns))

    def answer(self, text: str) -> str:
        """An answer."""
        return self._fit(text)

    def _fit(self, text: str) -> str:
        for secret in self._secrets:
            text = without(text, secret)
        return self._scrubber.text(text)


def recorder_for(keys: Iterable[Key], headers: Iterable[tuple[str, str]]) -> Recorder:
    """For an endpoint's keys and its own headers, whose values may be keys too."""
    return Recorder([*(key.secret for key in keys), *(Secret(value) for _, value in headers)])
