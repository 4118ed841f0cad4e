"""The student of the task base: a language model of plain texts, see `trainer_host.students.language.base`."""

from __future__ import annotations

from trainer_host.students.language.base import BaseStudent

STUDENT = BaseStudent()
