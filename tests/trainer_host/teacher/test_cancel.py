"""`give` with `cancel`: another thread ends a lesson, its requests and its processes."""

from __future__ import annotations

import gc
import threading
import time

import pytest

from trainer_host.teacher.generate import Tally
from trainer_host.teacher.lesson import Lesson, recall
from trainer_host.teacher.teach import Cancelled, give
from trainer_host.workspace import Workspace

LESSON = Lesson("mine", ("avatar", "router"), 400, "built-in")


def test_a_lesson_that_is_cancelled_before_it_begins_makes_nothing_and_stays_open(workspace: Workspace) -> None:
    cancel, heard = threading.Event(), []
    cancel.set()
    with pytest.raises(Cancelled, match="what was answered is kept"):
        give(workspace, LESSON, None, on_task=lambda task, tally: heard.append(task), cancel=cancel)
    assert heard == [] and not workspace.data.exists()
    assert recall(workspace, "mine").state == "open"


def test_a_running_lesson_ends_soon_and_leaves_the_datasets_that_it_had(
    workspace: Workspace, recwarn: pytest.WarningsRecorder
) -> None:
    cancel, at = threading.Event(), []

    def on_task(task: str, tally: Tally) -> None:
        if task == "router" and not at:
            at.append(time.monotonic())
            cancel.set()

    with pytest.raises(Cancelled):
        give(workspace, LESSON, None, on_task=on_task, cancel=cancel)
    gc.collect()
    assert not [one for one in recwarn if "never awaited" in str(one.message)]
    assert time.monotonic() - at[0] < 60  # a fraction of a second on an idle machine
    assert "mine-avatar" in workspace.names(workspace.data)  # the other one's may be done within the tenth of a second


def test_a_lesson_that_nobody_cancels_is_as_without(workspace: Workspace) -> None:
    small = Lesson("small", ("avatar",), 20, "built-in")
    result = give(workspace, small, None, cancel=threading.Event())
    assert result.taught[0].tally.accepted == 20 and recall(workspace, "small").state == "done"
