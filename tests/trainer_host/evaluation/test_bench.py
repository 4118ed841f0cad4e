"""What the process beside the host's server answers: a model's words, and what it takes for what."""

from __future__ import annotations

import pytest

from tests.trainer_host.conftest import Trained
from trainer_host.errors import DataError, NotThere
from trainer_host.evaluation.bench import Bench
from trainer_host.evaluation.heat import MOST_NAMES, OTHERS, _matrix


def test_a_run_answers_and_its_confusions_add_up(exported_once: Trained) -> None:
    bench = Bench(exported_once.workspace)
    name = exported_once.run.name
    row = next(iter(exported_once.dataset.rows("heldout")))
    answer = bench.do({"do": "ask", "run": name, "text": row.input["text"]})
    assert answer["task"] == "router" and answer["weights"] == exported_once.run.weights
    assert str(answer["text"]) and answer["messages"] == [{"role": "user", "content": row.input["text"]}]
    maps = bench.do({"do": "confusion", "run": name, "rows": 40})["maps"]
    heat = maps["label"]
    assert all(abs(sum(line) - 1) < 1e-9 or sum(line) == 0 for line in heat["rows"])
    assert sum(map(sum, heat["counts"])) == min(40, exported_once.dataset.counts["heldout"])
    with pytest.raises(DataError, match="isn't a language model"):
        bench.do({"do": "attention", "run": name, "text": "x", "layer": None, "head": None})
    with pytest.raises(NotThere):
        bench.do({"do": "ask", "run": "none", "text": "x"})


def test_of_many_labels_the_rare_ones_are_one() -> None:
    from collections import Counter

    counts = Counter({(f"label {number:03}", f"label {number:03}"): 100 - number for number in range(60)})
    heat = _matrix(counts)
    assert len(heat.names) == MOST_NAMES + 1 and heat.names[-1] == OTHERS
    assert sum(map(sum, heat.counts)) == counts.total() and all(abs(sum(line) - 1) < 1e-9 for line in heat.rows)
