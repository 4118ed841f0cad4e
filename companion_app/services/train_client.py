"""The host's addresses for trainings, runs, comparisons, releases, rollouts and datasets."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from companion_app.i18n import tr
from companion_app.services.host_client import SLOW_DEADLINE, HostClient, HostError, Json

MISSING = 404
MODEL_DEADLINE = 120.0  # models are loaded first, on a machine that trains meanwhile
EXAM_DEADLINE = 310.0  # two models answer hundreds of rows
MOVE_DEADLINE = 310.0  # an undone run finds out anew what it doubts


class TrainClient:
    """Over a `HostClient`; every method raises `HostError` and nothing else."""

    def __init__(self, host: HostClient) -> None:
        self._host = host

    async def datasets(self) -> object:
        """What can be trained on. An older host has none of these addresses, and that is said."""
        try:
            return (await self._host.call("GET", "/v1/datasets", deadline=SLOW_DEADLINE)).get("datasets")
        except HostError as error:
            if error.status == MISSING:
                raise HostError(tr("This host can't train for the companion; update Enigma there."), MISSING) from None
            raise

    async def jobs(self) -> tuple[object, object]:
        """Trainings and releases."""
        trainings = await self._host.call("GET", "/v1/trainings")
        return trainings.get("trainings"), (await self.releases()).get("releases")

    async def train(self, body: Json) -> Json:
        """Begin a training."""
        return await self._host.call("POST", "/v1/trainings", body, deadline=SLOW_DEADLINE)

    async def tell(self, kind: str, id: str, what: str) -> Json:
        """pause, cancel or resume a job; kind: "train", "release" or "tune"."""
        place = {"train": "trainings", "tune": "tunings"}.get(kind, "releases")
        return await self._host.call("POST", f"/v1/{place}/{_part(id)}/{what}")

    async def curve(self, id: str, figure: str, after: int) -> Json:
        """A figure of a training, of the steps behind `after`."""
        query = urlencode({"figure": figure, "after": after})
        return await self._host.call("GET", f"/v1/trainings/{_part(id)}/curve?{query}")

    async def runs(self) -> Json:
        """The history."""
        return await self._host.call("GET", "/v1/runs")

    async def run(self, id: int) -> Json:
        """All about one training."""
        return await self._host.call("GET", f"/v1/runs/{id}")

    async def run_curve(self, id: int, figure: str) -> Json:
        """A figure of a training of the history."""
        return await self._host.call("GET", f"/v1/runs/{id}/curve?{urlencode({'figure': figure})}")

    async def diff(self, one: int, other: int) -> Json:
        """What isn't the same."""
        return await self._host.call("GET", f"/v1/runs/{one}/diff/{other}")

    async def move(self, id: int, back: bool) -> Json:
        """Undo or redo."""
        return await self._host.call("POST", f"/v1/runs/{id}/{'undo' if back else 'redo'}", deadline=MOVE_DEADLINE)

    async def attention(self, run: str, text: str, layer: int | None, head: int | None) -> Json:
        """Where a language model looks."""
        query = {
            "text": text,
            **({} if layer is None else {"layer": layer}),
            **({} if head is None else {"head": head}),
        }
        path = f"/v1/runs/{_part(run)}/attention?{urlencode(query)}"
        return await self._host.call("GET", path, deadline=MODEL_DEADLINE)

    async def confusion(self, run: str) -> Json:
        """What a model takes for what."""
        return await self._host.call("GET", f"/v1/runs/{_part(run)}/confusion", deadline=MODEL_DEADLINE)

    async def compare(self, one: str, other: str, text: str) -> Json:
        """Two answers, in an order that nobody knows."""
        body: Json = {"runs": [one, other], "text": text}
        return await self._host.call("POST", "/v1/comparisons", body, deadline=MODEL_DEADLINE)

    async def vote(self, id: str, winner: str) -> Json:
        """Say which is better; who is who."""
        return await self._host.call("POST", f"/v1/comparisons/{_part(id)}/vote", {"winner": winner})

    async def examine(self, runs: tuple[str, ...]) -> Json:
        """Begin to examine runs on the same held-out rows; an older host answers when it is done."""
        return await self._host.call("POST", "/v1/examinations", {"runs": list(runs)}, deadline=EXAM_DEADLINE)

    async def exam(self, id: str) -> Json:
        """How far an exam is, or what it found."""
        return await self._host.call("GET", f"/v1/examinations/{_part(id)}")

    async def end_exam(self, id: str) -> Json:
        """End it."""
        return await self._host.call("POST", f"/v1/examinations/{_part(id)}/cancel")

    async def tunings(self) -> Json:
        """Runs that learn from preferences, and how many of these there are; an older host has neither."""
        try:
            return await self._host.call("GET", "/v1/tunings")
        except HostError as error:
            if error.status == MISSING:
                return {}
            raise

    async def tune(self, run: str, name: str) -> Json:
        """Teach a run what people preferred."""
        body: Json = {"run": run, **({"name": name} if name else {})}
        return await self._host.call("POST", "/v1/tunings", body, deadline=SLOW_DEADLINE)

    async def ratings(self) -> object:
        """How runs fare."""
        return (await self._host.call("GET", "/v1/comparisons")).get("ratings")

    async def releases(self) -> Json:
        """Jobs of releases, and what is published."""
        return await self._host.call("GET", "/v1/releases")

    async def release(self, run: str, steps: tuple[str, ...], terms: Json) -> Json:
        """Export, gate, bundle and publish a run, or some of these. terms: name, version and licence where they are given."""
        return await self._host.call("POST", "/v1/releases", {"run": run, "steps": list(steps), **terms})

    async def rollouts(self) -> Json:
        """How rollouts stand."""
        return await self._host.call("GET", "/v1/rollouts", deadline=SLOW_DEADLINE)

    async def fleet(self) -> Json | None:
        """The devices that the host knows, by their tags; an older host doesn't say."""
        try:
            return await self._host.call("GET", "/v1/fleet", deadline=SLOW_DEADLINE)
        except HostError as error:
            if error.status == MISSING:
                return None
            raise

    async def tag(self, device: str, add: tuple[str, ...], remove: tuple[str, ...]) -> Json:
        """Give a device of the fleet tags, and take others from it."""
        body: Json = {"device": device, "add": list(add), "remove": list(remove)}
        return await self._host.call("POST", "/v1/fleet/tags", body, deadline=SLOW_DEADLINE)

    async def rollout(self, id: str) -> Json:
        """One of them, with its stages."""
        return await self._host.call("GET", f"/v1/rollouts/{_part(id)}", deadline=SLOW_DEADLINE)

    async def roll_out(self, body: Json) -> Json:
        """Begin one."""
        return await self._host.call("POST", "/v1/rollouts", body, deadline=SLOW_DEADLINE)

    async def tell_rollout(self, id: str, what: str) -> Json:
        """pause, resume or abort one."""
        return await self._host.call("POST", f"/v1/rollouts/{_part(id)}/{what}", deadline=SLOW_DEADLINE)

    async def rows(self, dataset: str, **query: str | int | float) -> Json:
        """Some rows of a dataset."""
        path = f"/v1/datasets/{_part(dataset)}/rows?{urlencode(query)}"
        return await self._host.call("GET", path, deadline=SLOW_DEADLINE)

    async def edit(self, dataset: str, body: Json) -> Json:
        """Make a version of a dataset with changes."""
        return await self._host.call("POST", f"/v1/datasets/{_part(dataset)}/edits", body, deadline=SLOW_DEADLINE)


def _part(name: str) -> str:
    return quote(name, safe="")
