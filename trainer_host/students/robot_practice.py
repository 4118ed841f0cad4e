"""Practice of a robot: more sentences of the home grammar, in homes of their own, around the rows that it wrote.

As `practice` does for other tasks; a home is read once for all of its sentences here, which a labeller needs thousands of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trainer_host.tasks.phrases import TEMPLATE
from trainer_host.teacher.home.generate import EXAMPLES_PER_HOME, batch, held_out, row_of, templates_of

FEW = 12_000  # rows from which on a robot learns enough without
ROWS = 20_000  # that one with fewer learns from in all, and from their clauses alone, so often as this:
EPOCHS = 7
# Beside the examples themselves; measured on one x86 core, used to plan, never to stop.
SECONDS_PER_ROW = 0.0015
_HOMES = 4  # drawn at most, per home that would do if all its sentences were new


def practised(
    rows: Sequence[dict], examined: Iterable[dict], homes: dict[int, dict], count: int, seed: int
) -> tuple[list[dict], dict[int, dict]]:
    """At most `count` rows around `rows`, and the homes of both, by number; no rows where the grammar wrote none.

    Templates and sentences of the `examined` rows are left out, and those of the grammar's held-out side where none
    of `rows` was made from one. The same for the same rows and seed.
    """
    if count <= 0 or not any(TEMPLATE in row.get("meta", {}) for row in rows):
        return [], homes
    seen = list(examined)
    without = frozenset(name for row in seen for name in named_templates(row.get("meta", {})))
    met = {_sentence(row) for row in (*rows, *seen)}
    made: list[dict] = []
    found = dict(homes)
    first = max(homes, default=-1) + 1
    aside = _aside(rows)
    for number in range(first, first + _HOMES * -(-count // EXAMPLES_PER_HOME)):
        if len(made) == count:
            break
        side = int((number + 1) * aside) > int(number * aside)  # spread evenly over the homes
        home, examples, _ = batch(f"practice {seed}", min(EXAMPLES_PER_HOME, count - len(made)), side, number, without)
        found[number] = home
        new = [row for row in map(row_of, examples) if _sentence(row) not in met]
        met.update(map(_sentence, new))
        made += new
    return made, found


def _aside(rows: Sequence[dict]) -> float:
    """Share of the grammar's rows that are made from templates which its own datasets hold out."""
    named = [names for row in rows if (names := named_templates(row.get("meta", {})))]
    return sum(held_out(names[0]) for names in named) / max(1, len(named))


def named_templates(meta: dict) -> list[str]:
    """The templates of a sentence of the grammar, or of the one that a teacher reworded."""
    drawn = meta.get("drawn")
    named = meta.get(TEMPLATE) or (drawn.get(TEMPLATE) if isinstance(drawn, dict) else None)
    return templates_of(named) if isinstance(named, str) else []


def _sentence(row: dict) -> str:
    return str(row["input"]["text"]).lower()
