"""Requests to a specialist and its answers, in the words of a person, for each task."""

from __future__ import annotations

import base64
import binascii
import itertools
import mimetypes
from pathlib import Path
from typing import TypeGuard

from edge_runtime.media import Media
from trainer_host.data.dataset import Json
from trainer_host.errors import DataError, TrainerError

# Tasks whose answers a language model writes: where the answer stands.
WRITTEN = {"chat": "reply", "code": "code", "math": "answer", "base": "text"}
MADE = ("image_gen", "video_gen", "audio_gen", "3d_gen")  # tasks whose answer is a file
MAX_FILE = 32 * 2**20
_ENDINGS = {
    "image/png": ".png",
    "image/apng": ".png",
    "image/gif": ".gif",
    "audio/wav": ".wav",
    "model/gltf-binary": ".glb",
}


def make_request(
    task: str,
    text: str,
    area: str | None = None,
    inventory: Json | None = None,
    inner: str | None = None,
    file: Path | None = None,
) -> Json:
    """The request of a task for one sentence; raises `DataError` for what the task doesn't take.

    A robot's home is the sample home where none is given. inner: which of a combo's tasks, or of several heads that look at pictures, is
    meant. file: a picture that is asked about, or that actions go on from, with commas
    between them; of those a film or a folder of numbered pictures, too.
    """
    if task == "vision":
        if file is None:
            raise DataError("This specialist looks at pictures; name one with --file.")
        return {
            "image": read_picture(file),
            **({"question": text} if text else {}),
            **({"head": inner} if inner else {}),
        }
    if task == "video_gen" and file is not None:
        if not text.strip():
            raise DataError('Say what is done, as in: enigma ask SPECIALIST "forward, left" --file frame.png.')
        seen = _frames_in(file) if file.is_dir() else [read_picture(file)]
        before: Json = {"before": seen[:-1]} if seen[:-1] else {}
        return {**before, "image": seen[-1], "actions": [action.strip() for action in text.split(",")]}
    if file is not None:
        raise DataError(f"The task {task} takes no file; leave out --file.")
    if not text.strip():
        raise DataError('Say what to ask, as in: enigma ask SPECIALIST "...".')
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
    if task in MADE:
        return {"prompt": text}
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
    doubt = " (unsure)" if answer.get("unsure") else ""
    if task == "game":
        return f"{answer.get('action')}{doubt}"
    if task in MADE:
        kinds = [str(value["content_type"]) for value in answer.values() if _is_file(value)]
        if doubt and answer.get("problem"):
            doubt = f" (unsure: {answer['problem']})"
        return f"a file of {kinds[0]}{doubt}" if kinds else f"nothing{doubt}"
    if task == "vision" and "answer" in answer:
        strange = answer.get("unknown")
        known = (
            f" (unsure; never heard: {', '.join(map(str, strange))})"
            if isinstance(strange, list) and strange
            else doubt
        )
        return f"{answer['answer']}{known}"
    heads = answer.get("heads")
    if task == "vision" and isinstance(heads, dict):
        return "\n".join(f"{name}: {describe(task, one)}" for name, one in heads.items() if isinstance(one, dict))
    objects = answer.get("objects")
    if task == "vision" and isinstance(objects, list):
        seen = [str(item.get("label")) for item in objects if isinstance(item, dict)]
        counted = [f"{seen.count(label)} {label}" for label in dict.fromkeys(seen)]
        return (", ".join(counted) or "nothing known") + doubt
    if task in WRITTEN:
        said = str(answer.get(WRITTEN[task]))
        steps = answer.get("steps")
        told = f"unsure ({said}?)" if answer.get("unsure") else said
        return "\n".join([*map(str, steps), told]) if isinstance(steps, list) else told
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


def sureness(answer: Json) -> str:
    """Confidence and milliseconds as a line says them: "sure 0.97, 1.2 ms"; one that an answer hasn't, as a made picture, isn't named."""
    confidence, took = figures(answer)
    return ", ".join(part for part in (f"sure {confidence}" if confidence else "", took) if part)


def save_files(answer: Json, name: str, out: Path | None) -> list[Path]:
    """Write the files of an answer, and say in it where instead of what they hold; returns where they are.

    out: the path of the first one; else NAME-1, NAME-2 ... in this folder, the first that is free. Raises
    `TrainerError`.
    """
    written: list[Path] = []
    for key, value in answer.items():
        if not _is_file(value):
            continue
        try:
            content = base64.b64decode(str(value["base64"]), validate=True)
        except (binascii.Error, ValueError):
            raise TrainerError("The device's answer holds a file that can't be read; ask again.") from None
        path = out if out is not None and not written else _free(name, str(value["content_type"]))
        try:
            path.write_bytes(content)
        except OSError as cause:
            raise TrainerError(f"{path} can't be written: {cause.strerror}; name another place with --out.") from None
        answer[key] = {"content_type": value["content_type"], "file": str(path)}
        written.append(path)
    return written


def _is_file(value: object) -> TypeGuard[Json]:
    return isinstance(value, dict) and {"content_type", "base64"} <= value.keys()


def _free(name: str, content_type: str) -> Path:
    ending = _ENDINGS.get(content_type, ".bin")
    return next(path for number in itertools.count(1) if not (path := Path(f"{name}-{number}{ending}")).exists())


def read_picture(path: Path) -> Media:
    """A picture file for a request; raises `DataError`."""
    try:
        if path.stat().st_size > MAX_FILE:
            raise DataError(f"{path} is larger than {MAX_FILE // 2**20} MB; make it smaller.")
        content = path.read_bytes()
    except OSError as cause:
        raise DataError(f"{path} can't be read: {cause.strerror}.") from None
    return Media(mimetypes.guess_type(path.name)[0] or "image/png", content)


def _frames_in(folder: Path) -> list[Media]:
    """The last pictures of a folder, as many as are looked at; raises `DataError` where there are none."""
    from edge_runtime.tasks.next_frame import MAX_BEFORE

    pictures = [path for path in folder.iterdir() if path.suffix.lower() == ".png" and path.stem.isdecimal()]
    if not pictures:
        raise DataError(f"{folder} has no numbered pictures, as 000001.png.")
    pictures.sort(key=lambda path: int(path.stem))
    return [read_picture(path) for path in pictures[-1 - MAX_BEFORE :]]


def _call(call: object) -> str:
    if not isinstance(call, dict):
        return str(call)
    arguments = call.get("arguments") or {}
    shown = ", ".join(f"{key}={value}" for key, value in arguments.items()) if isinstance(arguments, dict) else ""
    targets = ", ".join(map(str, call.get("targets") or [])) or "no target"
    return f"{call.get('name')}({shown}) -> {targets}" if shown else f"{call.get('name')} -> {targets}"
