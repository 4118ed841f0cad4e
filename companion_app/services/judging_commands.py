"""How runs compare in figures, and what people preferred, taught to one; each command reports through the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from companion_app.i18n import tr
from companion_app.services.host_client import HostClient, HostError
from companion_app.services.train_client import TrainClient
from companion_app.services.train_wire import exam_from, job_from
from companion_app.services.work import Work
from companion_app.state import actions as act
from companion_app.state import train_actions as tact
from companion_app.state.store import Store
from companion_app.state.training import Exam

LOOK_SECONDS = 0.5  # so often a host is asked how far its exam is
MISSED = 20  # looks in a row without an answer: a host that begins again takes seconds


class JudgingCommands:
    """Owns the calls that are under way."""

    def __init__(self, store: Store, client: Callable[[], HostClient]) -> None:
        self._store = store
        self._client = client
        self._work = Work(lambda sentence: store.dispatch(act.Noticed(sentence)))

    async def close(self) -> None:
        """End every call; what the host has begun goes on."""
        await self._work.close()

    def examine(self, one: str, other: str) -> None:
        """Examine two runs on the same held-out rows."""
        if self._store.state.training.exam.busy:
            return
        if not one or not other or one == other:
            self._tell(Exam(problem=tr("Choose two different runs.")))
            return
        exam = Exam((one, other), busy=True)
        self._tell(exam)
        self._work.begin(self._examine(exam))

    def end_exam(self) -> None:
        """End the exam that is under way."""
        exam = self._store.state.training.exam
        if exam.busy and exam.id:
            self._work.begin(self._end_exam(exam))

    def tune(self, run: str, name: str = "") -> None:
        """Teach a run what people preferred; a new run comes of it."""
        tuning = self._store.state.training.tuning
        if tuning.busy:
            return
        problem = "" if run else tr("Choose the run that learns.")
        self._store.dispatch(tact.TuningChanged(replace(tuning, busy=not problem, problem=problem)))
        if not problem:
            self._work.begin(self._tune(run, name.strip()))

    async def _examine(self, exam: Exam) -> None:
        missed = 0
        try:
            told = exam_from(exam.runs, await TrainClient(self._client()).examine(exam.runs))
            self._tell(told)
            while told.busy:
                await asyncio.sleep(LOOK_SECONDS)
                try:
                    told = exam_from(exam.runs, await TrainClient(self._client()).exam(told.id))
                    missed = 0
                except HostError as error:
                    missed += 1
                    if error.status or missed == MISSED:  # it answers, and knows nothing of this exam; or it is gone
                        raise
                    continue
                self._tell(told)
        except HostError as error:
            self._tell(replace(exam, problem=str(error), busy=False))

    async def _end_exam(self, exam: Exam) -> None:
        try:
            self._tell(exam_from(exam.runs, await TrainClient(self._client()).end_exam(exam.id)))
        except HostError as error:
            self._tell(replace(exam, problem=str(error)))

    async def _tune(self, run: str, name: str) -> None:
        problem = ""
        try:
            self._store.dispatch(tact.JobTold(job_from(await TrainClient(self._client()).tune(run, name))))
        except HostError as error:
            problem = str(error)
        tuning = self._store.state.training.tuning
        self._store.dispatch(tact.TuningChanged(replace(tuning, busy=False, problem=problem)))

    def _tell(self, exam: Exam) -> None:
        self._store.dispatch(tact.ExamChanged(exam))
