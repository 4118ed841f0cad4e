"""The student of the task chat: a language model, see `trainer_host.students.language`."""

from __future__ import annotations

from trainer_host.students.writing import WritingStudent

# Of a few thousand short rows, more and smaller steps learn more than the usual 16 rows a step.
STUDENT = WritingStudent("chat", rows=4, most=6000, epochs=4.8)
