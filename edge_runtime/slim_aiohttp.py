"""Imports aiohttp's server alone: a daemon that answers, and asks nobody, needs neither its client nor certificates.

`import aiohttp` loads the client too, with what parses cookies, forms and addresses for it, and the system's
certificates: 60 to 100 ms of a start and 4 MB. Here the package stands for itself until somebody wants more of it than
the server; then it is loaded whole, and nobody need know.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from email._policybase import Compat32
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

NAME = "aiohttp"
# Packings of bodies that aiohttp takes where these happen to be installed. No client of ours uses them, and what a
# device takes shouldn't hang on what else it has. gzip and deflate stay.
_PACKINGS = ("brotlicffi", "brotli", "backports.zstd", "compression.zstd")
# Modules of which aiohttp's server wants these functions alone: of a listing of files, and of a client behind a proxy.
_SELDOM = {"html": ("escape",), "urllib.request": ("getproxies", "proxy_bypass")}
# And one of which it wants HTTP alone, to read content types; that brings a parser of all that an e-mail's head may say.
_POLICY = "email.policy"
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_VERSION = re.compile(r'^__version__ = "([^"]+)"', re.MULTILINE)
_loading = threading.RLock()


class _ServerAlone(ModuleType):
    """The package without its own content; the first name of it that somebody asks for loads that."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        with _loading:
            if isinstance(self, _ServerAlone):
                self.__class__ = ModuleType  # type: ignore[assignment]  # a module again, and no more
                load_whole(self)
        return getattr(self, name)


class _Plain(Compat32):
    """Headers as they came."""

    def header_fetch_parse(self, name: str, value: str) -> str:
        return value


def load_whole(package: ModuleType) -> None:
    """Run the package's own code in it, as an import does."""
    spec = package.__spec__
    assert spec is not None and spec.loader is not None
    spec.loader.exec_module(package)


def import_server() -> None:
    """Import `aiohttp.web` alone; nothing where aiohttp is loaded already, all of it where this version can't so."""
    if NAME in sys.modules or (spec := importlib.util.find_spec(NAME)) is None or (version := _version(spec)) is None:
        return
    package = importlib.util.module_from_spec(spec)
    package.__dict__["__version__"] = version
    sys.modules[NAME] = package
    try:
        with without_packings(), _seldom_later():
            importlib.import_module(f"{NAME}.web")
    except (ImportError, AttributeError):  # its server needs more of the package: the usual import loads that
        for name in [each for each in sys.modules if each == NAME or each.startswith(f"{NAME}.")]:
            del sys.modules[name]
        return
    package.__class__ = _ServerAlone


def import_all() -> None:
    """Import the client too, for a daemon that will ask others, without the system's certificates.

    What calls out from the daemon over TLS brings its own context (`ssl.create_default_context()`); aiohttp's default
    one trusts nobody here. Saves 60 to 90 ms of the start and 2 MB.
    """
    former = {name: os.environ.get(name) for name in _CERTIFICATES}
    os.environ.update(dict.fromkeys(_CERTIFICATES, os.devnull))
    try:
        with without_packings():
            importlib.import_module(f"{NAME}.web")
    finally:
        for name, value in former.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def without_packings() -> Iterator[None]:
    """Let imports of `_PACKINGS` fail that aren't loaded yet."""
    hidden = [name for name in _PACKINGS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: "there is no such module"
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


@contextlib.contextmanager
def _seldom_later() -> Iterator[None]:
    """Let imports of `_SELDOM` give functions that load their module once they are called, and of `_POLICY` a plain one.

    With what these modules load themselves they take 1.3 MB.
    """
    absent = [name for name in (*_SELDOM, _POLICY) if name not in sys.modules]
    for name in absent:
        sys.modules[name] = stand_in = ModuleType(name)
        for function in _SELDOM.get(name, ()):
            setattr(stand_in, function, _loads(name, function))
        if name == _POLICY:
            stand_in.__dict__["HTTP"] = _Plain(linesep="\r\n")
    try:
        yield
    finally:
        for name in absent:
            sys.modules.pop(name, None)


def _loads(module: str, function: str) -> Callable[..., object]:
    def call(*given: object, **named: object) -> object:
        return getattr(importlib.import_module(module), function)(*given, **named)

    return call


def _version(spec: ModuleSpec) -> str | None:
    """What the package says of itself, which its server tells clients; None where it can't be read so."""
    if spec.origin is None:
        return None
    try:
        with Path(spec.origin).open(encoding="utf-8") as source:
            found = _VERSION.search(source.read(2048))
    except (OSError, ValueError):
        return None
    return found[1] if found else None
