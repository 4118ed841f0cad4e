"""The questions of the small fake host, as `trainer_host/server/questions.py` answers them."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

Json = dict[str, object]


def question(text: str, *guesses: tuple[str, float]) -> Json:
    """One as the host asks it."""
    said = [{"label": label, "score": score} for label, score in guesses]
    return {"text": text, "doubt": 0.9, "guesses": said, "why": "kitchen wasn't sure.", "source": "kitchen"}


@dataclass
class FakeQueue:
    """The questions about one dataset. said: (label, reason) by text."""

    labels: list[str]
    waiting: list[Json] = field(default_factory=list)
    said: dict[str, tuple[object, object]] = field(default_factory=dict)
    asked: dict[str, Json] = field(default_factory=dict)
    rows: int = 100
    taken: set[str] = field(default_factory=set)

    @property
    def answered(self) -> list[str]:
        """Texts with a label that aren't in the dataset yet."""
        return [text for text, (label, _) in self.said.items() if label is not None and text not in self.taken]


@dataclass
class FakeQuestions:
    """All queues. shown: how many questions one answer holds."""

    queues: dict[str, FakeQueue] = field(default_factory=dict)
    shown: int = 50

    def add(self, dataset: str, labels: list[str], *waiting: Json) -> FakeQueue:
        """A dataset with questions."""
        made = self.queues[dataset] = FakeQueue(labels, list(waiting))
        return made

    def add_to(self, routes: web.UrlDispatcher) -> None:
        """The addresses."""
        routes.add_get("/v1/questions", self._all)
        routes.add_get("/v1/questions/{dataset}", self._waiting)
        routes.add_post("/v1/questions/{dataset}", self._answer)
        routes.add_post("/v1/questions/{dataset}/undo", self._undo)
        routes.add_post("/v1/questions/{dataset}/take", self._take)

    async def _all(self, request: web.Request) -> web.StreamResponse:
        found = [
            {"dataset": name, "waiting": len(one.waiting), "answered": len(one.answered)}
            for name, one in self.queues.items()
        ]
        return web.json_response({"questions": found})

    async def _waiting(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self._plain(request.match_info["dataset"]))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        name, body = request.match_info["dataset"], await request.json()
        queue, text = self.queues[name], body["text"]
        said = body["label"], body.get("reason", "")
        if text in queue.said:
            if queue.said[text] != said:
                return _refusal(409, f"'{text}' has the label '{queue.said[text][0]}' already, and that stands.")
            return web.json_response(self._plain(name))
        found = next((one for one in queue.waiting if one["text"] == text), None)
        if found is None:
            return _refusal(404, f"'{text}' doesn't wait for a label; collect the questions again.")
        queue.waiting.remove(found)
        queue.said[text], queue.asked[text] = said, found
        return web.json_response(self._plain(name))

    async def _undo(self, request: web.Request) -> web.StreamResponse:
        name, body = request.match_info["dataset"], await request.json()
        queue, text = self.queues[name], body["text"]
        if queue.said.pop(text, None) is not None:
            queue.waiting.insert(0, queue.asked[text])
        return web.json_response(self._plain(name))

    async def _take(self, request: web.Request) -> web.StreamResponse:
        queue = self.queues[name := request.match_info["dataset"]]
        new = queue.answered
        queue.rows += len(new)
        queue.taken |= set(new)
        return web.json_response({"to": name, "new": len(new), "rows": queue.rows, **self._plain(name)})

    def _plain(self, name: str) -> Json:
        queue = self.queues[name]
        return {
            "dataset": name,
            "labels": queue.labels,
            "waiting": len(queue.waiting),
            "answered": len(queue.answered),
            "questions": queue.waiting[: self.shown],
        }


def _refusal(status: int, sentence: str) -> web.Response:
    return web.json_response({"error": "fault", "message": sentence}, status=status)
