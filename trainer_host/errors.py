"""Errors of the host, each a sentence for a person."""

from __future__ import annotations


class TrainerError(Exception):
    """Base of the host's own errors; its text says what to do next.

    `exit_code` is what the command returns: 2 for something that the person can change in the command or its
    files, 1 where the command was right and the result isn't good enough.
    """

    exit_code = 2


class NameRefused(TrainerError):
    """A name for a dataset, run or specialist that can't be one."""


class NotThere(TrainerError):
    """A dataset, run, bundle or device that the home folder doesn't have."""


class DataError(TrainerError):
    """Rows that can't be imported, or a dataset that can't be used for this task."""


class ImportRefused(DataError):
    """A file of labelled rows has mistakes; `problems` holds (line, sentence), the text the first ones."""

    def __init__(self, message: str, problems: list[tuple[int, str]]) -> None:
        super().__init__(message)
        self.problems = problems


class ExportError(TrainerError):
    """A trained specialist can't be written as a model file that answers the same."""

    exit_code = 1


class GateRefused(TrainerError):
    """A model file is outside the gate, so there is no bundle; the text holds the whole table."""

    exit_code = 1


class KeysError(TrainerError):
    """An API key that can't be stored, found or opened."""


class AskFailed(TrainerError):
    """One request to a teacher failed for good; others may succeed. `reason` is a few words for the count."""

    exit_code = 1

    def __init__(self, message: str, reason: str = "provider error") -> None:
        super().__init__(message)
        self.reason = reason


class TeacherStopped(TrainerError):
    """No request to this teacher can succeed now; what was answered so far is kept."""

    exit_code = 1


class NoKeyLeft(TeacherStopped):
    """Every key of the provider was refused."""


class BudgetReached(TeacherStopped):
    """The next request could cost more than what is left of the budget."""
