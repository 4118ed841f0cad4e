"""The student of the task image_gen: a language model that writes plans, see `edge_runtime.tasks.image_gen`."""

from __future__ import annotations

from trainer_host.students.programs import PractisingStudent

# Packed rows per step. Plans are short and mostly copied from the prompt; half as large steps are twice as many, and a
# model finds by steps, not by tokens, that it is to copy.
ROWS_A_STEP = 8

STUDENT = PractisingStudent("image_gen", ROWS_A_STEP)
