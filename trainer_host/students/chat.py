"""The student of the task chat: a language model, see `trainer_host.students.language`."""

from __future__ import annotations

from trainer_host.students.language.student import LanguageStudent

# Of a few thousand short rows, more and smaller steps learn more than the usual 16 rows a step.
STUDENT = LanguageStudent("chat", rows=4)
