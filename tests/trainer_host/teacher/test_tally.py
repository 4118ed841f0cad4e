"""What a run tells about itself while it goes on, besides what it accepted."""

from __future__ import annotations

from tests.trainer_host.teacher.test_generate import Scripted, order, plain, run
from trainer_host.errors import AskFailed
from trainer_host.teacher.generate import Tally
from trainer_host.teacher.protocol import Reply, Request


def test_examples_behind_a_slow_draw_are_told_as_ahead() -> None:
    seen: list[tuple[int, int]] = []

    def on_tally(tally: Tally) -> None:
        seen.append((tally.accepted, tally.ahead))

    found = run(Scripted(plain, late=lambda number: 0.3 if number == 0 else 0.0), order(10), on_tally=on_tally)
    made = [accepted + ahead for accepted, ahead in seen]
    assert (0, 9) in seen and made == sorted(made)
    assert found.tally.accepted == 10 and found.tally.ahead == 0


def test_requests_that_failed_are_told_apart_from_answers_that_did() -> None:
    class Flaky(Scripted):
        async def ask(self, request: Request) -> Reply:
            if len(self.asked) % 3 == 2:
                self.asked.append(request)
                raise AskFailed("the server has a bad day", "server error")
            return await super().ask(request)

    found = run(Flaky(lambda request, number: "no JSON" if number % 3 == 0 else plain(request, number)), order(10))
    assert found.tally.failed == found.tally.rejected["server error"] > 0
    assert found.tally.accepted == 10 and found.tally.rejected.total() >= found.tally.failed
