"""Cards of the settings: whom the app is paired with, its backups, and its own version."""

from __future__ import annotations

from pathlib import Path

from kivy.app import App
from kivy.lang import Builder
from kivy.properties import BooleanProperty, ObjectProperty, StringProperty

from companion_app.i18n import ntr, tr
from companion_app.i18n.figures import day_of
from companion_app.state.accounts import Account, Other
from companion_app.state.describe import human_bytes
from companion_app.state.upkeep import Backup, Version
from companion_app.theme.children import arrange, reveal
from companion_app.theme.widgets import Card, Choice, Column, Pressable


class OtherRow(Column):
    """One pairing of a device or the host; `leaving` asks whether to end it."""

    other = ObjectProperty(None)
    address = StringProperty("")
    name = StringProperty("")
    about = StringProperty("")
    leaving = BooleanProperty(False)

    def __init__(self, address: str, other: Other, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.address, self.other = address, other
        limits = f" · {other.limits}" if other.limits else ""
        since = tr("since {day}", day=day_of(other.since)) if other.since else ""
        self.name, self.about = other.name, " · ".join(part for part in (other.scope, since) if part) + limits
        self._confirm = self.ids.confirm.__self__
        self.bind(leaving=lambda *_: reveal(self, self._confirm, self.leaving, top=False))
        reveal(self, self._confirm, False)


class AccountRow(Column):
    """Our pairing with one device or the host, and who else has one there."""

    name = StringProperty("")
    about = StringProperty("")
    problem = StringProperty("")
    others = StringProperty("")

    def show(self, account: Account) -> None:
        """Bring it in line with the state."""
        self.name = account.name
        where = account.address.removeprefix("http://").removeprefix("https://")
        scope = tr("open on this machine") if account.scope == "open" else account.scope or tr("scope not known")
        since = tr("since {day}", day=day_of(account.since)) if account.since else ""
        self.about = " · ".join(part for part in (where, scope, since) if part)
        self.problem = account.problem
        rows = account.others or ()
        self.others = (
            ntr("{number} pairing there, this one too", "{number} pairings there, this one too", len(rows))
            if rows
            else ""
        )
        arrange(self.ids.rows, [OtherRow(account.address, other) for other in rows])


class AccountsCard(Card):
    """All of them."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._shown: tuple[Account, ...] | None = None

    def show(self, accounts: tuple[Account, ...]) -> None:
        """Bring it in line with the state; what is asked stays open as long as nothing changed."""
        if accounts == self._shown:
            return
        self._shown = accounts
        rows = []
        for account in accounts:
            row = AccountRow()
            row.show(account)
            rows.append(row)
        arrange(self.ids.rows, rows)
        self.ids.none.text = "" if accounts else tr("It isn't paired with anything yet.")


class BackupCard(Card):
    """A file of all that the app keeps. `way`: save or restore, empty while it is closed."""

    way = StringProperty("")
    with_chats = BooleanProperty(False)
    busy = BooleanProperty(False)
    said = StringProperty("")
    failed = BooleanProperty(False)
    holds = StringProperty("")

    def on_kv_post(self, base_widget: object) -> None:
        """The rule has made the parts."""
        self._form = self.ids.form.__self__
        self._for_new = [self.ids[name].__self__ for name in ("again", "chats")]
        self._opened = self.ids.opened.__self__
        for way, name in (("save", tr("Make a backup")), ("restore", tr("Bring one back"))):
            choice = Choice(text=name)
            choice.bind(on_release=lambda _, way=way: self.pick(way))
            self.bind(way=lambda _, now, choice=choice, way=way: setattr(choice, "on", now == way))
            self.ids.ways.add_widget(choice)
        self._arrange()

    def pick(self, way: str) -> None:
        """Open one of the two forms, or close it."""
        self.forget()
        App.get_running_app().upkeep.pick_backup("" if self.way == way else way)

    def forget(self) -> None:
        """Empty the passphrases."""
        for name in ("passphrase", "again"):
            self.ids[name].forget()

    def show(self, backup: Backup) -> None:
        """Bring it in line with the state."""
        done = self.busy and not backup.busy and not backup.failed
        self.with_chats, self.way, self.busy, self.said, self.failed = (
            backup.with_chats,
            backup.way,
            backup.busy,
            backup.said,
            backup.failed,
        )
        self.holds = "\n".join(backup.holds)
        if done:
            self.forget()
        self._arrange()

    def _arrange(self) -> None:
        reveal(self.ids.open, self._form, bool(self.way) and not self.holds)
        arrange(self.ids.only, self._for_new if self.way == "save" else [])
        reveal(self.ids.preview, self._opened, bool(self.holds))


class VersionCard(Card):
    """This version, and a newer one where there is one."""

    own = StringProperty("")
    about = StringProperty("")
    said = StringProperty("")
    failed = BooleanProperty(False)
    busy = BooleanProperty(False)
    newer = BooleanProperty(False)

    def on_kv_post(self, base_widget: object) -> None:
        """The rule has made the parts."""
        self._look, self._fetch = self.ids.look.__self__, self.ids.fetch.__self__
        self._follow = self.ids.follow.__self__

    def show(self, version: Version) -> None:
        """Bring it in line with the state."""
        self.own = tr("Enigma {version}", version=version.own)
        self.about = (
            tr("It looks for newer versions at {place}.", place=version.place)
            if version.place
            else tr(
                "It follows no repository of updates yet; a person who publishes one gives its address and its root metadata."
            )
        )
        self.said, self.failed, self.busy = version.said, version.failed, version.busy
        self.newer = bool(version.newest and version.size and not version.file)
        acts: list[Pressable] = [self._look] if version.place else []
        if self.newer:
            acts.append(self._fetch)
            self._fetch.text = tr("Fetch it ({size})", size=human_bytes(version.size))
        arrange(self.ids.acts, [*acts, self._follow])


Builder.load_file(str(Path(__file__).with_name("upkeep.kv")))
