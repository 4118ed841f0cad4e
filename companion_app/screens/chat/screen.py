"""Conversations with one model, or two beside each other."""

from __future__ import annotations

from pathlib import Path

from kivy.clock import Clock
from kivy.lang import Builder
from kivy.metrics import dp
from kivy.properties import BooleanProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

from companion_app.i18n import ntr, tr
from companion_app.screens.base import AppScreen
from companion_app.screens.chat.answer import TurnBox
from companion_app.screens.chat.knobs import KnobDiff, KnobPanel
from companion_app.screens.chat.listing import ChatList
from companion_app.services.chat_commands import ChatCommands
from companion_app.state.chat import Chat, Conversation, Model
from companion_app.state.chat_models import available, chosen, obstacle
from companion_app.state.model import AppState
from companion_app.theme.accessible import Role
from companion_app.theme.children import arrange, reveal
from companion_app.theme.widgets import Entry, Pressable

# From here on the list has its place beside the conversation.
WITH_LIST = 900
MOST_TURNS = 30  # on the page; earlier ones are in the file and in exports


class MessageEntry(Entry):
    """What is written: Enter sends it, Shift and Enter begin another line."""

    __events__ = ("on_send",)

    def on_send(self) -> None:
        """Enter was pressed."""

    def keyboard_on_key_down(
        self, window: object, keycode: tuple[int, str], text: str | None, modifiers: list[str]
    ) -> bool:
        if keycode[1] in ("enter", "numpadenter") and "shift" not in modifiers:
            self.dispatch("on_send")
            return True
        return bool(super().keyboard_on_key_down(window, keycode, text, modifiers))


class ModelRow(Pressable, BoxLayout):
    """A model that can be talked to; up to two are on."""

    role = Role("checkbox")
    text = StringProperty("")
    on = BooleanProperty(False)


