"""The facade: one object that goes from an API key to a specialist on a device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.errors import GateRefused, KeysError, TrainerError
from trainer_host.workspace import Workspace, checked_name, default_home

if TYPE_CHECKING:
    from trainer_host.compress.gate import GateReport
    from trainer_host.data.dataset import Dataset
    from trainer_host.release.bundle import Built
    from trainer_host.teacher.estimate import Estimate
    from trainer_host.teacher.generate import Tally
    from trainer_host.teacher.lesson import Lesson
    from trainer_host.teacher.teach import LessonResult

Json = dict[str, object]
# Called with a few words on what happens and the share of it that is done.
OnProgress = Callable[[str, float], None]


def _silent(what: str, share: float) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class GenerationResult:
    """What a teacher gave: a dataset per task, and the figures of the asking."""

    lesson: str
    provider: str
    datasets: Mapping[str, Dataset]
    tallies: Mapping[str, Tally]

    @property
    def examples(self) -> dict[str, int]:
        """How many examples each task got."""
        return {task: sum(dataset.counts.values()) for task, dataset in self.datasets.items()}

    def rows(self, task: str) -> list[Json]:
        """The examples of a task as plain objects, `{"input": ..., "output": ..., "split": ...}`."""
        dataset = self.datasets[task]
        return [
            {"input": row.input, "output": row.output, "split": split}
            for split in ("train", "heldout")
            for row in dataset.rows(split)
        ]


@dataclass(frozen=True)
class Trained:
    """A specialist that was trained, examined, signed. accuracy: 0 to 1, on held-out rows, of the file that travels.

    refused: why there is no bundle although it was trained (the gate's table), None where there is one.
    """

    task: str
    run: str
    dataset: str
    accuracy: float
    bundle: Path | None
    refused: str | None = None


@dataclass(frozen=True)
class TrainedConfig:
    """What `train_from_api_data` made: a specialist per task."""

    model_name: str
    generation: GenerationResult
    specialists: Mapping[str, Trained]


class TrainerAI:
    """Configure, estimate, generate, check, train, evaluate, export, sign, push. Everything lies in one home folder."""

    def __init__(self, home: Path | str | None = None) -> None:
        """home: as `enigma --home`; by default ENIGMA_HOME, else the platform's folder for user data."""
        self.workspace = Workspace(Path(home).absolute() if home is not None else default_home().absolute())
        self._provider: str | None = None
        self._model: str | None = None

    def __repr__(self) -> str:
        return f"TrainerAI({str(self.workspace.home)!r}, provider={self._provider!r})"

    def configure_api(
        self,
        provider: str,
        api_key: str | None = None,
        *,
        name: str = "default",
        model: str | None = None,
        base_url: str | None = None,
        wire: str = "openai",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Say whom to ask. A key is stored encrypted, under a name; without one the stored one is used.

        base_url, wire, headers: for a provider of your own, which then is known by its name. model: for this
        object; by default the provider's. Raises `KeysError` where there is no key and the provider wants one.
        """
        from trainer_host import keys

        if base_url is not None:
            keys.store_endpoint(
                provider,
                base_url,
                wire=wire,
                model=model or "default",
                headers=dict(headers or {}),
                needs_key=api_key is not None or self._has_key(provider),
                home=self.workspace.home,
            )
        if api_key is not None:
            keys.store_api_key(provider, api_key, name, replace=True, home=self.workspace.home)
        keys.keys_for(provider, self.workspace)
        self._provider, self._model = provider, model

    def _has_key(self, provider: str) -> bool:
        from trainer_host import keys

        return any(line.provider == provider for line in keys.listed(self.workspace))

    def estimate(
        self, tasks: Sequence[str], examples_per_task: int = 100, *, sample: int = 20, seed: int = 1
    ) -> tuple[dict[str, Estimate], Estimate]:
        """What an order would take, per task and in all; asks `sample` examples of each task, 0 asks nothing."""
        from trainer_host.teacher.opening import opened
        from trainer_host.teacher.sample import estimates

        lesson = self._lesson(tasks, examples_per_task, None, seed, None)
        with opened(self.workspace, lesson) as found:
            return estimates(lesson, found, sample, on_task=_silent)

    def generate_api_training_data(
        self,
        tasks: Sequence[str],
        examples_per_task: int = 100,
        *,
        name: str | None = None,
        budget: str | float | None = None,
        seed: int = 1,
        batch: bool = False,
        options: Mapping[str, Json] | None = None,
        on_progress: OnProgress = _silent,
    ) -> GenerationResult:
        """Verified examples from the configured provider, as a dataset per task.

        What was asked before is answered from the cache, so a call that was interrupted goes on where it was.
        Raises `TrainerError` with a sentence; what was answered until then is kept.
        """
        lesson = self._lesson(tasks, examples_per_task, name, seed, budget, batch=batch, options=options)
        return _generation(self._give(lesson, on_progress))

    def train_from_api_data(
        self,
        tasks: Sequence[str],
        examples_per_task: int = 100,
        model_name: str = "my_assistant",
        *,
        budget: str | float | None = None,
        seed: int = 1,
        seconds: float | None = None,
        options: Mapping[str, Json] | None = None,
        settings: Mapping[str, Json] | None = None,
        on_progress: OnProgress = _silent,
    ) -> TrainedConfig:
        """Generate, then train, examine and sign a specialist for each task.

        seconds: what to plan each training for. Specialists are named MODEL-NAME-TASK. settings: per
        task, what its student takes, as in {"chat": {"size": "tiny"}}.
        """
        name = _named(model_name)
        lesson = self._lesson(tasks, examples_per_task, name, seed, budget, options=options)
        made = _generation(self._give(lesson, on_progress))
        specialists = {
            task: self.train(
                dataset.name, seed=seed, seconds=seconds, settings=(settings or {}).get(task), on_progress=on_progress
            )
            for task, dataset in made.datasets.items()
        }
        return TrainedConfig(model_name, made, specialists)

    def train(
        self,
        dataset: str,
        run: str | None = None,
        *,
        seed: int = 1,
        seconds: float | None = None,
        settings: Json | None = None,
        on_progress: OnProgress = _silent,
    ) -> Trained:
        """Train on a dataset, export, examine and, where the gate lets it pass, sign a bundle."""
        from trainer_host.compress.files import export_run
        from trainer_host.compress.gate import gate_run
        from trainer_host.data import open_dataset
        from trainer_host.training.run import train_run

        data = open_dataset(self.workspace.dataset(dataset))
        made, _ = train_run(
            self.workspace,
            data,
            run or data.name,
            seed=seed,
            seconds=seconds,
            settings=settings,
            on_progress=lambda share, figures: on_progress(f"training {data.task}", share),
        )
        export_run(made, data, lambda share, note: on_progress(f"exporting {data.task}", share))
        try:
            report = gate_run(made, data, rows=None, on_step=lambda share, note: on_progress("examining", share))
        except GateRefused as cause:
            return Trained(data.task, made.name, data.name, 0.0, None, str(cause))
        return Trained(data.task, made.name, data.name, _accuracy(report), self.sign(made.name).path)

    def sign(self, run: str) -> Built:
        """A signed bundle of a run that passed the gate."""
        from trainer_host.compress.gate import read_report
        from trainer_host.release.bundle import build_bundle
        from trainer_host.release.keys import signing_key
        from trainer_host.training.run import dataset_of, open_run

        made = open_run(self.workspace.run(run))
        return build_bundle(
            self.workspace, made, dataset_of(self.workspace, made), read_report(made), signing_key(self.workspace)
        )

    def push(self, bundle: str, device: str | None = None) -> Json:
        """Deliver a bundle (a file, or a specialist's name for its newest one) to a paired device."""
        from trainer_host.release import devices
        from trainer_host.release.bundle import find_bundle

        target = devices.device_named(self.workspace, device)
        return devices.push(target, find_bundle(self.workspace, bundle), lambda sent, total: None)

    def ask(self, specialist: str, request: Json, device: str | None = None) -> Json:
        """One answer of a specialist on a paired device."""
        from trainer_host.release import devices

        [answer] = devices.ask(devices.device_named(self.workspace, device), specialist, [request])
        return answer

    def _lesson(
        self,
        tasks: Sequence[str],
        examples: int,
        name: str | None,
        seed: int,
        budget: str | float | None,
        *,
        batch: bool = False,
        options: Mapping[str, Json] | None = None,
    ) -> Lesson:
        from trainer_host.teacher.lesson import Lesson, checked_lesson, lesson_name

        if self._provider is None:
            raise KeysError('Say whom to ask first, as in configure_api("openai", "sk-...").')
        if isinstance(tasks, str):
            raise TrainerError(f'Give the tasks as a list, as in tasks=["{tasks}"].')
        return checked_lesson(
            Lesson(
                name or lesson_name(self._provider),
                tuple(tasks),
                examples,
                self._provider,
                self._model,
                seed,
                budget=None if budget is None else str(budget),
                batch=batch,
                options={task: dict(chosen) for task, chosen in (options or {}).items()},
            )
        )

    def _give(self, lesson: Lesson, on_progress: OnProgress) -> LessonResult:
        from trainer_host.teacher.opening import opened
        from trainer_host.teacher.teach import give

        with opened(self.workspace, lesson) as found:
            return give(
                self.workspace,
                lesson,
                found,
                on_task=lambda task, tally: on_progress(f"asking for {task}", tally.accepted / lesson.examples),
            )


def get_trainer_ai(home: Path | str | None = None) -> TrainerAI:
    """The trainer of a home folder, by default the person's own."""
    return TrainerAI(home)


def _generation(result: LessonResult) -> GenerationResult:
    return GenerationResult(
        result.lesson.name,
        result.lesson.provider,
        {item.task: item.dataset for item in result.taught},
        {item.task: item.tally for item in result.taught},
    )


def _named(model_name: str) -> str:
    return checked_name(model_name.strip().lower().replace("_", "-").replace(" ", "-"))


def _accuracy(report: GateReport) -> float:
    """Of the file in the bundle that loses most: what a device can count on."""
    return min((score.accuracy for score in report.chosen()), default=0.0)
