"""aiohttp's server alone, and the rest of it as soon as somebody wants it."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

from .conftest import edge_environment


def said_by(script: str) -> list[str]:
    """The lines that a script prints in a process of its own, where aiohttp isn't loaded yet."""
    done = subprocess.run([sys.executable, "-c", script], env=edge_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_server_comes_alone_and_the_client_with_the_first_who_wants_it() -> None:
    script = """
import sys
from edge_runtime.slim_aiohttp import import_server
import_server()
from aiohttp import web
import aiohttp
print("aiohttp.client" in sys.modules, aiohttp.__version__, aiohttp.http.SERVER_SOFTWARE.endswith(aiohttp.__version__))
from aiohttp import ClientError
print("aiohttp.client" in sys.modules, type(aiohttp).__name__, aiohttp.ClientSession.__module__)
print(aiohttp.web is web, aiohttp.web.Application is web.Application, issubclass(aiohttp.ClientError, ClientError))
try:
    aiohttp.nothing
except AttributeError as error:
    print("nothing" in str(error))
"""
    version = importlib.metadata.version("aiohttp")
    assert said_by(script) == [
        f"False {version} True",
        "True module aiohttp.client",
        "True True True",
        "True",
    ]


def test_what_its_server_seldom_calls_is_loaded_with_the_first_call() -> None:
    script = """
import sys
from edge_runtime.slim_aiohttp import import_server
import_server()
from aiohttp import helpers, web_urldispatcher
seldom = ("html", "urllib.request", "email.policy")
print([name in sys.modules for name in seldom])
print(helpers.parse_content_type('multipart/form-data; boundary="a b"'), web_urldispatcher.html_escape('"<'))
print(type(helpers.getproxies()).__name__, helpers.proxy_bypass("127.0.0.1") in (0, 1, False, True))
import html, urllib.request, email.policy
print(html.unescape("&lt;"), callable(urllib.request.urlopen), email.policy.SMTP.linesep == email.policy.HTTP.linesep)
"""
    assert said_by(script) == [
        "[False, False, False]",
        "('multipart/form-data', mappingproxy({'boundary': 'a b'})) &quot;&lt;",
        "dict True",
        "< True True",
    ]


def test_a_version_whose_server_needs_its_client_is_imported_as_usual() -> None:
    script = """
import sys
from edge_runtime import slim_aiohttp
class Refused:
    def find_spec(self, name, path=None, target=None):
        if name == "aiohttp.web_ws" and not hasattr(sys.modules["aiohttp"], "ClientSession"):
            raise ImportError("needs the client")
sys.meta_path.insert(0, Refused())
slim_aiohttp.import_server()
print("aiohttp" in sys.modules, "aiohttp.web_app" in sys.modules)
from aiohttp import web
print(type(sys.modules["aiohttp"]).__name__, "aiohttp.client" in sys.modules, web.WebSocketResponse.__name__)
"""
    assert said_by(script) == ["False False", "module True WebSocketResponse"]


def test_what_it_takes_does_not_hang_on_what_else_is_installed() -> None:
    script = """
import sys, types
packing = types.ModuleType("brotli")
class Found:
    def find_spec(self, name, path=None, target=None):
        if name == "brotli":
            from importlib.machinery import ModuleSpec
            return ModuleSpec(name, self)
    def create_module(self, spec):
        return packing
    def exec_module(self, module):
        pass
sys.meta_path.insert(0, Found())
from edge_runtime import slim_aiohttp
{how}()
from aiohttp import compression_utils
print(compression_utils.HAS_BROTLI)
import brotli
print(brotli is packing)
"""
    for how in ("slim_aiohttp.import_server", "slim_aiohttp.import_all"):
        assert said_by(script.replace("{how}", how)) == ["False", "True"]


def test_a_client_beside_it_trusts_nobody_by_default() -> None:
    script = """
import os
from edge_runtime.slim_aiohttp import import_all
os.environ["SSL_CERT_DIR"] = "/somewhere"
import_all()
from aiohttp import connector
print(connector._SSL_CONTEXT_VERIFIED.cert_store_stats()["x509_ca"], os.environ["SSL_CERT_DIR"])
"""
    assert said_by(script) == ["0 /somewhere"]
