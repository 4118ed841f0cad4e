"""What a person can have a device do: switch, go back, try, start and stop, restart; and how they sort devices."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path

from companion_app.i18n import tr
from companion_app.services.commands import Commands
from companion_app.services.device_code import CodeError, newest_pictures, read_camera
from companion_app.services.device_journal import read_journal
from companion_app.services.device_look import versions_from
from companion_app.services.link import sentence_of
from companion_app.services.remember import Memory, RememberError
from companion_app.services.sending import Answer, Sending
from companion_app.services.wire import as_list, as_number, as_text, request_for
from companion_app.services.work import Work
from companion_app.state import actions as act
from companion_app.state import fleet_actions as fact
from companion_app.state.fleet import MAX_TAGS, Label, Log, Sample, steerable
from companion_app.state.model import Device
from companion_app.state.store import Store
from edge_runtime.client import DeviceClient, EdgeError, NotFound

LABELS = "labels.json"
MAX_LABEL = 40
MAX_READING = 300
Preview = Callable[[int, int, bytes], None]
# Of an answer, what says how it came about rather than what it is.
_ASIDE = ("ms", "confidence", "unsure", "scores", "truncated", "answered_by", "usage")
_WORDS = ("text", "answer", "reply", "code", "transcript")


class DeviceCommands:
    """Each command returns at once and reports through the store; without an address it is for the current device."""

    def __init__(self, store: Store, memory: Memory, commands: Commands) -> None:
        self.camera: int | str = 0  # its number, or a film
        self._store = store
        self._memory = memory
        self._commands = commands
        self._work = Work(lambda sentence: store.dispatch(act.Noticed(sentence)))
        self._sending = Sending(store, commands.client, commands.poke)
        self._scanning: threading.Event | None = None

    def start(self) -> None:
        """Read how the devices are sorted."""
        try:
            document = self._memory.read(LABELS, tr("sort your devices again")) or {}
        except RememberError as error:
            self._store.dispatch(act.Noticed(str(error)))
            return
        kept = document.get("labels")
        for address, one in kept.items() if isinstance(kept, dict) else ():
            if isinstance(one, dict):
                tags = tuple(str(tag)[:MAX_LABEL] for tag in as_list(one.get("tags"))[:MAX_TAGS])
                self._store.dispatch(fact.Labelled(address, Label(str(one.get("group") or "")[:MAX_LABEL], tags)))

    async def close(self) -> None:
        """End what is under way."""
        self.stop_scanning()
        await self._work.close()

    def switch(self, specialist: str, bundle: str) -> None:
        """Let another version that lies on the device serve."""
        self._begin(
            f"switch {specialist}",
            lambda client, key: client.switch(specialist, bundle, key=key),
            lambda answer: _now_answers(specialist, answer),
            repeatable=True,
        )

    def roll_back(self, specialist: str) -> None:
        """Let the version before serve again."""
        device = self._store.state.device
        if device is None:
            return
        detail = self._store.state.fleet.details.get(device.address)
        if detail is not None and detail.versions is None and not steerable(detail):
            self._begin(
                f"switch {specialist}",
                lambda client, key: client.roll_back(specialist, key=key),
                lambda answer: _now_answers(specialist, answer),
            )
            return
        before: list[str] = []

        async def back(client: DeviceClient, key: str) -> Answer:
            # The device is asked which one that is, once: sent again, it is the same, so that twice is as once.
            if not before:
                lying = versions_from(await client.versions()).get(specialist, ())
                before.extend(one.bundle for one in lying if not one.active)
            if not before:
                raise NotFound(tr("{name} has no version before this one on the device.", name=specialist))
            return await client.switch(specialist, before[0], key=key)

        self._begin(f"switch {specialist}", back, lambda answer: _now_answers(specialist, answer), repeatable=True)

    def pipeline(self, pipeline: str, on: bool) -> None:
        """Start or stop a pipeline."""
        self._begin(
            f"pipeline {pipeline}",
            lambda client, key: (client.start_pipeline if on else client.stop_pipeline)(pipeline, key=key),
            lambda answer: tr("{name} runs.", name=pipeline) if on else tr("{name} is stopped.", name=pipeline),
            repeatable=True,
        )

    def check_updates(self) -> None:
        """Let the device ask its repository now."""
        self._begin(
            "updates",
            lambda client, key: client.check_updates(),
            lambda answer: tr("It asked its repository."),
            repeatable=True,
        )

    def restart(self) -> None:
        """Start the daemon on the device again."""
        self._begin(
            "restart",
            lambda client, key: client.restart(key=key),
            lambda answer: tr("It starts again; give it a moment."),
        )

    def reboot(self) -> None:
        """Start the whole machine again, where its owner lets that be done."""
        self._begin(
            "reboot",
            lambda client, key: client.restart("machine", key=key),
            lambda answer: tr("The machine starts again; that takes a minute."),
        )

    def forget(self, address: str) -> None:
        """Drop a device and its token from this machine, with how it was sorted."""
        self._commands.forget(address)
        self._keep_labels()

    def sample(self, specialist: str, sentence: str = "") -> None:
        """Try a specialist: with a sentence, or with the next of its golden vectors."""
        device = self._store.state.device
        if device is None:
            return
        known = self._store.state.fleet.samples.get((device.address, specialist))
        if known is not None and known.busy:
            return
        number = known.number if known else 0
        self._tried(device.address, specialist, Sample(asked=sentence, number=number))
        self._work.begin(self._sample(device, specialist, sentence.strip(), number))

    def read_log(self) -> None:
        """Fetch the device's journal."""
        device = self._store.state.device
        if device is None:
            return
        kept = self._store.state.fleet.log
        lines = kept.lines if kept.address == device.address else ()
        self._store.dispatch(fact.LogSeen(Log(device.address, True, lines)))
        self._work.begin(self._log(device.address))

    def label(self, group: str, tags: str) -> None:
        """Sort the current device: one group, and tags by commas or spaces."""
        device = self._store.state.device
        if device is None:
            return
        named = [tag.strip().lstrip("#")[:MAX_LABEL] for tag in tags.replace(",", " ").split()]
        kept = tuple(dict.fromkeys(tag for tag in named if tag.isprintable() and tag))[:MAX_TAGS]
        self._store.dispatch(fact.Labelled(device.address, Label(" ".join(group.split())[:MAX_LABEL], kept)))
        self._keep_labels()

    def try_now(self, address: str = "") -> None:
        """Connect again at once to a device that is away."""
        device = self._store.state.device
        if address or device is not None:
            self._commands.poke(address or (device.address if device else ""))

    def find_pictures(self) -> None:
        """See which pictures came last, so that one can be picked."""
        self._work.begin(self._find_pictures())

    def scan(self, preview: Preview) -> None:
        """Pair by the code that somebody holds before the camera. preview: gets the pictures, in the event loop."""
        if self._scanning is None and not self._store.state.pairing.busy:
            self._scanning = threading.Event()
            self._store.dispatch(fact.Scanning(True))
            self._work.begin(self._scan(self._scanning, preview))

    def stop_scanning(self) -> None:
        """Let the camera go."""
        if self._scanning is not None:
            self._scanning.set()

    def _begin(
        self,
        what: str,
        call: Callable[[DeviceClient, str], Awaitable[Answer]],
        said: Callable[[Answer], str],
        *,
        repeatable: bool = False,
    ) -> None:
        """Tell the current device, unless it is being told already."""
        device = self._store.state.device
        if device is None or (device.address, what) in self._store.state.fleet.busy:
            return
        self._store.dispatch(fact.CommandBegun(device.address, what))
        self._work.begin(self._send(device.address, what, call, said, repeatable))

    async def _send(
        self,
        address: str,
        what: str,
        call: Callable[[DeviceClient, str], Awaitable[Answer]],
        said: Callable[[Answer], str],
        repeatable: bool,
    ) -> None:
        try:
            answer = await self._sending.once(address, call, repeatable=repeatable)
        except (EdgeError, TimeoutError, OSError) as error:
            self._store.dispatch(fact.CommandEnded(address, what, sentence_of(error), failed=True))
            return
        self._store.dispatch(fact.CommandEnded(address, what, said(answer)))
        self._commands.poke(address)

    async def _sample(self, device: Device, specialist: str, sentence: str, number: int) -> None:
        expected = ""
        try:
            async with asyncio.timeout(20.0):
                client = self._commands.client(device.address)
                if sentence:
                    state = self._store.state
                    task = next((one.task for one in device.link.models if one.name == specialist), "")
                    request = request_for(task, sentence, state.inventory, state.area)
                else:
                    listed = [
                        one
                        for one in as_list((await client.samples(specialist)).get("samples"))
                        if isinstance(one, dict)
                    ]
                    if not listed:
                        raise OSError(tr("it has no sample that is short enough to be sent here"))
                    one = listed[number % len(listed)]
                    request, response = one.get("request") or {}, one.get("response") or {}
                    expected, sentence = reading(response), asked(request)
                answer = await client.run(specialist, request)
        except (EdgeError, TimeoutError, OSError) as error:
            self._tried(device.address, specialist, Sample(False, sentence, error=sentence_of(error), number=number))
            return
        made = Sample(False, sentence, expected, reading(answer), as_number(answer.get("ms")), number=number + 1)
        self._tried(device.address, specialist, made)
        self._commands.poke(device.address)

    async def _find_pictures(self) -> None:
        self._store.dispatch(fact.PicturesFound(await asyncio.to_thread(newest_pictures, Path.home())))

    async def _scan(self, stop: threading.Event, preview: Preview) -> None:
        loop = asyncio.get_running_loop()

        def show(width: int, height: int, pixels: bytes) -> None:
            loop.call_soon_threadsafe(preview, width, height, pixels)

        try:
            text = await asyncio.to_thread(read_camera, stop, show, self.camera)
        except CodeError as error:
            self._store.dispatch(act.PairingFailed(str(error)))
            return
        finally:
            stop.set()
            self._scanning = None
            self._store.dispatch(fact.Scanning(False))
        if text:
            self._commands.pair(text, "")

    async def _log(self, address: str) -> None:
        try:
            log = await read_journal(self._commands.client(address), address)
        except (EdgeError, TimeoutError, OSError) as error:
            log = replace(self._store.state.fleet.log, busy=False, error=sentence_of(error))
        if self._store.state.fleet.log.address == address:
            self._store.dispatch(fact.LogSeen(log))

    def _tried(self, address: str, specialist: str, sample: Sample) -> None:
        self._store.dispatch(fact.SampleSeen(address, specialist, sample))

    def _keep_labels(self) -> None:
        state = self._store.state
        known = {device.address for device in state.devices}
        kept = {
            address: {"group": label.group, "tags": list(label.tags)}
            for address, label in state.fleet.labels.items()
            if address in known and (label.group or label.tags)
        }
        try:
            self._memory.write(LABELS, {"labels": kept})
        except RememberError as error:
            self._store.dispatch(act.Noticed(str(error)))


def _now_answers(specialist: str, answer: Answer) -> str:
    return tr("{name} {version} answers now.", name=specialist, version=as_text(answer.get("version")))


def asked(request: Mapping[str, object]) -> str:
    """A request as a person reads it."""
    for name in ("text", "prompt", "problem", "question"):
        if isinstance(request.get(name), str):
            return as_text(request[name])
    return _compact({name: value for name, value in request.items() if name != "inventory"})


def reading(answer: Mapping[str, object]) -> str:
    """An answer as a person reads it, without how long it took or how sure it is."""
    calls = answer.get("calls")
    if isinstance(answer.get("label"), str):
        return as_text(answer["label"])
    if isinstance(calls, list) and calls:
        return "; ".join(_call(one) for one in calls if isinstance(one, dict))[:MAX_READING]
    for name in ("question", *_WORDS):
        if isinstance(answer.get(name), str) and answer[name]:
            return as_text(answer[name])
    return _compact({name: value for name, value in answer.items() if name not in _ASIDE})


def _call(one: Mapping[str, object]) -> str:
    return f"{as_text(one.get('name'))} {as_text(one.get('targets'))}".strip()


def _compact(value: Mapping[str, object]) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_READING else text[: MAX_READING - 1] + "…"
