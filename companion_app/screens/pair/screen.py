"""Pairing with a device or a host: an address, a one-time code, one button."""

from __future__ import annotations

from pathlib import Path

from kivy.app import App
from kivy.graphics.texture import Texture
from kivy.lang import Builder
from kivy.properties import BooleanProperty, NumericProperty, ObjectProperty, StringProperty

from companion_app.i18n import tr
from companion_app.screens.base import AppScreen
from companion_app.services.commands import DEFAULT_PORT
from companion_app.services.host_commands import HOST_PORT
from companion_app.state.model import AppState, Pairing
from companion_app.theme.widgets import Card, Row


class PairForm(AppScreen):
    """A pairing form; who it is for says what to do there."""

    busy = BooleanProperty(False)
    error = StringProperty("")
    intro = StringProperty("")
    address_hint = StringProperty("")
    code_label = StringProperty("")

    def pairing_of(self, state: AppState) -> Pairing:
        """Which pairing this form is about."""
        raise NotImplementedError

    def pair(self) -> None:
        """Send what is in the form."""
        raise NotImplementedError

    def show(self, state: AppState) -> None:
        pairing = self.pairing_of(state)
        self.busy = pairing.busy
        self.error = pairing.error or ""

    def on_pre_enter(self, *args: object) -> None:
        """What was typed here and is of use no more is in the state no more, such as a used code."""
        for field in (self.ids.address, self.ids.code):
            field.entry.on_draft()

    def on_enter(self, *args: object) -> None:
        """The first thing to type is the address."""
        field = self.ids.code if self.ids.address.text else self.ids.address
        field.entry.focus = True


class PictureRow(Row):
    """A picture on this machine; a press reads the code in it."""

    name = StringProperty("")
    path = StringProperty("")


class CodeCard(Card):
    """Pairing by a QR code: from a picture, or held before the camera."""

    busy = BooleanProperty(False)
    scanning = BooleanProperty(False)
    picture = ObjectProperty(None, allownone=True)
    ratio = NumericProperty(0.0)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._pictures: tuple[str, ...] = ()

    def show(self, pictures: tuple[str, ...]) -> None:
        """Let one of these be picked."""
        if pictures == self._pictures:
            return
        self._pictures = pictures
        self.ids.pictures.clear_widgets()
        for path in pictures:
            row = PictureRow(name=Path(path).name, path=path)
            row.bind(on_release=lambda row: App.get_running_app().registry.run("device.code", path=row.path))
            self.ids.pictures.add_widget(row)

    def read(self) -> None:
        """Read the picture that is named."""
        App.get_running_app().registry.run("device.code", path=self.ids.path.text)

    def scan(self) -> None:
        """Look through the camera, or stop that."""
        if self.scanning:
            App.get_running_app().devices.stop_scanning()
        else:
            App.get_running_app().devices.scan(self._see)

    def _see(self, width: int, height: int, pixels: bytes) -> None:
        if self.picture is None or self.picture.size != (width, height):
            self.picture = Texture.create(size=(width, height), colorfmt="rgb")
            self.picture.flip_vertical()
            self.ratio = height / width
        self.picture.blit_buffer(pixels, colorfmt="rgb", bufferfmt="ubyte")
        self.ids.view.canvas.ask_update()


class PairScreen(PairForm):
    """Pairing with a device."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.intro = tr(
            "On the device, run  enigma-edge pair  and type here what it prints. A code works once and for a few "
            "minutes. Or run  enigma-edge pair --qr  and show its code below."
        )
        self.address_hint = f"192.168.1.20:{DEFAULT_PORT}"
        self.code_label = tr("One-time code (not needed for a device on this machine)")

        self._invited: str | None = None
        self._code = CodeCard()
        self.ids.page.add_widget(self._code)

    def show(self, state: AppState) -> None:
        super().show(state)
        self._code.busy, self._code.scanning = state.pairing.busy, state.fleet.scanning
        self._code.show(state.fleet.pictures)
        if state.fleet.invited != self._invited:
            if self._invited is not None:  # else what is typed is in the field already
                self.ids.address.entry.text = state.fleet.invited
            self._invited = state.fleet.invited

    def on_pre_enter(self, *args: object) -> None:
        super().on_pre_enter(*args)
        self.app.devices.find_pictures()

    def on_leave(self, *args: object) -> None:
        """Nobody holds a code before the camera any more."""
        self.app.devices.stop_scanning()

    def pairing_of(self, state: AppState) -> Pairing:
        return state.pairing

    def pair(self) -> None:
        self.app.registry.run("device.pair", address=self.ids.address.text, code=self.ids.code.text)


class PairHostScreen(PairForm):
    """Pairing with the host that teaches."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.intro = tr(
            "A host writes training data with a big model's API, and keeps the API keys. On the host, run  "
            "enigma serve --pair  and type here what it prints. A code works once and for a few minutes."
        )
        self.address_hint = f"192.168.1.10:{HOST_PORT}"
        self.code_label = tr("One-time code")

    def pairing_of(self, state: AppState) -> Pairing:
        return state.host_pairing

    def pair(self) -> None:
        self.app.registry.run("host.pair", address=self.ids.address.text, code=self.ids.code.text)


Builder.load_file(str(Path(__file__).with_name("screen.kv")))
