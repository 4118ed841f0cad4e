"""A conversation with a language model: on a device, out of a bundle, or of a run; and the conversation as a file."""

from __future__ import annotations

import contextlib
import http.client
import json
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from trainer_host.errors import NotThere, TrainerError
from trainer_host.workspace import Workspace, storage_errors, write_atomic

if TYPE_CHECKING:
    from edge_runtime.tasks import Specialist

Message = dict[str, str]
Answer = Callable[[Sequence[Message]], Generator[str, None, None]]  # the text of an answer as it comes
ANSWER_SECONDS = 60.0  # without a word; a device that is stuck must not hold the terminal


class Thought(str):
    """A piece of what is thought before an answer, and no part of it."""


@dataclass(frozen=True)
class Wishes:
    """How answers are drawn. thoughts: whether a chain of thought is given too, as pieces that are `Thought`."""

    temperature: float = 0.0
    max_tokens: int | None = None
    seed: int | None = None
    thoughts: bool = False


def on_device(url: str, token: str | None, specialist: str | None, wishes: Wishes) -> tuple[str, Answer]:
    """(the model's name, how it answers) of a device; raises `TrainerError` where it has no language model."""
    with _request(url, token, "GET", "/v1/models", None) as response:
        names = [str(item.get("id")) for item in json.loads(response.read()).get("data", [])]
    if not names or (specialist is not None and specialist not in names):
        raise NotThere(f"The device has no language model{f' {specialist!r}' if specialist else ''}; push one.")
    name = specialist or names[0]

    def answer(messages: Sequence[Message]) -> Generator[str, None, None]:
        asked = {"model": name, "messages": list(messages), "stream": True, "temperature": wishes.temperature}
        asked |= {"max_tokens": wishes.max_tokens, "seed": wishes.seed}
        if wishes.thoughts:
            asked["include_reasoning"] = True
        with _request(url, token, "POST", "/v1/chat/completions", asked) as response:
            for line in response:
                data = line.decode("utf-8").strip().removeprefix("data: ")
                if data == "[DONE]":
                    return
                if not data:
                    continue
                event = json.loads(data)
                if "error" in event:
                    raise TrainerError(str(event["error"].get("message")))
                for choice in event.get("choices", []):
                    if thought := choice["delta"].get("reasoning_content"):
                        yield Thought(thought)
                    if text := choice["delta"].get("content"):
                        yield str(text)

    return name, answer


@contextmanager
def in_bundle(path: Path, wishes: Wishes) -> Iterator[tuple[str, Answer]]:
    """The same of a bundle's file, which is loaded here as a device would."""
    from edge_runtime.bundle import read_envelope, unpack_bundle
    from edge_runtime.bundle.unpack import check_payload
    from edge_runtime.engines import available_runtimes
    from edge_runtime.update.admit import admit

    if not path.is_file():
        raise NotThere(f"There is no bundle {path}.")
    with path.open("rb") as source:
        envelope = read_envelope(source)
        check_payload(source, envelope)
    with tempfile.TemporaryDirectory(prefix="enigma-chat-") as name:
        folder = Path(name)
        manifest = unpack_bundle(path, envelope, folder)
        loaded = admit(manifest, envelope.digest, folder, 1, tuple(available_runtimes()))
        try:
            yield manifest.name, _local(loaded.specialist, wishes)
        finally:
            loaded.engine.close()


@contextmanager
def of_run(workspace: Workspace, name: str, wishes: Wishes) -> Iterator[tuple[str, Answer]]:
    """The same of an exported run."""
    from trainer_host.compress.files import exported
    from trainer_host.compress.gate import loaded
    from trainer_host.students import student_of
    from trainer_host.training.run import open_run

    run = open_run(workspace.run(name))
    item = min(exported(run), key=lambda file: file.bytes)
    with loaded(run, student_of(run), item, item.runtimes[0]) as specialist:
        yield name, _local(specialist, wishes)


def _local(specialist: Specialist, wishes: Wishes) -> Answer:
    from edge_runtime.language.sampling import Sampling

    language = getattr(specialist, "language", None)
    if language is None:
        raise TrainerError("This isn't a language model; ask it with 'enigma ask'.")
    sampling = Sampling(temperature=wishes.temperature, seed=wishes.seed)

    def answer(messages: Sequence[Message]) -> Generator[str, None, None]:
        for piece in language.stream(messages, sampling=sampling, max_tokens=wishes.max_tokens):
            if piece.thought and wishes.thoughts:
                yield Thought(piece.thought)
            if piece.text:
                yield piece.text

    return answer


@contextmanager
def _request(
    url: str, token: str | None, method: str, path: str, body: dict[str, object] | None
) -> Iterator[http.client.HTTPResponse]:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        with contextlib.closing(kind(parts.hostname or "", parts.port, timeout=ANSWER_SECONDS)) as connection:
            connection.request(method, path, None if body is None else json.dumps(body).encode(), headers)
            response = connection.getresponse()
            if response.status != 200:
                raise TrainerError(_message(response))
            yield response
    except (OSError, http.client.HTTPException, ValueError) as cause:
        raise TrainerError(f"{url} can't be reached ({cause}); check that the device runs.") from None


def _message(response: http.client.HTTPResponse) -> str:
    try:
        return str(json.loads(response.read())["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"The device answered with HTTP status {response.status}."


def save(path: Path, model: str, messages: Sequence[Message]) -> None:
    """Write a conversation as Markdown (.md) or JSON (.json); raises `TrainerError` for another suffix."""
    if path.suffix == ".json":
        content = json.dumps({"model": model, "messages": list(messages)}, ensure_ascii=False, indent=1) + "\n"
    elif path.suffix == ".md":
        content = f"# Conversation with {model}\n" + "".join(
            f"\n**{message['role']}**\n\n{_quoted(message['content'])}\n" for message in messages
        )
    else:
        raise TrainerError("A conversation is saved as .md or .json; name such a file.")
    with storage_errors(path):
        write_atomic(path.absolute(), content.encode("utf-8"))


def _quoted(text: str) -> str:
    """As a quotation, so that no heading or fence in a message changes what is around it."""
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines() or [""])
