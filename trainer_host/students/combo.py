"""The student of several tasks at once: a combo, or the all-in-one; see `trainer_host.students.language`."""

from __future__ import annotations

from trainer_host.students.language.student import LanguageStudent

STUDENT = LanguageStudent("combo")
