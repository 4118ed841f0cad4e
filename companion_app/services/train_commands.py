"""What a person can do about trainings; each command returns at once and reports through the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace

from companion_app.i18n import N_, tr
from companion_app.services.host_client import HostClient, HostError
from companion_app.services.train_client import TrainClient
from companion_app.services.train_wire import (
    curve_from,
    datasets_from,
    details_from,
    differences_from,
    heat_from,
    job_from,
    jobs_from,
    known_from,
    member_from,
    preferences_from,
    published_from,
    ratings_from,
    rollout_body,
    rollout_from,
    runs_from,
    train_body,
)
from companion_app.services.wire import as_list, as_number, as_text
from companion_app.services.work import Work
from companion_app.state import actions as act
from companion_app.state import train_actions as tact
from companion_app.state.model import AppState, Screen
from companion_app.state.phase import Phase
from companion_app.state.rollout_plan import Plan, words_of
from companion_app.state.store import Store
from companion_app.state.training import Curve, JobState, Part, Versus

# Between two looks at a curve that grows; a host tells of a job five times a second at most.
CURVE_PAUSE = 0.3
ROLLOUT_PAUSE = 10.0  # a host takes rollouts further that often
STEPS = ("export", "gate", "bundle", "publish")
SCREENS = (Screen.TRAIN, Screen.DATA)


class TrainCommands:
    """Owns the calls about trainings, and follows the curve that is on the screen."""

    def __init__(self, store: Store, client: Callable[[], HostClient]) -> None:
        self._store = store
        self._client = client
        self._work = Work(lambda sentence: store.dispatch(act.Noticed(sentence)))
        self._seen: tuple[object, ...] = ()
        self._drawn: tuple[object, ...] = ()
        self._curving: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._started = False
        self._stop_listening = store.listen(self._watch)

    def start(self) -> None:
        """Follow the state; needs a running event loop."""
        self._started = True
        self._watch(self._store.state)

    async def close(self) -> None:
        """End what is under way; the host's trainings go on."""
        self._stop_listening()
        await self._work.close()

    # Looking

    def look(self) -> None:
        """Ask the host what it has for the part on the screen."""
        self._begin("", self._look(self._store.state.training.part))

    def pick_part(self, part: Part | str) -> None:
        """Go to another part."""
        self._store.dispatch(tact.TrainPartPicked(Part(part)))

    def open_job(self, id: str) -> None:
        """Show the curve of a training."""
        self._store.dispatch(tact.JobOpened(id))

    def pick_figure(self, figure: str) -> None:
        """Show another curve."""
        self._store.dispatch(tact.FigurePicked(figure))

    # Jobs

    def train(self) -> None:
        """Begin the training that the form describes."""
        form = self._store.state.training.form
        if form.dataset and not form.starting:
            self._store.dispatch(tact.TrainStarting())
            self._work.begin(self._train())

    def pause(self, id: str) -> None:
        """Have a training save a checkpoint and end."""
        self._tell(id, "pause")

    def cancel(self, id: str) -> None:
        """End a job; its last checkpoint is kept."""
        self._tell(id, "cancel")

    def resume(self, id: str) -> None:
        """Go on with a job that ended early."""
        self._tell(id, "resume")

    # Runs

    def open_run(self, id: int) -> None:
        """Show all about a training of the history."""
        self._begin("run", self._open_run(id))

    def close_run(self) -> None:
        """Go back to the list."""
        self._store.dispatch(tact.RunClosed())

    def diff(self, other: int) -> None:
        """Show what differs between the open run and another one."""
        looked_at = self._store.state.training.looked_at
        if looked_at is not None and looked_at.run.id != other:
            self._begin("diff", self._diff(looked_at.run.id, other))

    def undo(self) -> None:
        """Take the open run back to the checkpoint before."""
        self._move(True)

    def redo(self) -> None:
        """Take it on to the one behind."""
        self._move(False)

    def heat(self, text: str = "", layer: int | None = None, head: int | None = None) -> None:
        """Show where the open run looks in a sentence, or without one what it takes for what."""
        looked_at = self._store.state.training.looked_at
        if looked_at is not None:
            self._begin("heat", self._heat(looked_at.run.name, text.strip(), layer, head))

    # Comparing

    def compare(self, one: str, other: str, text: str) -> None:
        """Ask two runs the same, blind."""
        if self._store.state.training.versus.asking:
            return
        versus = Versus(one, other, text)
        if not one or not other or one == other:
            versus = replace(versus, problem=tr("Choose two different runs."))
        elif not text.strip():
            versus = replace(versus, problem=tr("Say what to ask them."))
        else:
            versus = replace(versus, asking=True)
            self._work.begin(self._compare(versus))
        self._store.dispatch(tact.VersusChanged(versus))

    def vote(self, winner: str) -> None:
        """Say which answer is better: "first", "second" or "tie"."""
        versus = self._store.state.training.versus
        if versus.id and not versus.winner:
            self._store.dispatch(tact.VersusChanged(replace(versus, winner=winner)))
            self._work.begin(self._vote(versus, winner))

    # Releases

    def release(self, run: str, publish: bool, name: str = "", version: str = "", licence: str = "") -> None:
        """Export a run, gate it, make a bundle of it, and publish that. name: of the specialist, which is the run's where it
        is empty; version: the next one; licence: the host's usual one."""
        given = {"name": name.strip(), "version": version.strip(), "licence": licence.strip()}
        terms = {what: text for what, text in given.items() if text}
        self._begin("release", self._release(run, STEPS if publish else STEPS[:3], terms))

    def export(self, run: str, format: str = "") -> None:
        """Write a run's model files on the host. format: "gguf" or "tflite", forms of a language model; empty: the usual ones."""
        self._begin("release", self._release(run, STEPS[:1], {"format": format} if format else {}))

    def roll_out(self, plan: Plan) -> None:
        """Give a published version to devices, stage by stage."""
        self._begin("rollout", self._roll_out(plan))

    def tell_rollout(self, id: str, what: str) -> None:
        """pause, resume or abort a rollout."""
        self._begin("rollout", self._tell_rollout(id, what))

    def tag(self, device: str, tags: str) -> None:
        """Let a device of the fleet have these tags from the host, and no others. device: its name or id."""
        self._begin("tags", self._tag(device, words_of(tags)))

    # --- the calls ---

    @property
    def _host(self) -> TrainClient:
        return TrainClient(self._client())

    def _begin(self, what: str, work: Coroutine[object, object, None]) -> None:
        if what:
            self._store.dispatch(tact.TrainWorking(what))

        async def guarded() -> None:
            try:
                await work
                if what:
                    self._store.dispatch(tact.TrainWorking(""))
            except HostError as error:
                self._store.dispatch(tact.TrainFailed(str(error)))

        self._work.begin(guarded())

    async def _look(self, part: Part) -> None:
        host = self._host
        datasets = datasets_from(await host.datasets())
        tunings = await host.tunings()
        jobs = jobs_from(*await host.jobs(), tunings.get("tunings"))
        self._store.dispatch(tact.HostDataTold(datasets, jobs))
        self._store.dispatch(tact.RunsTold(*runs_from(await host.runs())))
        tuning = replace(self._store.state.training.tuning, preferences=preferences_from(tunings))
        tuning = replace(tuning, opinions=preferences_from(tunings, "opinions"))
        self._store.dispatch(tact.TuningChanged(tuning))
        if part is Part.COMPARE:
            self._store.dispatch(tact.RatingsTold(ratings_from(await host.ratings())))
        if part is Part.RELEASE:
            await self._look_at_releases(host)

    async def _look_at_releases(self, host: TrainClient) -> None:
        published = published_from((await host.releases()).get("published"))
        answer = await host.rollouts()
        rollouts = tuple(rollout_from(one) for one in as_list(answer.get("rollouts")) if isinstance(one, dict))
        fleet = await host.fleet()
        known = None if fleet is None else known_from(fleet)
        self._store.dispatch(tact.ReleasesTold(published, rollouts, as_text(answer.get("message")), known))
        for one in rollouts[:3]:  # those that a person most likely looks at
            self._store.dispatch(tact.RolloutTold(rollout_from(await host.rollout(one.id))))

    async def _train(self) -> None:
        try:
            job = job_from(await self._host.train(train_body(self._store.state.training.form)))
            self._store.dispatch(tact.TrainStarted(job))
        except HostError as error:
            self._store.dispatch(tact.TrainRefused(str(error)))

    def _tell(self, id: str, what: str) -> None:
        job = next((job for job in self._store.state.training.jobs if job.id == id), None)
        if job is not None:
            self._begin(what, self._tell_job(job.kind, id, what))

    async def _tell_job(self, kind: str, id: str, what: str) -> None:
        before = next((job for job in self._store.state.training.jobs if job.id == id), None)
        told = job_from(await self._host.tell(kind, id, what))
        # An answer tells less than an event does.
        kept = told if before is None else replace(told, pausable=before.pausable, history=before.history)
        self._store.dispatch(tact.JobTold(kept))

    async def _open_run(self, id: int) -> None:
        host = self._host
        details = details_from(await host.run(id))
        curve = None
        if details.curves:
            figure = "loss" if "loss" in details.curves else details.curves[0]
            curve = replace(curve_from(f"run {id}", await host.run_curve(id, figure)), figures=details.curves)
        self._store.dispatch(tact.RunTold(details, curve))

    async def _diff(self, one: int, other: int) -> None:
        self._store.dispatch(tact.DiffTold(one, other, differences_from(await self._host.diff(one, other))))

    def _move(self, back: bool) -> None:
        looked_at = self._store.state.training.looked_at
        if looked_at is not None:
            self._begin("undo" if back else "redo", self._moved(looked_at.run.id, back))

    async def _moved(self, id: int, back: bool) -> None:
        details = details_from(await self._host.move(id, back))
        self._store.dispatch(tact.RunTold(details, self._store.state.training.run_curve))

    async def _heat(self, run: str, text: str, layer: int | None, head: int | None) -> None:
        try:
            if text:
                found = [heat_from(run, text, await self._host.attention(run, text, layer, head))]
            else:
                maps = (await self._host.confusion(run)).get("maps")
                pairs = maps.items() if isinstance(maps, dict) else ()
                found = [heat_from(run, as_text(what), one) for what, one in pairs if isinstance(one, dict)]
        except HostError as error:
            self._store.dispatch(tact.HeatsTold((), str(error)))
            return
        self._store.dispatch(tact.HeatsTold(tuple(one for one in found if one is not None)))

    async def _compare(self, versus: Versus) -> None:
        try:
            answer = await self._host.compare(versus.one, versus.other, versus.text)
            answers = tuple(str(one)[:20_000] for one in as_list(answer.get("answers"))[:2])
            told = replace(versus, asking=False, id=as_text(answer.get("id")), answers=answers)
        except HostError as error:
            told = replace(versus, asking=False, problem=str(error))
        self._store.dispatch(tact.VersusChanged(told))

    async def _vote(self, versus: Versus, winner: str) -> None:
        try:
            answer = await self._host.vote(versus.id, winner)
        except HostError as error:
            self._store.dispatch(tact.VersusChanged(replace(versus, problem=str(error))))
            return
        revealed = tuple(
            (as_text(one.get("run")), as_number(one.get("ms")))
            for one in as_list(answer.get("answers"))
            if isinstance(one, dict)
        )
        self._store.dispatch(tact.VersusChanged(replace(versus, id="", winner=winner, revealed=revealed, problem="")))
        self._store.dispatch(tact.RatingsTold(ratings_from(answer.get("ratings"))))

    async def _release(self, run: str, steps: tuple[str, ...], terms: Mapping[str, str]) -> None:
        self._store.dispatch(tact.JobTold(job_from(await self._host.release(run, steps, {**terms}))))

    async def _roll_out(self, plan: Plan) -> None:
        self._store.dispatch(tact.RolloutMoved(rollout_from(await self._host.roll_out(rollout_body(plan)))))

    async def _tell_rollout(self, id: str, what: str) -> None:
        self._store.dispatch(tact.RolloutMoved(rollout_from(await self._host.tell_rollout(id, what))))

    async def _tag(self, device: str, tags: tuple[str, ...]) -> None:
        host = self._host
        members = known_from(await host.fleet() or {}).members
        one = next((one for one in members if device in (one.id, one.name)), None)
        if one is None and tags:  # of a fleet that is larger than what the host tells one by one
            one = member_from(await host.tag(device, tags, ()))
        given = one.given if one is not None else ()
        add, remove = (tuple(one for one in some if one not in other) for some, other in ((tags, given), (given, tags)))
        if add or remove:
            await host.tag(device, add, remove)
        await self._look_at_releases(host)

    # --- what is on the screen ---

    def _watch(self, state: AppState) -> None:
        """Ask anew where a person comes to look or the host is back; follow the curve that is shown."""
        if not self._started:
            return
        online = state.host is not None and state.host.phase is Phase.ONLINE
        shown = online and state.screen in SCREENS
        seen = (shown, state.screen if shown else None, state.training.part)
        if shown and seen != self._seen:
            self.look()
        self._seen = seen
        releasing = shown and state.screen is Screen.TRAIN and state.training.part is Part.RELEASE
        if releasing and (self._watching is None or self._watching.done()):
            self._watching = self._work.begin(self._watch_rollouts())
        job = state.training.job
        on_it = shown and state.screen is Screen.TRAIN and state.training.part is Part.JOBS
        if job is None or not on_it:
            self._drawn = ()
            return
        drawn = (job.id, state.training.figure, job.step, job.state, state.training.curve is None)
        if drawn != self._drawn and (self._curving is None or self._curving.done()):
            self._drawn = drawn
            self._curving = self._work.begin(self._follow_curve())

    async def _follow_curve(self) -> None:
        """Fetch what the shown curve lacks, as often as its job goes on."""
        while True:
            training = self._store.state.training
            job, known, figure = training.job, training.curve, training.figure
            if job is None:
                return
            whole = known is None or known.of != job.id or job.state is not JobState.RUNNING
            after = -1 if known is None or whole else known.last
            try:
                answer = await self._host.curve(job.id, figure, after)
            except HostError:
                return  # the link says that the host is away; the next event begins anew
            told: Curve = curve_from(job.id, answer)
            self._drawn = (job.id, figure, job.step, job.state, False)
            self._store.dispatch(tact.CurveTold(told, whole))
            await asyncio.sleep(CURVE_PAUSE)
            now = self._store.state.training
            same = now.job is not None and (now.job.id, now.figure) == (job.id, figure)
            if same and now.job is not None and (now.job.step, now.job.state) == (job.step, job.state):
                return

    async def _watch_rollouts(self) -> None:
        while self._seen[:1] == (True,) and self._store.state.training.part is Part.RELEASE:
            await asyncio.sleep(ROLLOUT_PAUSE)
            try:
                await self._look_at_releases(self._host)
            except HostError:
                return


# Why the host can't be asked for something, by what it was asked for.
WORKING = {
    "run": N_("Asking the host …"),
    "diff": N_("Comparing …"),
    "undo": N_("Going back a checkpoint …"),
    "redo": N_("Going on a checkpoint …"),
    "heat": N_("Asking the model …"),
    "pause": N_("Saving a checkpoint …"),
    "release": N_("Beginning …"),
    "rollout": N_("Telling the fleet …"),
    "tags": N_("Telling the fleet …"),
}
