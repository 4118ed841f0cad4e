"""Labels of the words of a rewording, carried over from the sentence of the grammar that it rewords.

A word keeps the label that it, or another word for the same sort of thing, has in the sentence; the action stays.
Labels are kept only if the device's own resolver turns them back into exactly the calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge_runtime.home.inventory import Home
from edge_runtime.home.lexicon import ACTIONS, KIND_WORDS, KINDS, TAGS
from edge_runtime.home.parse import TokenLabels, clauses_of
from edge_runtime.home.resolve import Call, resolve
from edge_runtime.home.words import stem, tokenize
from edge_runtime.tasks.robot import TOKENS
from trainer_host.students.robot_align import align
from trainer_host.tasks.robot_calls import as_json, same_calls
from trainer_host.tasks.robot_meaning import directions

Labels = dict[str, list[int]]  # of a row's meta: begins, actions, tags, excluded, kinds, each one per token
_UNITS = {"%": "percent", "°": "degree", "deg": "degree"}
_AMOUNTS = frozenset({"percent", "degree"})
# Actions that words of `robot_meaning` tell, where `align` takes the first that the resolver doesn't mind.
_ACTIONS_SAID = frozenset({"open", "close", "lock", "unlock"})


def gives(tokens: Sequence[str], labels: Labels, home: Home, here: str | None, calls: Sequence[Call]) -> bool:
    """Whether the device, reading these labels, would do exactly these calls."""
    if not 0 < len(tokens) <= TOKENS:
        return False
    read = TokenLabels(
        [bool(flag) for flag in labels["begins"]], labels["actions"], labels["tags"],
        [bool(flag) for flag in labels["excluded"]], labels["kinds"],
    )  # fmt: skip
    outcome = resolve(clauses_of(list(tokens), read), home, here)
    return outcome.question is None and same_calls(as_json(calls), as_json(outcome.calls))


def one_action(labels: Mapping[str, Sequence[int]]) -> bool:
    """Whether a sentence asks for one thing; what comes before it ("guests are coming, ...") asks for nothing."""
    asked = {action for action in labels["actions"] if ACTIONS[action] != "none"}
    begun = sum(
        1 for begin, action in zip(labels["begins"], labels["actions"], strict=True) if begin and action in asked
    )
    return len(asked) == 1 and begun == 1


def carried_over(
    text: str, sentence: str, labels: Labels, home: Home, here: str | None, calls: Sequence[Call]
) -> Labels | None:
    """Labels of a rewording of `sentence`; None where no labels give the calls."""
    new, old = tokenize(text), tokenize(sentence)
    action = next(ACTIONS[action] for action in labels["actions"] if ACTIONS[action] != "none")
    if action in ("up", "down") and not {"up", "down"} & directions(new):
        action = "set"  # "dim the lamp to 30 percent" in other words: "set the lamp to 30 percent"
    made = _transfer(new, old, labels, action)
    return made if gives(new, made, home, here, calls) else _aligned(text, home, here, calls, action)


def guessed(text: str, home: Home, here: str | None, calls: Sequence[Call]) -> Labels | None:
    """Labels of a sentence without another one to follow; the action is what its verbs say, where they do."""
    said = sorted(directions(tokenize(text)) & _ACTIONS_SAID)
    return _aligned(text, home, here, calls, said[0] if said else None)


def _aligned(text: str, home: Home, here: str | None, calls: Sequence[Call], action: str | None) -> Labels | None:
    context = {"area": here} if here else {}
    found = align({"input": {"text": text, "context": context}, "output": {"calls": as_json(calls)}}, home)
    if found is None or action is None:
        return found
    right = {**found, "actions": [ACTIONS.index(action)] * len(found["actions"])}
    return right if gives(tokenize(text), right, home, here, calls) else None


def _transfer(new: Sequence[str], old: Sequence[str], labels: Labels, action: str) -> Labels:
    where: dict[str, list[int]] = {}
    for i, token in enumerate(old):
        if labels["tags"][i]:
            where.setdefault(_stem(token), []).append(i)
    plain = [kind for kind, tag in zip(labels["kinds"], labels["tags"], strict=True) if not tag] or labels["kinds"]
    clause_kind = max(sorted(set(plain)), key=plain.count)
    tags, kinds, excluded = [], [], []
    slot, last = "", -2
    for token in new:
        at = _source(token, old, where, labels, slot, last)
        before, slot = slot, TAGS[labels["tags"][at]][2:] if at is not None else ""
        tags.append(TAGS.index(f"{'I' if slot == before and at == last + 1 else 'B'}-{slot}" if slot else "O"))
        kinds.append(_kind(token, labels["kinds"][at]) if at is not None else clause_kind)
        excluded.append(labels["excluded"][at] if at is not None else 0)
        last = at if at is not None else -2
    return {
        "begins": [int(i == 0) for i in range(len(new))], "actions": [ACTIONS.index(action)] * len(new), "tags": tags,
        "excluded": excluded, "kinds": kinds,
    }  # fmt: skip


def _source(
    token: str, old: Sequence[str], where: Mapping[str, list[int]], labels: Labels, slot: str, last: int
) -> int | None:
    """The word of the old sentence whose label a new word takes: the next one of a span that goes on, else the first."""
    word = _stem(token)
    if word in _AMOUNTS and slot != "VALUE":
        return None
    found = where.get(word, [])
    if not found and (kind := KIND_WORDS.get(word)):
        kin = [i for i, other in enumerate(old) if KIND_WORDS.get(stem(other)) == kind]
        found = [i for i in kin if TAGS[labels["tags"][i]][2:] == "KIND"]
    if not found:
        return None
    return last + 1 if last + 1 in found else found[0]


def _kind(token: str, kind: int) -> int:
    """The kind of a word that took the place of another of its kind: that other's, or its own where it names one."""
    own = KIND_WORDS.get(stem(token))
    return KINDS.index(own) if own is not None and KINDS[kind] in KIND_WORDS.values() and own == KINDS[kind] else kind


def _stem(token: str) -> str:
    return stem(_UNITS.get(token, token))
