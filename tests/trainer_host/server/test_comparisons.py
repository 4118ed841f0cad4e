"""Blind comparisons: who is who is told after the vote, which becomes a preference and a rating."""

from __future__ import annotations

import pytest

from tests.trainer_host.server.conftest import Client
from trainer_host.errors import DataError
from trainer_host.server.errors import Unprocessable
from trainer_host.server.fields import Json
from trainer_host.server.workbench import Workbench
from trainer_host.students.language.preferences_data import read_preferences
from trainer_host.workspace import Workspace


class Asked:
    """Stands for the process that asks models."""

    def __init__(self) -> None:
        self.weights = {"plain": "sha256:1", "fine": "sha256:2", "other": "sha256:3"}

    async def ask(self, bench: Workbench, orders: list[Json], seconds: float) -> list[Json]:
        made: list[Json] = []
        for order in orders:
            if order["text"] == "?":
                raise Unprocessable("The run 'plain' has no model files yet; run 'enigma export plain'.")
            task = "math" if order["run"] == "other" else "chat"
            messages = [{"role": "user", "content": order["text"]}]
            answer = f"{order['run']} says so"
            weights = self.weights[str(order["run"])]
            made.append({"task": task, "text": answer, "ms": 1.5, "weights": weights, "messages": messages})
        return made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    made = Asked()
    monkeypatch.setattr(Workbench, "ask", lambda bench, orders, seconds: made.ask(bench, orders, seconds))
    return made


async def compared(client: Client, text: str = "who?") -> Json:
    answer = await client.call("POST", "/v1/comparisons", {"runs": ["plain", "fine"], "text": text})
    assert answer.status == 200, answer.text
    return answer.json


async def test_a_vote_is_blind_and_becomes_a_preference_and_a_rating(
    client: Client, workspace: Workspace, asked: Asked
) -> None:
    orders = set()
    for number in range(12):
        found = await compared(client, f"who {number}?")
        assert found.keys() == {"id", "text", "answers"}  # neither names nor times
        names = [str(text).split()[0] for text in found["answers"]]
        orders.add(tuple(names))
        winner = "first" if names[0] == "fine" else "second"
        voted = (await client.call("POST", f"/v1/comparisons/{found['id']}/vote", {"winner": winner})).json
        assert [one["run"] for one in voted["answers"]] == names
        gone = await client.call("POST", f"/v1/comparisons/{found['id']}/vote", {"winner": winner})
        assert gone.status == 404
    assert len(orders) == 2
    kept = list(read_preferences(workspace.home / "preferences" / "chat.jsonl"))
    assert len(kept) == 12 and {(one.chosen, one.rejected) for one in kept} == {("fine says so", "plain says so")}
    assert kept[0].messages[0].text == "who 0?" and kept[0].source["who"] == "test"
    best, worst = (await client.get("/v1/comparisons"))["ratings"]
    assert (best["run"], worst["run"], best["votes"]) == ("fine", "plain", 12) and best["rating"] > 15 > worst["rating"]
    # What is trained again is another model.
    asked.weights["fine"] = "sha256:9"
    found = await compared(client)
    await client.call("POST", f"/v1/comparisons/{found['id']}/vote", {"winner": "tie"})
    rated = (await client.get("/v1/comparisons"))["ratings"]
    assert sorted(one["votes"] for one in rated if one["run"] == "fine") == [1, 12]
    assert len(list(read_preferences(workspace.home / "preferences" / "chat.jsonl"))) == 12  # a tie prefers nothing


async def test_what_cannot_be_compared_is_refused(client: Client, workspace: Workspace, asked: Asked) -> None:
    for body, words in (
        ({}, '"runs"'),
        ({"runs": ["plain"], "text": "x"}, "two different"),
        ({"runs": ["plain", "plain"], "text": "x"}, "two different"),
        ({"runs": ["plain", "../x"], "text": "x"}, "can't be a name"),
        ({"runs": ["plain", "fine"], "text": ""}, '"text"'),
        ({"runs": ["plain", "fine"], "text": "?"}, "enigma export plain"),
        ({"runs": ["plain", "other"], "text": "x"}, "one task"),
    ):
        answer = await client.call("POST", "/v1/comparisons", body)
        assert answer.status == 422 and words in answer.message, body
    found = await compared(client)
    assert (await client.call("POST", f"/v1/comparisons/{found['id']}/vote", {"winner": "me"})).status == 422
    assert not (workspace.home / "preferences").exists()


async def test_a_vote_that_was_cut_off_spoils_no_other(client: Client, workspace: Workspace, asked: Asked) -> None:
    for _ in range(2):
        found = await compared(client)
        await client.call("POST", f"/v1/comparisons/{found['id']}/vote", {"winner": "first"})
        with (workspace.home / "preferences" / "comparisons.jsonl").open("a") as votes:
            votes.write('{"task": "chat", "runs"')
    assert sum(one["votes"] for one in (await client.get("/v1/comparisons"))["ratings"]) == 4
    with pytest.raises(DataError):
        list(read_preferences(workspace.home / "preferences" / "comparisons.jsonl"))
