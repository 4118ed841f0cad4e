"""The configuration: documented, complete, strict."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from edge_runtime.config import Config, default_file, load_config, parse_config, parse_listen
from edge_runtime.errors import ConfigError

from .conftest import edge


def test_the_documented_file_is_the_defaults() -> None:
    text = default_file()
    assert parse_config(tomllib.loads(text)) == Config()
    uncommented = "\n".join(line.removeprefix("# ") if " = " in line else line for line in text.splitlines())
    assert parse_config(tomllib.loads(uncommented)) == Config()


def test_values_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[server]\nlisten = "[::1]:80"\ndeadline_seconds = 2\n[models]\nruntimes = ["ai-edge-litert"]\n')
    config = load_config(path)
    assert config.server.deadline_seconds == 2 and parse_config({"log": {"format": "json"}}).log.format == "json"
    assert config.models.runtimes == ("ai-edge-litert",)
    own = parse_config({"models": {"answers": 2, "hang_seconds": 5, "idle_seconds": 0.5}}).models
    assert (own.answers, own.hang_seconds, own.idle_seconds) == (2, 5, 0.5)
    tagged = parse_config({"device": {"tags": ["kitchen", "site:berlin"]}, "update": {"window": "22:00-06:00"}})
    assert (tagged.device.tags, tagged.update.window) == (("kitchen", "site:berlin"), "22:00-06:00")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[servr]", "no section [servr]"),
        ("server = 1", "must be a section"),
        ("[server]\nlisen = 1", "no key server.lisen"),
        ("[server]\nlisten = 1", "short text"),
        ('[server]\nlisten = "here"', "write HOST:PORT"),
        ("[server]\nqueue = 0", "from 1 to 4096"),
        ("[server]\nqueue = 1.5", "whole number"),
        ("[server]\nqueue = true", "no boolean"),
        ("[server]\nopen_on_loopback = 1", "true or false"),
        ('[models]\nruntimes = ["tensorrt"]', "list of some of"),
        ("[models]\nruntimes = []", "list of some of"),
        ('[log]\nlevel = "loud"', "debug, info"),
        ('[log]\nformat = "xml"', "text or json"),
        ("[server", "isn't valid TOML"),
        ('[device]\ntags = "kitchen"', "list of at most 32 texts"),
        ('[device]\ntags = ["Kitchen"]', "small letters"),
        ('[update]\nwindow = "22-6"', "22:00-06:00"),
    ],
)
def test_mistakes_are_told_in_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("listen", ["", "80", ":80", "host:", "host:99999", "::1:80", "host:٣"])
def test_what_is_no_address_is_refused(listen: str) -> None:
    with pytest.raises(ConfigError):
        parse_listen(listen)


def test_the_command_prints_the_file_and_names_mistakes(tmp_path: Path) -> None:
    assert edge("config").stdout == default_file()
    (tmp_path / "config.toml").write_text("[server]\nqueeu = 1\n")
    failed = edge("run", "--state", tmp_path)
    assert failed.returncode == 1
    assert failed.stderr.strip().splitlines() == [
        "enigma-edge: The configuration has no key server.queeu; [server] knows "
        "listen, socket, tls, announce, open_on_loopback, max_body_kb, max_file_kb, max_connections, queue, deadline_seconds."
    ]
