"""The student of the task image_gen: a language model that writes plans, see `edge_runtime.tasks.image_gen`."""

from __future__ import annotations

from trainer_host.students.language.student import LanguageStudent

STUDENT = LanguageStudent("image_gen")
