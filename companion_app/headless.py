"""Commands of the registry without a window, for the command line: one runs, what it says is printed, and all is closed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence

from companion_app.arguments import ArgumentError, read_arguments
from companion_app.core_commands import commands
from companion_app.i18n import tr
from companion_app.registry import Command, CommandError, Registry
from companion_app.screens.chat.commands import commands as chat_commands
from companion_app.start import Options, Services
from companion_app.state import actions as act
from companion_app.state.model import AppState
from companion_app.state.phase import Phase

# For a command to be done: a large bundle takes a while to be pushed.
DEADLINE = 330.0
# For the device or the host to be there, as far as the command needs it.
CONNECT_DEADLINE = 20.0
Look = Callable[[AppState], object]


def listed(options: Options) -> str:
    """The commands that run without a window, one a line, with what they take."""
    lines = []
    for command in sorted(_registry(Services(options)), key=lambda one: one.name):
        if command.told is not None:
            takes = [
                f"[--{name} …]" if "default" in rules else f"--{name} …"
                for name, rules in ((key.replace("_", "-"), rules) for key, rules in command.arguments.items())
            ]
            yes = ["--yes"] if command.dangerous else []
            lines.append(f"{' '.join([command.name, *takes, *yes]):<48}  {tr(command.title)}")
    return "\n".join(lines)


async def run(options: Options, name: str, words: Sequence[str]) -> str:
    """Run one command; returns what it says, as text or JSON.

    words: its arguments as `--name value`, and `--yes` for one that can't be undone. Raises `CommandError` with a
    sentence.
    """
    services = Services(options)
    registry = _registry(services)
    if name not in registry:
        raise CommandError(tr("There is no command {name}; 'enigma-companion commands' lists them.", name=name))
    command = registry[name]
    if command.told is None:
        raise CommandError(
            tr("{name} needs the window; 'enigma-companion commands' lists those that don't.", name=name)
        )
    texts, yes = _pairs(words)
    if command.dangerous and not yes:
        raise CommandError(tr("“{title}” can't be undone; add --yes if it is meant.", title=tr(command.title)))
    try:
        arguments = read_arguments(command.arguments, texts)
    except ArgumentError as error:
        raise CommandError(f"{name}: {error}") from None
    services.start()
    try:
        await _until(services, lambda state: _ready(registry, command, state), CONNECT_DEADLINE)
        services.store.dispatch(act.Noticed(None))
        registry.run(name, **arguments)
        said = await _until(services, lambda state: _told(command, state), DEADLINE)
    finally:
        await services.close()
    return said if isinstance(said, str) else json.dumps(said, ensure_ascii=False, indent=1)


def _registry(services: Services) -> Registry:
    store = services.store
    registry = Registry(lambda: store.state, lambda said: store.dispatch(act.Noticed(said)))
    registry.add(*commands(services), *chat_commands(services))
    return registry


def _pairs(words: Sequence[str]) -> tuple[Mapping[str, str], bool]:
    """`--name value` and `--name=value`, with - or _ in a name, and whether `--yes` was among them."""
    texts: dict[str, str] = {}
    left, yes = list(words), False
    while left:
        word = left.pop(0)
        if word == "--yes":
            yes = True
            continue
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not (equals or left):
            raise CommandError(tr("Give arguments as --name value; “{word}” isn't one.", word=word))
        texts[name.replace("-", "_")] = value if equals else left.pop(0)
    return texts, yes


def _ready(registry: Registry, command: Command, state: AppState) -> object:
    """True where the command can run; None as long as a connection that it may need is being made."""
    reason = registry.why_not(command)
    if not reason:
        return True
    device, host = state.device, state.host
    phase = host.phase if command.of == "host" and host else device.link.phase if device else None
    if phase is Phase.CONNECTING:
        return None
    error = host.error if command.of == "host" and host else device.link.error if device else None
    raise CommandError(error if phase is Phase.WAITING and error else reason)


def _told(command: Command, state: AppState) -> object:
    assert command.told is not None
    if state.notice:
        raise CommandError(state.notice)
    return command.told(state)


async def _until(services: Services, look: Look, deadline: float) -> object:
    """What `look` finds in the state, as soon as it finds something."""
    changed = asyncio.Event()
    stop = services.store.listen(lambda state: changed.set())
    try:
        async with asyncio.timeout(deadline):
            while (found := look(services.store.state)) is None:
                changed.clear()
                await changed.wait()
            return found
    except TimeoutError:
        raise CommandError(tr("That took more than {seconds} seconds.", seconds=round(deadline))) from None
    finally:
        stop()
