"""The student of the task video_gen: a language model that writes plans, see `edge_runtime.tasks.video_gen`."""

from __future__ import annotations

from trainer_host.students.image_gen import ROWS_A_STEP
from trainer_host.students.programs import PractisingStudent
from trainer_host.tasks.video_gen import practice

STUDENT = PractisingStudent("video_gen", ROWS_A_STEP, practice)
