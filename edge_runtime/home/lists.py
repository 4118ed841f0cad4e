"""To-do lists: which list is meant, which items are said, and which open item a phrase means."""

from __future__ import annotations

from dataclasses import replace

from edge_runtime.home.inventory import Entity, Home
from edge_runtime.home.parse import Clause, Span
from edge_runtime.home.refer import Found, Reference, find
from edge_runtime.home.words import similar, stem, tokenize

_TASK_VERBS = frozenset({
    "call", "fix", "clean", "wash", "pay", "book", "water", "feed", "paint", "finish", "email", "schedule",
    "return", "walk", "take", "renew", "order", "change", "mow", "pick", "check", "repair", "write",
    "send", "ask", "replace", "empty", "mend", "move", "bring", "clear", "sort", "print", "sharpen",
    "service", "oil", "sweep", "vacuum",
})  # fmt: skip
_SHOPPING = frozenset({"shopping", "grocery", "groceries", "einkaufsliste", "provision", "supply", "store", "market"})


def items_said(clause: Clause) -> list[Span]:
    """The items said, split as they were listed; pronouns name none."""
    out: list[Span] = []
    for span in clause.spans:
        follows = out and out[-1].at + len(out[-1].words) == span.at
        if span.excluded or not (
            span.slot == "ITEM" or (follows and span.slot in ("COLOR", "VALUE", "WHITE", "TEXT", "QUERY"))
        ):
            continue
        if out and out[-1].at + len(out[-1].words) == span.at:
            out[-1] = replace(out[-1], words=(*out[-1].words, *span.words))
        else:
            out.append(span)
    return [span for span in out if span.words not in (("it",), ("them",), ("that",), ("some",), ("this",))]


def list_for(clause: Clause, ref: Reference, home: Home) -> Found:
    """The list that is meant: by name, else by what stands on it, else by what sort of item it is."""
    lists = [entity for entity in home.entities if entity.domain == "todo"]
    if not lists:
        return Found(missing="list")
    names = [span for span in ref.heads if span.slot == "NAME" or {stem(w) for w in span.words} - {"list", "the"}]
    if names:
        named = find(
            replace(ref, heads=tuple(replace(s, slot="NAME") for s in names)),
            "todo",
            home,
            frozenset({"todo"}),
            None,
        )
        if named.targets:
            return named
        words = {stem(word) for span in ref.heads for word in span.words}
        if words & {"shopping", "grocery", "groceries", "shop"}:
            lists = _named_for(lists, _SHOPPING) or lists
        elif words & {"todo", "task", "chore", "job", "do"}:
            lists = [e for e in lists if e not in _named_for(lists, _SHOPPING)] or lists
        else:
            return Found(missing=" ".join(word for span in ref.heads for word in span.words))
    if len(lists) == 1:
        return Found(targets=(lists[0],))
    said = [span.words for span in items_said(clause)]
    if clause.action in ("complete", "remove"):
        holding = [entity for entity in lists if any(item_on(words, entity) for words in said)]
        if len(holding) == 1:
            return Found(targets=(holding[0],))
    shopping = _named_for(lists, _SHOPPING)
    if clause.action == "add" and len(shopping) == 1:
        if not any(words and words[0] in _TASK_VERBS for words in said):
            return Found(targets=(shopping[0],))
        others = [entity for entity in lists if entity not in shopping]
        if len(others) == 1:
            return Found(targets=(others[0],))
    return Found(choices=tuple(lists))


def _named_for(lists: list[Entity], words: frozenset[str]) -> list[Entity]:
    return [e for e in lists if {stem(w) for name in (e.name, *e.aliases) for w in tokenize(name)} & words]


_SMALL = frozenset({
    "the", "a", "an", "my", "some", "of", "to", "is", "are", "been", "be", "have", "has", "i", "we",
    "it's", "it", "and", "has'nt", "was", "were",
})  # fmt: skip


def _roots(words: tuple[str, ...] | list[str]) -> set[str]:
    """Words without endings, so that "the basil's been watered" meets "water the basil"."""
    roots = set()
    for word in words:
        if word in _SMALL:
            continue
        root = stem(word)
        for tail in ("ing", "ed", "ened"):
            if root.endswith(tail) and len(root) - len(tail) >= 3:
                root = root[: -len(tail)]
                break
        roots.add(root[:-1] if root.endswith("e") and len(root) > 3 else root)
    return roots


def item_on(words: tuple[str, ...], entity: Entity) -> str | None:
    """The open item of a list that the words mean: the one that shares most of their roots."""
    raw = entity.attributes.get("items")
    said = _roots(words)
    best, most = None, 0.0
    for item in raw if isinstance(raw, list) else []:
        if isinstance(item, dict):
            item = item.get("summary", item.get("name"))
        if not isinstance(item, str):
            continue
        roots = _roots(tokenize(item))
        shared = sum(any(similar(a, b) for b in roots) for a in said)
        score = shared / max(1, min(len(said), len(roots)))
        if score > most and score >= 0.5:
            best, most = item, score
    return best
