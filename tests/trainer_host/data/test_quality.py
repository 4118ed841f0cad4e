"""200 good rows and 100 planted bad ones of four tasks: what the filter drops, and why (feature S014)."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

from trainer_host.data.dataset import Json, Row
from trainer_host.data.quality import DEFAULT_THRESHOLD, Quality, assess, usual
from trainer_host.tasks import TaskSpec, task_spec

GOOD = {"chat": 70, "math": 70, "router": 40, "code": 20}


def good_rows(task: str, count: int) -> list[Row]:
    spec, rows, seen, number = task_spec(task), [], set(), 0
    while len(rows) < count:
        example = spec.built_in(random.Random(f"{task} {number}"))
        number += 1
        if spec.key(example) not in seen:
            seen.add(spec.key(example))
            rows.append(Row(example.input, example.output))
    return rows


def with_output(row: Row, **changes: object) -> Row:
    return replace(row, output={**row.output, **changes})


def bad_rows(good: dict[str, list[Row]], rng: random.Random) -> list[tuple[str, Row]]:
    """A hundred: refusals, cut off texts, wrong sums, code that doesn't run or is wrong, wrong format, wrong labels."""
    bad: list[tuple[str, Row]] = []
    for row in rng.sample(good["chat"], 25):
        refused = "I'm sorry, but as an AI language model I can't help with that."
        cut = f"{row.output['reply']} And that is because the"
        loop = " ".join(["It is what it is."] * 12)
        reply = rng.choice((refused, cut, loop, "Reply: [your answer here]", ""))
        bad.append(("chat", with_output(row, reply=reply)))
    for row in rng.sample(good["math"], 35):
        bad.append(("math", with_output(row, answer=wrong_number(str(row.output["answer"]), rng))))
    for row in rng.sample(good["code"], 15):
        code = str(row.output["code"])
        broken: Json = rng.choice(
            ({"code": code.replace(":", "", 1)}, {"code": code.replace("    return", "    retrun", 1)}, {"tests": []})
        )
        bad.append(("code", with_output(row, **broken)))
    for row in rng.sample(good["router"], 25):
        label = rng.choice(("poetry", "", None))
        text = rng.choice(("Sure, here is a message for you.", "asdf", f"Message: {row.input['text']}"))
        wrong = with_output(row, label=label) if rng.random() < 0.5 else replace(row, input={"text": text})
        bad.append(("router", wrong))
    return bad


def wrong_number(answer: str, rng: random.Random) -> str:
    digits = [i for i, char in enumerate(answer) if char.isdigit()]
    at = rng.choice(digits)
    return answer[:at] + str((int(answer[at]) + rng.randint(1, 8)) % 10) + answer[at + 1 :]


def scored(spec: TaskSpec, rows: list[Row], among: list[Row]) -> list[Quality]:
    usual_ = usual(among)
    return [assess(spec, row, usual_) for row in rows]


def test_planted_bad_rows_are_dropped_and_good_ones_kept() -> None:
    good = {task: good_rows(task, count) for task, count in GOOD.items()}
    bad = bad_rows(good, random.Random(11))
    assert len(bad) == 100 and sum(map(len, good.values())) == 200
    caught = wrongly = 0
    reasons: Counter[str] = Counter()
    for task, rows in good.items():
        spec, planted = task_spec(task), [row for name, row in bad if name == task]
        for found in scored(spec, rows, [*rows, *planted]):
            wrongly += found.score < DEFAULT_THRESHOLD
        for found in scored(spec, planted, [*rows, *planted]):
            caught += found.score < DEFAULT_THRESHOLD
            reasons[found.reasons[0][0] if found.reasons else "none"] += 1
    assert caught >= 95, reasons  # recall
    assert caught / (caught + wrongly) >= 0.95  # precision
    assert len(reasons) >= 6  # each is told why, not only that


def test_signs_that_a_person_would_frown_at_cost_something_and_say_so() -> None:
    spec, rows = task_spec("router"), good_rows("router", 40)
    among = usual(rows)
    plain = assess(spec, rows[0], among)
    mended = assess(spec, replace(rows[0], meta={"repaired": True, "judge": 4}), among)
    assert mended.score < plain.score <= 1
    assert {reason for reason, _ in mended.reasons} >= {"judged 4 of 5", "mended after a first refusal"}
    assert "mended" in mended.told() and plain.told() == "nothing to complain about"