class ChatScreen(AppScreen):
    """The open conversation, its knobs, and the list of all."""

    title = StringProperty("")
    explanation = StringProperty("")
    said = StringProperty("")
    votes = StringProperty("")
    wrong = BooleanProperty(False)
    running = BooleanProperty(False)
    can_send = BooleanProperty(False)
    narrow = BooleanProperty(False)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        ids = self.ids
        self._parts: dict[str, Widget] = {
            name: ids[name].__self__
            for name in (
                "list",
                "main",
                "lister",
                "tools",
                "setup",
                "renaming",
                "knobs",
                "exporting",
                "blind",
                "nobody",
            )
        }
        self._editing, self._picture = ids.editing.__self__, ids.picture.__self__
        self._diff = KnobDiff()
        self._panel = ""
        self._former = ""  # the message that is changed, as it was
        self._with_picture = bool(self._picture.entry.text)
        self._boxes: dict[int, TurnBox] = {}
        self._id: str | None = None
        self._edited: int | None = None
        self._models: tuple[Model, ...] | None = None
        self._state: AppState | None = None
        self._stick = True
        ids.page.bind(on_scroll_stop=self._scrolled)
        self._follow = Clock.create_trigger(self._to_newest)
        ids.page.column.bind(height=lambda *_: self._follow())
        ids.page.bind(height=lambda *_: self._follow())
        self.bind(width=lambda *_: self._again())

    @property
    def chats(self) -> ChatCommands:
        return self.app.chats

    def show(self, state: AppState) -> None:
        self._state = state
        chat, one = state.chat, state.chat.conversation
        self._show_list(chat)
        self._show_conversation(one)
        models = chosen(state)
        reason = obstacle(state, one, models)
        self.running = one is not None and one.running
        # Two answers beside each other need more room than one can read across.
        self.ids.page.widest = dp(1180) if len(models) == 2 else dp(820)
        alone = not available(state) and (one is None or not one.turns)  # the page says it, and leads on
        self.explanation = "" if self.running or alone else reason
        self.title = (one.title if one else "") or tr("New conversation")
        self.said, self.wrong = chat.said, chat.wrong
        self.votes = (
            ntr("{number} vote waits for the host.", "{number} votes wait for the host.", chat.waiting_votes)
            if chat.waiting_votes
            else ""
        )
        self._show_parts(state, one)
        self._judge()

    def on_enter(self, *args: object) -> None:
        """Whoever comes here wants to type."""
        self.ids.entry.focus = True

    def dropped(self, path: str) -> bool:
        """A file fell on the window: a conversation is imported, anything else goes along with the next message."""
        if path.lower().endswith(".json"):
            self.app.registry.run("chat.import", path=path)
        else:
            self._with_picture = True
            self._picture.entry.text = path
            self._again()
        return True

    def typed(self, text: str) -> None:
        """A person types."""
        self._judge()
        if self._edited is None:
            self.chats.typed(text)
        else:
            self.app.keep_draft(_edited_draft(self._edited), text, self._former)

    def go(self) -> None:
        """The button: stop what is being written, or send."""
        if self.running:
            self.app.registry.run("chat.stop")
        else:
            self.send()

    def send(self) -> None:
        """Send what is typed; it stays in the field where it can't go out."""
        text, picture = self.ids.entry.text, self._picture.entry.text if self._with_picture else ""
        if self._edited is not None:
            self.app.registry.run("chat.change", message=str(self._edited), text=text)
            return
        if self.app.registry.run("chat.send", text=text, picture=picture, as_message=False):
            self._stick, self._with_picture = True, False
            self._picture.entry.text = ""
            self.ids.entry.text = ""

    def begin(self) -> None:
        """A new conversation."""
        self._panel = ""
        self.app.registry.run("chat.new")

    def toggle(self, panel: str) -> None:
        """Show a panel, or hide it again."""
        if panel == "picture":
            self._with_picture = not self._with_picture
        else:
            self._panel = "" if self._panel == panel else panel
            self._stick = False
            if self._panel:
                self.ids.page.scroll_y = 1
        if panel == "rename":
            self.ids.name.entry.text = self.title if self._panel else ""
        self._again()

    def toggle_list(self) -> None:
        """In a narrow window: the list, or the conversation."""
        if self._state is not None:
            self.chats.show_list(not self._state.chat.listing)

    def toggle_blind(self) -> None:
        """Names are hidden, or not."""
        if self._state is not None:
            self.app.registry.run("chat.blind", blind=not self._state.chat.blind)

    def rename(self) -> None:
        """Take the typed title."""
        one = self._state.chat.conversation if self._state else None
        if one is not None:
            self.app.registry.run("chat.rename", id=one.id, title=self.ids.name.text)
        self.toggle("rename")

    def export(self, kind: str) -> None:
        """Write a file."""
        self.app.registry.run("chat.export", kind=kind)

    def import_file(self) -> None:
        """Read one."""
        self.app.registry.run("chat.import", path=self.ids.importing.text)

    def _again(self) -> None:
        if self._state is not None:
            self.show(self._state)

    def _judge(self) -> None:
        text = self.ids.entry.text.strip() or (self._with_picture and self._picture.text.strip())
        self.can_send = bool(text)

    def _show_list(self, chat: Chat) -> None:
        wide = self.width >= dp(WITH_LIST)
        self.narrow = not wide
        listing = self._parts["list"]
        assert isinstance(listing, ChatList)
        listing.size_hint_x, listing.width = (None, dp(272)) if wide else (1, self.width)
        shown = [listing, self._parts["main"]] if wide else [listing if chat.listing else self._parts["main"]]
        arrange(self.ids.across, shown)
        reveal(self.ids.bar, self._parts["lister"], not wide)
        listing.show(chat)

    def _show_conversation(self, one: Conversation | None) -> None:
        id = one.id if one is not None else None
        if id != self._id:
            before, self._id = self._id, id
            self._stick, self._edited = True, None
            self.ids.turns.clear_widgets()
            self._boxes.clear()
            draft = one.draft if one is not None else ""
            if self.ids.entry.text != draft and (before is not None or draft):
                self.ids.entry.text = draft
        turns = one.turns[-MOST_TURNS:] if one is not None else ()
        for gone in [number for number in self._boxes if all(turn.number != number for turn in turns)]:
            self.ids.turns.remove_widget(self._boxes.pop(gone))
        for turn in turns:
            box = self._boxes.get(turn.number)
            if box is None:
                box = self._boxes[turn.number] = TurnBox(turn.number)
                self.ids.turns.add_widget(box)
                self._stick = True
            assert one is not None
            box.show(one, turn, turn is turns[-1])

    def _show_parts(self, state: AppState, one: Conversation | None) -> None:
        chat = state.chat
        fresh = one is None or not one.turns
        parts = []
        if fresh and not available(state):
            parts.append(self._show_nobody(state))
        elif fresh:
            self._show_setup(state)
            parts.append(self._parts["setup"])
        if self._panel == "knobs":
            panel = self._parts["knobs"]
            assert isinstance(panel, KnobPanel)
            panel.show(one.knobs if one else Conversation("", ()).knobs)
            parts.append(panel)
        if self._panel == "rename":
            parts.append(self._parts["renaming"])
        if self._panel == "export":
            parts.append(self._parts["exporting"])
        column = self.ids.page.column
        arrange(column, [*parts, self.ids.turns.__self__, self.ids.waiting.__self__])
        notes = self.ids.told
        reveal(notes, self._diff, chat.turned is not None, top=False)
        if chat.turned is not None:
            self._diff.show(chat)
        reveal(notes, self._editing, chat.editing is not None, top=False)
        reveal(notes, self._picture, self._with_picture, top=False)
        if chat.editing != self._edited:
            if self._edited is not None:
                self.app.keep_draft(_edited_draft(self._edited), "")
            self._edited = chat.editing
            former = one.turn(chat.editing) if one is not None and chat.editing is not None else None
            self._former = former.text if former is not None else ""
            if chat.editing is not None:
                self.ids.entry.text = self.app.draft(_edited_draft(chat.editing), self._former)
            else:
                self.ids.entry.text = one.draft if one is not None else ""
            self.ids.entry.focus = True

    def _show_nobody(self, state: AppState) -> Widget:
        """Without a model to talk to: the way to one."""
        nobody = self._parts["nobody"]
        nobody.title, nobody.text = tr("Nobody to talk to yet"), obstacle(state, None, ())
        if state.devices:
            nobody.act, nobody.to = tr("Push a bundle"), "push"
        elif state.host is not None:
            nobody.act, nobody.to = tr("Train"), "train"
        else:
            nobody.act, nobody.to = tr("Pair a device"), "pair"
        return nobody

    def _show_setup(self, state: AppState) -> None:
        models, picked = available(state), chosen(state)
        rows = self.ids.models
        if models != self._models:
            self._models = models
            rows.clear_widgets()
            for model in models:
                row = ModelRow(text=model.label)
                row.bind(on_release=lambda _, model=model: self._pick(model))
                rows.add_widget(row)
        for model, row in zip(models, reversed(rows.children), strict=True):
            row.on = any((model.where, model.name) == (one.where, one.name) for one in picked)
        blind = self._parts["blind"]
        reveal(self.ids.setup, blind, len(picked) == 2, top=False)
        blind.on = state.chat.blind

    def _pick(self, model: Model) -> None:
        assert self._state is not None
        picked = chosen(self._state)
        if any((one.where, one.name) == (model.where, model.name) for one in picked):
            left = tuple(one for one in picked if (one.where, one.name) != (model.where, model.name))
            self.chats.pick(left or (model,))
        else:
            self.chats.pick((*picked, model)[-2:])

    def _scrolled(self, *_: object) -> None:
        page = self.ids.page
        self._stick = page.scroll_y < 0.02 or page.column.height <= page.height

    def _to_newest(self, *_: object) -> None:
        if self._stick:
            page = self.ids.page
            page.scroll_y = 0 if page.column.height > page.height and self._boxes else 1


def _edited_draft(turn: int) -> str:
    return f"chat.turn.{turn}"


Builder.load_file(str(Path(__file__).with_name("screen.kv")))
