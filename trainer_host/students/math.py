"""The student of the task math: a language model, see `trainer_host.students.language`."""

from __future__ import annotations

from trainer_host.students.language.student import LanguageStudent

STUDENT = LanguageStudent("math")
