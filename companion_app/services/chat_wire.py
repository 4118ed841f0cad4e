"""A chat with a device's or the host's model: its chunks as text, whoever writes them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping

from companion_app.i18n import tr
from companion_app.services.host_client import HostClient
from companion_app.services.wire import MAX_ITEMS, as_text
from companion_app.state.chat import HOST, Conversation, Model, history
from edge_runtime.client import DeviceClient

Json = dict[str, object]


def request(conversation: Conversation, number: int, model: Model) -> Json:
    """The body that asks a model for its answer to a turn."""
    return {"model": model.name, "messages": history(conversation, number), **conversation.knobs.request()}


def chunks(
    model: Model, body: Json, device: Callable[[str], DeviceClient], host: Callable[[], HostClient]
) -> AsyncGenerator[Json, None]:
    """What a model writes, as it comes; closing it early ends the writing."""
    return host().chat(body) if model.where == HOST else device(model.where).chat(body)


def words_of(chunk: Mapping[str, object]) -> tuple[str, str]:
    """(what was written, why it ended or "") of a chunk; other shapes than OpenAI's are nothing."""
    choices = chunk.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    delta = choice.get("delta")
    text = delta.get("content") if isinstance(delta, dict) else None
    finish = choice.get("finish_reason")
    return (text if isinstance(text, str) else ""), (finish if isinstance(finish, str) else "")


def writers_from(answer: Mapping[str, object]) -> tuple[Model, ...]:
    """The models that a host answers with."""
    found = answer.get("models")
    items = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    made = []
    for item in items[:MAX_ITEMS]:
        name, title = as_text(item.get("name")), as_text(item.get("title"))
        if name:
            made.append(Model(HOST, name, tr("{model} on the host", model=title or name)))
    return tuple(made)
