"""From our nodes to accesskit's."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise

import accesskit
from accesskit import Action, Affine, HasPopup, Invalid, Live, Rect, Role, TextPosition, TextSelection, Toggled

from companion_app.a11y.nodes import Edited, Node
from companion_app.i18n import tr

# The window's own node; Kivy counts widgets from 1.
WINDOW = 0
# Lines of a text field have no widget: their ids are its own, and these bits.
_LINE = 32
ROLES = {
    "": Role.GENERIC_CONTAINER,
    "alert": Role.ALERT,
    "button": Role.BUTTON,
    "checkbox": Role.CHECK_BOX,
    "combobox": Role.COMBO_BOX,
    "dialog": Role.DIALOG,
    "form": Role.FORM,
    "group": Role.GROUP,
    "heading": Role.HEADING,
    "image": Role.IMAGE,
    "label": Role.LABEL,
    "link": Role.LINK,
    "list": Role.LIST,
    "listitem": Role.LIST_ITEM,
    "log": Role.LOG,
    "main": Role.MAIN,
    "navigation": Role.NAVIGATION,
    "option": Role.LIST_BOX_OPTION,
    "password": Role.PASSWORD_INPUT,
    "progressbar": Role.PROGRESS_INDICATOR,
    "radio": Role.RADIO_BUTTON,
    "searchbox": Role.SEARCH_INPUT,
    "slider": Role.SLIDER,
    "spinbutton": Role.NUMBER_INPUT,
    "status": Role.STATUS,
    "switch": Role.SWITCH,
    "tab": Role.TAB,
    "textbox": Role.TEXT_INPUT,
}
LIVE = {"off": Live.OFF, "polite": Live.POLITE, "assertive": Live.ASSERTIVE}


def tree_update(nodes: Iterable[tuple[int, Node]], focus: int, window: accesskit.Node | None) -> accesskit.TreeUpdate:
    """What has changed; window: its node where that is new too."""
    update = accesskit.TreeUpdate(focus)
    # The binding copies its list out, so it is set whole.
    changed = [pair for number, node in nodes for pair in _with_lines(number, node)]
    if window is not None:
        changed.append((WINDOW, window))
        tree = accesskit.Tree(WINDOW)
        tree.toolkit_name = "Kivy"
        update.tree = tree
    update.nodes.extend(changed)
    return update


def window_node(title: str, language: str, height: float, width: float, children: tuple[int, ...]) -> accesskit.Node:
    """The node of the window. height, width: in pixels."""
    node = accesskit.Node(Role.WINDOW)
    node.set_label(title)
    node.set_language(language)
    node.set_bounds(Rect(0, 0, width, height))
    # Kivy counts from the bottom, accesskit from the top.
    node.set_transform(Affine([1, 0, 0, -1, 0, height]))
    node.set_children(list(children))
    return node


def _with_lines(number: int, node: Node) -> Iterator[tuple[int, accesskit.Node]]:
    lines = list(_lines(node.edited)) if node.edited else []
    made = _made(node)
    if node.edited is not None:
        ids = [number | (at + 1) << _LINE for at in range(len(lines))]
        made.set_children([*node.children, *ids])
        ends = [_position(lines, ids, index) for index in (node.edited.anchor, node.edited.caret)]
        made.set_text_selection(TextSelection(*ends))
        for line, text in zip(ids, lines, strict=True):
            yield line, _text_run(text, node)
    yield number, made


def _lines(edited: Edited) -> Iterator[str]:
    lines = edited.shown.split("\n")
    yield from (line + "\n" for line in lines[:-1])
    yield lines[-1]


def _position(lines: list[str], ids: list[int], index: int) -> TextPosition:
    for line, text in zip(ids, lines, strict=True):
        if index < len(text) or line == ids[-1]:
            return TextPosition(line, min(index, len(text)))
        index -= len(text)
    raise AssertionError("a text has a line")


def _text_run(text: str, node: Node) -> accesskit.Node:
    run = accesskit.Node(Role.TEXT_RUN)
    run.set_value(text)
    run.set_character_lengths([len(letter.encode("utf-8")) for letter in text])
    words = _word_lengths(text)
    if all(length < 256 for length in words):
        run.set_word_lengths(words)
    run.set_bounds(Rect(*node.box))
    return run


def _word_lengths(text: str) -> list[int]:
    """How long each word is with what follows it up to the next one; together they are the whole text."""
    starts = [at for at, letter in enumerate(text) if at == 0 or (not letter.isspace() and text[at - 1].isspace())]
    return [end - start for start, end in pairwise([*starts, len(text)])]


def _made(node: Node) -> accesskit.Node:
    made = accesskit.Node(ROLES[node.role])
    if node.role == "label":
        made.set_value(node.name)  # as accesskit wants it of a label
    elif node.name:
        made.set_label(node.name)
    if node.value and node.edited is None:
        made.set_value(node.value)
    if node.edited is not None:
        made.set_value(node.edited.shown)
    # accesskit 0.7 tells AT-SPI only of fields that they can't be used, and of buttons that they can.
    unusable = tr("can't be used now") if node.disabled and sys.platform == "linux" else ""
    if node.description or unusable:
        made.set_description(". ".join(part for part in (node.description, unusable) if part))
    if node.placeholder and node.placeholder != node.name:
        made.set_placeholder(node.placeholder)
    made.set_bounds(Rect(*node.box))
    if any(node.shift):
        made.set_transform(Affine([1, 0, 0, 1, *node.shift]))
    made.set_children(list(node.children))
    if node.live != "off":
        made.set_live(LIVE[node.live])
        made.set_live_atomic()
    _add_state(made, node)
    _add_actions(made, node)
    return made


def _add_state(made: accesskit.Node, node: Node) -> None:
    if node.disabled:
        made.set_disabled()
    if node.invalid:
        made.set_invalid(Invalid.TRUE)
    if node.modal:
        made.set_modal()
    if node.checked is not None:
        made.set_toggled(Toggled.TRUE if node.checked else Toggled.FALSE)
    if node.selected is not None:
        made.set_selected(node.selected)
    if node.expanded is not None:
        made.set_expanded(node.expanded)
    if node.role == "combobox":
        made.set_has_popup(HasPopup.LISTBOX)
    if node.number is not None:
        made.set_numeric_value(node.number.value)
        made.set_min_numeric_value(node.number.least)
        made.set_max_numeric_value(node.number.most)
        if node.number.step:
            made.set_numeric_value_step(node.number.step)


def _add_actions(made: accesskit.Node, node: Node) -> None:
    if node.role in ("", "label", "heading"):
        return
    # The same also while it can't be used: clients of AT-SPI ask only once what a node can do.
    made.add_action(Action.SCROLL_INTO_VIEW)
    if node.focusable:
        made.add_action(Action.FOCUS)
    if node.pressable:
        made.add_action(Action.CLICK)
    if node.edited is not None or (node.number is not None and node.number.step):
        made.add_action(Action.SET_VALUE)
    if node.number is not None and node.number.step:
        made.add_action(Action.INCREMENT)
        made.add_action(Action.DECREMENT)
