"""One specialist of a device: its figures, live; its versions, to switch between; a sample, to try it."""

from __future__ import annotations

from pathlib import Path

from kivy.app import App
from kivy.lang import Builder
from kivy.properties import BooleanProperty, StringProperty

from companion_app.i18n import tr
from companion_app.state.describe import specialist_facts
from companion_app.state.fleet import Detail, Sample, Version
from companion_app.state.fleet_words import figures_line, sample_line
from companion_app.state.model import Specialist
from companion_app.theme.children import reveal
from companion_app.theme.widgets import Card, Choice, Fact, Facts

# Tasks that take a sentence; others are tried with what their makers left.
TYPED = ("robot", "router", "chat", "code", "math", "avatar", "game", "image_gen", "audio_gen", "video_gen", "3d_gen")


def show_facts(flow: Facts, facts: tuple[tuple[str, str], ...]) -> None:
    """Show these, as (name, value), in the widgets that are there as far as they go: figures change every other second."""
    there = flow.children[::-1]
    if [fact.name for fact in there] != [name for name, _ in facts]:
        flow.clear_widgets()
        there = [Fact(name=name) for name, _ in facts]
        for fact in there:
            flow.add_widget(fact)
    for fact, (_, value) in zip(there, facts, strict=True):
        fact.value = value


class SpecialistCard(Card):
    """One specialist. What is being typed in it stays, whatever the device tells."""

    name = StringProperty("")
    task = StringProperty("")
    figures = StringProperty("")
    may_ask = StringProperty("")
    may_switch = StringProperty("")
    switching = BooleanProperty(False)
    old = BooleanProperty(False)
    trying = BooleanProperty(False)
    asked = StringProperty("")
    answer = StringProperty("")
    outcome = StringProperty("")
    problem = StringProperty("")

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._versions: tuple[Version, ...] = ()
        self._parts = {name: self.ids[name].__self__ for name in ("sentence", "result", "versions_box")}

    def show(self, model: Specialist, detail: Detail | None, sample: Sample | None, switching: bool) -> None:
        """Bring it in line with what the device told."""
        self.task, self.switching = model.task, switching
        self.figures = figures_line(detail.figures.get(model.name) if detail else None)
        show_facts(self.ids.facts, specialist_facts(model))
        self.old = detail is None or detail.versions is None
        self._show_versions(detail.versions.get(model.name, ()) if detail and detail.versions else ())
        reveal(self.ids.sample, self._parts["sentence"], model.task in TYPED)
        self.trying = sample is not None and sample.busy
        self.asked = sample.asked if sample else ""
        self.answer = sample.answer if sample else ""
        self.problem = sample.error if sample else ""
        self.outcome = sample_line(sample) if sample else ""
        reveal(self.ids.sample, self._parts["result"], bool(sample and not sample.busy), top=False)

    def _show_versions(self, versions: tuple[Version, ...]) -> None:
        reveal(self.ids.versions_place, self._parts["versions_box"], len(versions) > 1)
        if versions == self._versions:
            return
        self._versions = versions
        row = self.ids.versions
        row.clear_widgets()
        for version in sorted(versions, key=lambda one: one.version, reverse=True):
            said = version.version or version.bundle.removeprefix("sha256:")[:12]
            choice = Choice(text=said, on=version.active, spoken=tr("Version {version}", version=said))
            choice.bind(on_release=lambda choice, bundle=version.bundle: self._switch(choice, bundle))
            row.add_widget(choice)

    def _switch(self, choice: Choice, bundle: str) -> None:
        if not choice.on:
            App.get_running_app().registry.run("device.switch", specialist=self.name, bundle=bundle)

    def run_sample(self) -> None:
        """Try it with what is typed, or with the next sample."""
        text = self.ids.sentence.text if self._parts["sentence"].parent else ""
        App.get_running_app().registry.run("device.sample", specialist=self.name, sentence=text)


Builder.load_file(str(Path(__file__).with_name("card.kv")))
