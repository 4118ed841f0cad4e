"""Teaching in words: what the screens for keys and lessons print, and whether a lesson can begin."""

from __future__ import annotations

from companion_app.i18n import N_, ntr, tr
from companion_app.i18n.figures import number
from companion_app.state import checks
from companion_app.state.host import CUSTOM, Estimate, Host, Lesson, LessonState, Order, Provider, StoredKey, Task
from companion_app.state.model import AppState
from companion_app.state.phase import Phase

PILLS = {
    LessonState.RUNNING: (N_("Running"), "accent"),
    LessonState.DONE: (N_("Done"), "good"),
    LessonState.STOPPED: (N_("Stopped"), "warn"),
    LessonState.FAILED: (N_("Failed"), "bad"),
    LessonState.CANCELLED: (N_("Cancelled"), "warn"),
    LessonState.OPEN: (N_("Not finished"), "plain"),
}
WAITING = (N_("Waiting"), "plain")
# What hosts call their sets and tasks; what is not here is shown as the host says it.
PRESETS = {"all": N_("All"), "basic": N_("Basic"), "creative": N_("Creative"), "none": N_("None")}
TASKS = (
    N_("Chat"),
    N_("Code"),
    N_("Vision"),
    N_("Avatar"),
    N_("Images"),
    N_("Audio"),
    N_("Video"),
    N_("3D models"),
    N_("Games"),
    N_("Robot"),
    N_("Maths"),
    N_("Router"),
)
SHOWN_REASONS = 4
SHOWN_NAMES = 8


def host_status(host: Host | None) -> tuple[str, str]:
    """A host's state as a word and its tone."""
    if host is None:
        return "", "plain"
    return {
        Phase.CONNECTING: (tr("Connecting"), "plain"),
        Phase.ONLINE: (tr("Ready"), "good"),
        Phase.WAITING: (tr("Offline"), "bad"),
    }[host.phase]


def host_problem(host: Host | None) -> str:
    """One sentence while a host does not answer; empty when it does, and without a host."""
    if host is None or host.phase is Phase.ONLINE:
        return ""
    return host.error or tr("Connecting to {name}.", name=host.name)


# --- keys ---


def key_line(key: StoredKey) -> str:
    """One line: the end of a key and where it is."""
    if key.source != "vault":
        return "  ·  ".join((key.tail, tr("from the host's variable {name}", name=key.source)))
    return "  ·  ".join(part for part in (key.tail, tr("added {date}", date=key.added) if key.added else "") if part)


def key_choices(host: Host) -> tuple[tuple[str, str, str], ...]:
    """Whose key can be added, as (value, name, note): all that want one, and a new one."""
    known = [
        (provider.name, provider.name, provider.base_url if provider.custom else "")
        for provider in host.offer.providers
        if provider.needs_key
    ]
    return (*known, (CUSTOM, tr("Custom"), tr("a server of your own")))


def keyless(host: Host) -> tuple[Provider, ...]:
    """Custom providers that are stored without a key."""
    have = {key.provider for key in host.offer.keys}
    return tuple(found for found in host.offer.providers if found.custom and found.name not in have)


def readable_on_its_way(host: Host) -> bool:
    """Whether what goes to a host could be read by others on its network."""
    address = host.address
    here = address.startswith(("http://127.", "http://localhost:", "http://[::1]"))
    return address.startswith("http://") and not here


def exported_line(keys: int, providers: int, path: str) -> str:
    """What an export wrote, and what to do with it."""
    held = ntr("{number:,} key", "{number:,} keys", keys)
    if providers:
        own = ntr("{number:,} provider of your own", "{number:,} providers of your own", providers)
        held = tr("{keys} and {providers}", keys=held, providers=own)
    return tr(
        "In the file {path}: {held}. Nobody can open it without the passphrase; keep that elsewhere.",
        path=path,
        held=held,
    )


