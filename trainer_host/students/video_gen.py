"""The student of the task video_gen: a language model that writes plans, see `edge_runtime.tasks.video_gen`."""

from __future__ import annotations

from trainer_host.students.image_gen import Planner

STUDENT = Planner("video_gen")
