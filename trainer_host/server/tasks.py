"""The tasks as a person chooses among them: titles, and sets that are chosen at once."""

from __future__ import annotations

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from trainer_host.server.fields import Json
from trainer_host.tasks import TASKS
from trainer_host.workspace import Workspace

TITLES = {
    "chat": "Chat",
    "code": "Code",
    "vision": "Vision",
    "avatar": "Avatar",
    "image_gen": "Images",
    "audio_gen": "Audio",
    "video_gen": "Video",
    "3d_gen": "3D models",
    "game": "Games",
    "robot": "Robot",
    "math": "Maths",
    "router": "Router",
}
# As docs/host-api.md lists them.
PRESETS: dict[str, tuple[str, ...]] = {
    "all": TASKS,
    "basic": ("chat", "code", "math", "router"),
    "creative": ("avatar", "image_gen", "audio_gen", "video_gen", "3d_gen", "game"),
    "none": (),
}


def tasks_answer(workspace: Workspace) -> Json:
    """What GET /v1/tasks says. trained: whether this host has a specialist of the task."""
    trained = trained_tasks(workspace)
    return {
        "tasks": [{"name": task, "title": TITLES[task], "trained": task in trained} for task in TASKS],
        "presets": {name: list(tasks) for name, tasks in PRESETS.items()},
    }


def trained_tasks(workspace: Workspace) -> set[str]:
    """The tasks of the runs in the home folder; only their cards are read."""
    found: set[str] = set()
    for name in workspace.names(workspace.runs):
        try:
            card = strict_json.loads_object((workspace.runs / name / "run.json").read_bytes())
        except (OSError, BadRequest):
            continue  # being written, or damaged: the commands that use it say so
        found.add(str(card.get("task")))
    return found
