"""Updates that want a signature, in words: what the screen prints."""

from __future__ import annotations

from companion_app.i18n import ntr, tr
from companion_app.i18n.figures import day, number
from companion_app.state.describe import human_bytes
from companion_app.state.signing import Ask, Bundle

GROUP = 4  # hex digits that an eye compares at once
GROUPS_A_LINE = 4
ROOT, TARGETS = "root", "targets"


def title_of(ask: Ask) -> str:
    """What it is about, in a few words."""
    if ask.role == ROOT:
        return tr("Whose keys count")
    if ask.role == TARGETS:
        return tr("Who may publish models")
    if len(ask.bundles) == 1:
        return f"{ask.bundles[0].specialist} {ask.bundles[0].version}"
    if ask.bundles:
        return ntr("{number} model", "{number} models", len(ask.bundles))
    return tr("Models of the task {task}", task=ask.role.removeprefix("models/"))


def facts_of(ask: Ask) -> tuple[tuple[str, str], ...]:
    """What a card lists, as (name, value)."""
    facts = [(tr("Role"), ask.role), (tr("Its version"), str(ask.version))]
    if ask.need:
        facts.append((tr("Signatures"), tr("{number:,} of {all:,}", number=ask.have, all=ask.need)))
    if ask.expires is not None:
        facts.append((tr("Counts until"), day(ask.expires)))
    return tuple(facts)


def bundle_facts(bundle: Bundle) -> tuple[tuple[str, str], ...]:
    """What is known of one bundle, as (name, value)."""
    return (tr("Task"), bundle.task), (tr("Size"), human_bytes(bundle.size))


def scores_line(bundle: Bundle) -> str:
    """How it did in the gate; empty where the host doesn't say."""
    said = ", ".join(
        tr("{percent} % right in {runtime}", percent=number(share * 100, ".1f"), runtime=runtime)
        for runtime, share in bundle.scores
    )
    return tr("Its gate, as the host says: {said}.", said=said) if said else ""


def other_changes(ask: Ask) -> tuple[str, ...]:
    """The sentences that no bundle's own part of the card tells."""
    told = tuple(f"Adds {one.specialist} {one.version} (" for one in ask.bundles)
    return tuple(line for line in ask.changes if not told or not line.startswith(told))


def who_asks(address: str, name: str) -> str:
    """Whose wish it is."""
    return tr("{name} asks for it ({address}).", name=name, address=address.partition("://")[2])


def not_covered(ask: Ask) -> str:
    """What the signature says nothing about; empty for what concerns keys alone."""
    if not ask.role.startswith("models/"):
        return ""
    return tr(
        "Which devices get it, and in which stages, the host decides afterwards by 'enigma rollout'; your signature says "
        "only that it may be given out."
    )


def first_line(ask: Ask) -> str:
    """That there is nothing to compare with; empty where there is."""
    return tr("This machine never signed this role before, so everything in it is listed.") if ask.first else ""


def grouped(hexed: str) -> str:
    """Hex in short groups, four on a line."""
    groups = [hexed[at : at + GROUP] for at in range(0, len(hexed), GROUP)]
    lines = [groups[at : at + GROUPS_A_LINE] for at in range(0, len(groups), GROUPS_A_LINE)]
    return "\n".join("  ".join(line) for line in lines)


def begin_command(public: str) -> str:
    """How a host begins a repository that needs this machine's signature."""
    return f"enigma release init --cosigner {public} --root-key PAPER"


def replace_command(public: str) -> str:
    """How a host puts this machine's key in the place of another co-signer's."""
    return f"enigma release rotate cosigner --old OLD --new {public}"


def signed_line(ask: Ask) -> str:
    """What is done now."""
    left = ask.need - ask.have - 1
    more = (
        tr("It is in force.")
        if left <= 0
        else ntr("It still needs {number} more.", "It still needs {number} more.", left)
    )
    return tr("Signed: {title} (version {version}). {more}", title=title_of(ask), version=ask.version, more=more)
