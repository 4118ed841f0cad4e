"""What a host answers, as the app's own data; a host may be newer, so no shape is taken for granted."""

from __future__ import annotations

from collections.abc import Mapping

from companion_app.i18n.figures import typed
from companion_app.services.wire import MAX_ITEMS, as_list, as_text
from companion_app.state.checks import NewKey
from companion_app.state.host import Estimate, Lesson, LessonState, Offer, Order, Provider, StoredKey, Task
from edge_runtime.strict_json import is_number

# A count that no lesson reaches; above it a float could not be printed as one.
MOST = 1e12


def offer_from(tasks: Mapping[str, object], providers: list[object], keys: list[object]) -> Offer:
    """All that a host offers, from its three answers."""
    presets = tasks.get("presets")
    return Offer(
        tasks=tuple(
            Task(
                name=as_text(item.get("name")),
                title=as_text(item.get("title") or item.get("name")),
                trained=item.get("trained") is not False,
            )
            for item in _objects(tasks.get("tasks"))
        ),
        presets=tuple(
            (as_text(name), _texts(members)) for name, members in (presets.items() if isinstance(presets, dict) else ())
        )[:MAX_ITEMS],
        providers=tuple(
            Provider(
                name=as_text(item.get("name")),
                wire=as_text(item.get("wire")),
                base_url=as_text(item.get("base_url")),
                model=as_text(item.get("model")),
                needs_key=item.get("needs_key") is not False,
                custom=item.get("custom") is True,
            )
            for item in _objects(providers)
        ),
        keys=tuple(
            StoredKey(
                provider=as_text(item.get("provider")),
                name=as_text(item.get("name")),
                tail=as_text(item.get("tail")),
                in_use=item.get("in_use") is True,
                added=as_text(item.get("added")),
                source=as_text(item.get("source") or "vault"),
            )
            for item in _objects(keys)
        ),
    )


def lesson_from(item: Mapping[str, object]) -> Lesson:
    """One lesson, as the host lists it and tells of it."""
    state = as_text(item.get("state"))
    rejected = item.get("rejected")
    datasets = item.get("datasets")
    return Lesson(
        id=as_text(item.get("id")),
        name=as_text(item.get("name")),
        tasks=_texts(item.get("tasks")),
        examples=int(_count(item.get("examples_per_task")) or 0),
        provider=as_text(item.get("provider")),
        # What this app does not know yet is not under way and not done, as far as it can tell.
        state=LessonState(state) if state in set(LessonState) else LessonState.OPEN,
        progress=min(1.0, _count(item.get("progress")) or 0.0),
        accepted=int(_count(item.get("accepted")) or 0),
        rejected=tuple(
            (as_text(reason), int(_count(count) or 0))
            for reason, count in (rejected.items() if isinstance(rejected, dict) else ())
        )[:MAX_ITEMS],
        errors=int(_count(item.get("errors")) or 0),
        cost=_count(item.get("cost_usd")),
        rate=_count(item.get("rate_per_min")),
        eta=_count(item.get("eta_s")),
        message=as_text(item.get("message")),
        datasets=tuple(
            (as_text(task), as_text(name)) for task, name in (datasets.items() if isinstance(datasets, dict) else ())
        )[:MAX_ITEMS],
    )


def lessons_from(items: list[object]) -> tuple[Lesson, ...]:
    """All lessons that can be told apart."""
    found = (lesson_from(item) for item in items if isinstance(item, dict))
    return tuple(lesson for lesson in found if lesson.id)


def estimate_from(order: Order, item: Mapping[str, object]) -> Estimate:
    """What an order will cost."""
    cost = item.get("cost_usd")
    figures = cost if isinstance(cost, dict) else {}
    return Estimate(
        order=order,
        likely=_count(figures.get("likely")),
        low=_count(figures.get("low")),
        high=_count(figures.get("high")),
        sentences=_texts(item.get("sentences")),
    )


def order_body(order: Order, budget: str = "") -> dict[str, object]:
    """An order as the host takes it."""
    body: dict[str, object] = {
        "tasks": list(order.tasks),
        "examples_per_task": order.examples,
        "provider": order.provider,
    }
    if order.model:
        body["model"] = order.model
    if budget.strip():
        body["budget"] = typed(budget)
    return body


def provider_body(new: NewKey) -> dict[str, object]:
    """A custom provider without a key, as the host takes it."""
    return {"name": new.endpoint, "base_url": new.base_url, "wire": new.wire, "model": new.model}


def key_body(new: NewKey, key: str, replacing: bool) -> dict[str, object]:
    """A new key as the host takes it; this is the only thing but its text field that ever holds it."""
    body: dict[str, object] = {"provider": new.provider, "name": new.name.strip(), "key": key, "replace": replacing}
    if new.custom:
        body |= {"provider": new.endpoint, "base_url": new.base_url, "wire": new.wire, "model": new.model}
    return body


def export_from(item: Mapping[str, object]) -> tuple[int, int, bytes]:
    """How many keys and providers a file of keys holds, and the file; an empty one where the host sent none."""
    file = item.get("file")
    content = file.encode("utf-8") if isinstance(file, str) else b""
    return int(_count(item.get("keys")) or 0), int(_count(item.get("providers")) or 0), content


def import_from(item: Mapping[str, object]) -> tuple[tuple[str, ...], ...]:
    """What an import added, replaced, found there already, and skipped."""
    return tuple(_texts(item.get(name)) for name in ("added", "replaced", "same", "skipped"))


def _objects(value: object) -> list[dict[str, object]]:
    return [item for item in as_list(value) if isinstance(item, dict)][:MAX_ITEMS]


def _texts(value: object) -> tuple[str, ...]:
    return tuple(as_text(item) for item in as_list(value)[:MAX_ITEMS])


def _count(value: object) -> float | None:
    """A number that is none of the impossible ones, None where there is none; money may come as a text."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return float(value) if is_number(value) and 0 <= value <= MOST else None