def imported_line(added: tuple[str, ...], replaced: tuple[str, ...], same: tuple[str, ...]) -> str:
    """What an import brought."""
    parts = [tr("Added {names}.", names=some(added)) if added else tr("Nothing was added.")]
    parts += [tr("Replaced {names}.", names=some(replaced))] * bool(replaced)
    parts += [tr("Already on the host: {names}.", names=some(same))] * bool(same)
    return " ".join(parts)


def skipped_line(skipped: tuple[str, ...]) -> str:
    """What an import left out, and how to take it after all; empty where there is nothing."""
    if not skipped:
        return ""
    return tr(
        "Skipped, because the host has another one of that name: {names}. Tick the box to take the file's.",
        names=some(skipped),
    )


def some(names: tuple[str, ...]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - SHOWN_NAMES
    listed = ", ".join(names[:SHOWN_NAMES])
    return ntr("{names} and {number} more", "{names} and {number} more", more, names=listed) if more > 0 else listed


# --- what is about to be taught ---


def provider_of(state: AppState) -> Provider | None:
    """Who is chosen to teach."""
    offered = state.host.offer.providers if state.host else ()
    return next((provider for provider in offered if provider.name == state.teach.provider), None)


def lacks_key(state: AppState) -> bool:
    """Whether the chosen teacher wants a key that the host does not have."""
    provider = provider_of(state)
    if provider is None or not provider.needs_key or state.host is None:
        return False
    return not any(key.provider == provider.name for key in state.host.offer.keys)


def preset_of(state: AppState) -> str | None:
    """The host's set that is ticked just now."""
    presets = state.host.offer.presets if state.host else ()
    chosen = set(state.teach.selected)
    return next((name for name, tasks in presets if set(tasks) == chosen), None)


def order_of(state: AppState) -> Order | None:
    """What would be asked for; None where something is missing or wrong, which `why_not` says."""
    form = state.teach
    examples = checks.whole_number(form.examples)
    if not form.selected or examples is None or checks.examples_problem(form.examples):
        return None
    if provider_of(state) is None or lacks_key(state):
        return None
    return Order(form.selected, examples, form.provider, form.model.strip())


def estimate_of(state: AppState) -> Estimate | None:
    """The estimate of what would be asked for now; None while there is none."""
    found = state.teach.estimate
    return found if found is not None and found.order == order_of(state) else None


def why_not(state: AppState) -> str:
    """What keeps a lesson from being started, in one sentence; empty where nothing does."""
    form = state.teach
    if state.host is None or state.host.phase is not Phase.ONLINE:
        return host_problem(state.host) or tr("Pair with a host first.")
    if not form.selected:
        return tr("Choose at least one task.")
    if problem := checks.examples_problem(form.examples):
        return problem
    if provider_of(state) is None:
        return tr("Choose who teaches.")
    if lacks_key(state):
        return tr("The host has no key for {provider} yet.", provider=form.provider)
    if problem := checks.budget_problem(form.budget):
        return problem
    estimate = estimate_of(state)
    if estimate is None:
        return tr("The host works out what it will cost.")
    return estimate.error or ""


def cost_line(estimate: Estimate) -> str:
    """What an order will cost, in a few words."""
    if estimate.likely is None:
        return tr("The cost is not known")
    if estimate.likely == 0 and not estimate.high:
        return tr("Costs nothing")
    low, high = estimate.low, estimate.high
    if low is not None and high is not None and low < high:
        return tr("About {cost} ({low} to {high})", cost=money(estimate.likely), low=money(low), high=money(high))
    return tr("About {cost}", cost=money(estimate.likely))


def cost_details(estimate: Estimate) -> str:
    """What the host says about a cost, line by line, without what it says about a command's options."""
    return "\n".join(sentence for sentence in estimate.sentences if " --" not in sentence)


# --- lessons ---


def running_lesson(state: AppState) -> Lesson | None:
    """The lesson that the host works on; the first, where it works on several."""
    return next((lesson for lesson in state.host.lessons if lesson.running), None) if state.host else None


def lesson_pill(lesson: Lesson) -> tuple[str, str]:
    """How a lesson stands, as a word and its tone."""
    word, tone = WAITING if lesson.waiting else PILLS[lesson.state]
    return tr(word), tone


def strip_line(host: Host, lesson: Lesson, *, short: bool = False) -> str:
    """A running lesson in a few words, for the strip that every screen has. short: where large letters leave little room."""
    words = [percent(lesson.progress)]
    if not short:
        words.insert(0, tr("Teaching {tasks}", tasks=titles(host, lesson.tasks, 2)))
    if lesson.eta is not None:
        words.append(tr("{time} left", time=duration(lesson.eta)))
    return "  ·  ".join(words)


def preset_title(name: str) -> str:
    """One of the host's sets, as a button says it."""
    known = PRESETS.get(name)
    return tr(known) if known else name.replace("_", " ").capitalize()


def task_title(task: Task) -> str:
    """A task, as a box to tick says it."""
    return tr(task.title)


def titles(host: Host, tasks: tuple[str, ...], most: int = 3) -> str:
    """Tasks by the host's titles, the first ones by name."""
    known = {task.name: task_title(task) for task in host.offer.tasks}
    names = [known.get(name, name) for name in tasks]
    if len(names) > most:
        more = len(names) - most + 1
        listed = ", ".join(names[: most - 1])
        return ntr("{names} and {number} more", "{names} and {number} more", more, names=listed)
    if len(names) < 2:
        return names[0] if names else tr("nothing")
    return tr("{names} and {last}", names=", ".join(names[:-1]), last=names[-1])


def lesson_line(lesson: Lesson) -> str:
    """One line: who teaches how much."""
    each = ntr("{number} example per task", "{number} examples per task", lesson.examples)
    return "  ·  ".join((lesson.provider, each))


def lesson_facts(lesson: Lesson) -> tuple[tuple[str, str], ...]:
    """The figures of a lesson, as (name, value)."""
    wanted = lesson.examples * len(lesson.tasks)
    facts = [
        (tr("Accepted"), tr("{number:,} of {all:,}", number=lesson.accepted, all=wanted)),
        (tr("Rejected"), number(sum(count for _, count in lesson.rejected), ",")),
        (tr("Errors"), number(lesson.errors, ",")),
    ]
    if lesson.running:
        facts.append((tr("Rate"), tr("{number:,.0f} a minute", number=lesson.rate) if lesson.rate else "…"))
        facts.append((tr("Time left"), "…" if lesson.eta is None else duration(lesson.eta)))
    facts.append(
        (
            tr("Cost so far") if lesson.running else tr("Cost"),
            tr("not known") if lesson.cost is None else money(lesson.cost),
        )
    )
    return tuple(facts)


def reasons_line(lesson: Lesson) -> str:
    """Why examples were rejected, the most frequent reason first."""
    ranked = sorted(lesson.rejected, key=lambda pair: -pair[1])
    words = [f"{reason} {number(count)}" for reason, count in ranked[:SHOWN_REASONS]]
    return tr("Rejected: {reasons}", reasons=", ".join(words)) if words else ""


def datasets_line(lesson: Lesson) -> str:
    """What a finished lesson left on the host."""
    return tr("On the host: {names}", names=", ".join(name for _, name in lesson.datasets)) if lesson.datasets else ""


def percent(share: float) -> str:
    """0 to 1 as whole percent; 100 % only where all is done."""
    return number(int(min(1.0, max(0.0, share)) * 100 + 1e-9)) + " %"


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 1:
        return tr("under 1 s")
    if seconds < 90:
        return tr("{number:.0f} s", number=seconds)
    if seconds < 90 * 60:
        return tr("{number:.0f} min", number=seconds / 60)
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours < 48:
        return tr("{hours} h {minutes:02d} min", hours=hours, minutes=minutes)
    return ntr("{number} day", "{number} days", round(hours / 24))


def money(amount: float) -> str:
    """Dollars: cents, and more digits where it is less than a few of them."""
    if amount == 0 or amount >= 0.095:
        return f"${number(amount, ',.2f')}"
    return f"${number(amount, '.2g')}" if amount >= 0.0001 else tr("under $0.0001")
