"""Making model files and bundles of runs, and fetching them from the host: for a device, or as a file."""

from __future__ import annotations

from pathlib import Path

from kivy.app import App
from kivy.lang import Builder
from kivy.properties import BooleanProperty, NumericProperty, StringProperty
from kivy.uix.widget import Widget

from companion_app.i18n import tr
from companion_app.screens.train.cards import JobRow
from companion_app.screens.train.release_commands import FORMS
from companion_app.state.bundles import FetchPhase, HostBundle
from companion_app.state.model import AppState
from companion_app.state.rollout_words import bundle_line, bundles_line, fetch_line
from companion_app.theme.children import arrange
from companion_app.theme.widgets import Card, Column

SHOWN_JOBS = 20
SHOWN_BUNDLES = 30  # of the newest; each has two buttons


class BundleRow(Column):
    """A bundle that lies on the host."""

    sha256 = StringProperty("")
    title = StringProperty("")
    line = StringProperty("")
    published = BooleanProperty(False)
    idle = BooleanProperty(True)

    def show(self, bundle: HostBundle, idle: bool) -> None:
        """Bring it in line."""
        self.sha256, self.title, self.line = bundle.sha256, bundle.name, bundle_line(bundle)
        self.published, self.idle = bundle.published, idle


class ExportRow(Column):
    """A model file that lies on the host."""

    sha256 = StringProperty("")
    title = StringProperty("")
    line = StringProperty("")
    idle = BooleanProperty(True)

    def show(self, file: HostBundle, idle: bool) -> None:
        """Bring it in line."""
        self.sha256, self.title, self.line, self.idle = file.sha256, file.name, bundle_line(file), idle


class ExportCard(Card):
    """Which run's model files are written, and those that lie on the host."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._rows: dict[str, ExportRow] = {}

    def show(self, state: AppState) -> None:
        """Bring it in line."""
        self.ids.run.options = [(name, name, "") for name in state.training.there]
        self.ids.form.options = [(value, tr(words), "") for value, words in FORMS]
        chosen, fetch = self.ids.run.value, state.bundles.fetch
        idle = fetch is None or not fetch.open
        rows = []
        for file in [one for one in state.bundles.exported or () if chosen in ("", one.specialist)][:SHOWN_BUNDLES]:
            row = self._rows.get(file.sha256)
            if row is None:
                row = self._rows[file.sha256] = ExportRow()
            row.show(file, idle)
            rows.append(row)
        arrange(self.ids.rows, rows)


class ReleaseCard(Card):
    """Which run becomes a bundle, and how that goes."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._jobs: dict[str, JobRow] = {}

    def show(self, state: AppState) -> None:
        """Bring it in line."""
        training = state.training
        self.ids.run.options = [(name, name, "") for name in training.there]
        rows = []
        for job in [one for one in training.jobs if one.kind == "release"][:SHOWN_JOBS]:
            row = self._jobs.get(job.id)
            if row is None:
                row = self._jobs[job.id] = JobRow()
                row.bind(on_release=lambda _, id=job.id: again(id))
            row.show(job, False)
            rows.append(row)
        arrange(self.ids.jobs, rows)


class BundlesCard(Card):
    """The bundles on the host, and the one that is on its way from there."""

    line = StringProperty("")
    repository = StringProperty("")
    damaged = StringProperty("")
    device = StringProperty("")
    busy = BooleanProperty(False)
    progress = StringProperty("")
    share = NumericProperty(0.0)
    done = StringProperty("")
    failed = StringProperty("")

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._rows: dict[str, BundleRow] = {}

    def on_kv_post(self, base: Widget) -> None:
        """What comes and goes is held, once it is made."""
        self._going, self._device = self.ids.going.__self__, self.ids.device.__self__

    def show(self, state: AppState) -> None:
        """Bring it in line."""
        bundles, fetch = state.bundles, state.bundles.fetch
        self.line, self.damaged = bundles_line(bundles), "\n".join(bundles.damaged[:3])
        self.repository = (
            tr("No updates are published from this host yet; 'enigma release init' there makes their repository.")
            if state.training.published is None
            else ""
        )
        self.device = state.device.name if state.device is not None else ""
        self.ids.device.options = [(one.address, one.name, one.role) for one in state.devices]
        self.ids.device.value = state.selected or ""
        arrange(self.ids.device_place, [self._device] if len(state.devices) > 1 and bundles.lying else [])
        self.busy, self.progress = fetch is not None and fetch.open, fetch_line(fetch)
        self.share = fetch.got / fetch.bundle.bytes if fetch is not None and fetch.bundle.bytes else 0.0
        ended = fetch is not None and not fetch.open
        message = f"{fetch.bundle.name}: {fetch.message}" if fetch is not None and ended else ""
        failed = fetch is not None and fetch.phase is FetchPhase.FAILED
        self.failed, self.done = (message, "") if failed else ("", message)
        arrange(self.ids.going_place, [self._going] if self.busy else [])
        rows = []
        for bundle in bundles.lying[:SHOWN_BUNDLES]:
            row = self._rows.get(bundle.sha256)
            if row is None:
                row = self._rows[bundle.sha256] = BundleRow()
            row.show(bundle, not self.busy)
            rows.append(row)
        arrange(self.ids.rows, rows)


def again(id: str) -> None:
    """A release that failed is tried again by a press; one that runs is ended."""
    app = App.get_running_app()
    job = next((one for one in app.store.state.training.jobs if one.id == id), None)
    if job is not None and job.resumable:
        app.registry.run("release.resume", id=id)
    elif job is not None and job.open:
        app.registry.run("release.cancel", id=id)


Builder.load_file(str(Path(__file__).with_name("releases.kv")))
