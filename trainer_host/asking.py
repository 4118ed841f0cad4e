"""Requests to a specialist and its answers, in the words of a person, for each task."""

from __future__ import annotations

from trainer_host.data.dataset import Json
from trainer_host.errors import DataError

# Tasks whose answers a language model writes: where the answer stands.
WRITTEN = {"chat": "reply", "code": "code", "math": "answer"}


def make_request(
    task: str, text: str, area: str | None = None, inventory: Json | None = None, inner: str | None = None
) -> Json:
    """The request of a task for one sentence; raises `DataError` for what the task doesn't take.

    A robot's home is the sample home where none is given. inner: which of a combo's tasks is meant.
    """
    if task == "combo":
        if inner is None:
            raise DataError("This specialist has several tasks; say which one, as in --task math.")
        return {"task": inner, "request": make_request(inner, text, area, inventory)}
    if inner not in (None, task):
        raise DataError(f"This specialist has the task {task}; leave out --task {str(inner)[:40]}.")
    if task == "robot":
        if inventory is None:
            from trainer_host.evaluation import sample_home

            inventory = sample_home()
        request: Json = {"text": text, "inventory": inventory}
        if area is not None:
            areas = inventory.get("areas")
            ids = [str(item.get("id")) for item in areas if isinstance(item, dict)] if isinstance(areas, list) else []
            if area not in ids:
                raise DataError(f"The home has no area '{area[:40]}'; it has {', '.join(ids) or 'none'}.")
            request["context"] = {"area": area}
        return request
    if area is not None or inventory is not None:
        raise DataError(f"The task {task} has no home; leave out the area and the inventory.")
    if task == "code":
        first, _, last = text.rpartition("\n")
        return {"prompt": first, "signature": last} if last.strip().startswith("def ") and first else {"prompt": text}
    return {"text": text}


def describe(task: str, answer: Json) -> str:
    """What the specialist would do, in one or a few lines."""
    if task == "robot":
        calls = answer.get("calls")
        lines = [_call(call) for call in calls] if isinstance(calls, list) else []
        if question := answer.get("question"):
            lines.append(str(question))
        return "\n".join(lines) or "nothing"
    if task == "avatar":
        chosen = [str(answer.get(head)) for head in ("intensity", "emotion", "gesture", "gaze")]
        return f"{chosen[0]} {chosen[1]}, gesture {chosen[2]}, looks {chosen[3]}" + (
            " (unsure)" if answer.get("unsure") else ""
        )
    task = str(answer.get("task", task))  # of a combo's answer
    if task in WRITTEN:
        said = str(answer.get(WRITTEN[task]))
        return f"unsure ({said}?)" if answer.get("unsure") else said
    label = str(answer.get("label"))
    return f"unsure ({label}?)" if answer.get("unsure") else label


def figures(answer: Json) -> tuple[str, str]:
    """Confidence and milliseconds of an answer."""
    confidence, took = answer.get("confidence"), answer.get("ms")
    if isinstance(confidence, dict):  # one per choice: an answer is as sure as its least sure part
        confidence = min(confidence.values(), default=None)
    return (
        f"{confidence:.2f}" if isinstance(confidence, int | float) else "",
        f"{took:.1f} ms" if isinstance(took, int | float) else "",
    )


def _call(call: object) -> str:
    if not isinstance(call, dict):
        return str(call)
    arguments = call.get("arguments") or {}
    shown = ", ".join(f"{key}={value}" for key, value in arguments.items()) if isinstance(arguments, dict) else ""
    targets = ", ".join(map(str, call.get("targets") or [])) or "no target"
    return f"{call.get('name')}({shown}) -> {targets}" if shown else f"{call.get('name')} -> {targets}"
