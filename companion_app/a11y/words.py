"""What is said of a widget, in the person's language."""

from __future__ import annotations

from companion_app.a11y.nodes import Node
from companion_app.i18n import N_, tr

ROLE_WORDS = {
    "alert": "",
    "button": N_("button"),
    "checkbox": N_("check box"),
    "combobox": N_("list to choose from"),
    "dialog": N_("dialog"),
    "heading": N_("heading"),
    "link": N_("link"),
    "listitem": N_("item of a list"),
    "option": N_("item of a list"),
    "password": N_("text field, hidden"),
    "radio": N_("one of several"),
    "searchbox": N_("search field"),
    "slider": N_("slider"),
    "spinbutton": N_("number field"),
    "switch": N_("switch"),
    "tab": N_("tab"),
    "textbox": N_("text field"),
}


def sentence_of(node: Node) -> str:
    """Its name, what it is, how it stands, and what there is to say about it."""
    return ". ".join(
        part for part in (node.name, tr(ROLE_WORDS.get(node.role, "")), state_of(node), node.description) if part
    )


def state_of(node: Node) -> str:
    """How it stands: its value, whether it is on, whether it can be used."""
    parts = [_value(node)]
    if node.checked is not None:
        parts.append(tr("on") if node.checked else tr("off"))
    if node.selected:
        parts.append(tr("chosen"))
    if node.expanded is not None:
        parts.append(tr("open") if node.expanded else tr("closed"))
    if node.invalid:
        parts.append(tr("not right"))
    if node.disabled:
        parts.append(tr("can't be used now"))
    return ", ".join(part for part in parts if part)


def _value(node: Node) -> str:
    if node.role == "password":
        return tr("filled in") if node.edited is not None and node.edited.shown else tr("empty")
    if node.edited is not None:
        return node.edited.shown or tr("empty")
    if node.number is not None:
        share = (node.number.value - node.number.least) / ((node.number.most - node.number.least) or 1)
        return tr("{percent} percent", percent=round(100 * share))
    return node.value
