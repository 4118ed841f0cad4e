from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.trainer_host.samples import easy_dataset, easy_rows, write_jsonl
from trainer_host.cli import main
from trainer_host.data.dataset import open_dataset
from trainer_host.data.packs.card import check_licences
from trainer_host.data.packs.file import Pack, import_pack, make_pack, verify_pack
from trainer_host.data.packs.index import build_index, fetch_pack, read_index
from trainer_host.data.packs.trust import distrust, trust, trusted_keys
from trainer_host.data.transfer import import_rows
from trainer_host.errors import DataError, TrainerError
from trainer_host.release.keys import signing_key
from trainer_host.workspace import Workspace


def pack_of(home: Workspace, folder: Path, name: str = "easy", **changes: object) -> Pack:
    dataset = open_dataset(home.dataset(name))
    card: dict[str, object] = {"name": name, "version": "1.0.0", "licence": "CC-BY-4.0", "authors": ("Ada",), **changes}
    return make_pack(dataset, folder, signing_key(home), **card)  # type: ignore[arg-type]


@pytest.fixture
def maker(tmp_path: Path) -> Workspace:
    home = Workspace(tmp_path / "maker")
    easy_dataset(home, tmp_path)
    return home


@pytest.fixture
def reader(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "reader")


def test_a_pack_brings_the_same_rows_to_another_host(maker: Workspace, reader: Workspace, tmp_path: Path) -> None:
    pack = pack_of(maker, tmp_path)
    again = pack_of(maker, tmp_path / "again")
    assert pack.path.read_bytes() == again.path.read_bytes()
    trust(reader, "ada", pack.signer.hex())
    made = import_pack(reader, pack.path, trusted_keys(reader), "copy")
    assert made.content == open_dataset(maker.dataset("easy")).content
    assert (made.name, made.task) == ("copy", "router")


def test_an_unknown_maker_is_refused_until_trusted_and_after_distrust(
    maker: Workspace, reader: Workspace, tmp_path: Path
) -> None:
    pack = pack_of(maker, tmp_path)
    with pytest.raises(DataError, match=f"enigma pack trust {pack.signer.hex()}"):
        import_pack(reader, pack.path, trusted_keys(reader))
    trust(reader, "ada", pack.signer.hex())
    import_pack(reader, pack.path, trusted_keys(reader))
    distrust(reader, "ada")
    with pytest.raises(DataError, match="don't trust"):
        import_pack(reader, pack.path, trusted_keys(reader))
    with pytest.raises(TrainerError, match="64 hex digits"):
        trust(reader, "eve", "abc")


def test_every_changed_byte_is_noticed_and_nothing_is_written(
    maker: Workspace, reader: Workspace, tmp_path: Path
) -> None:
    pack = pack_of(maker, tmp_path)
    content = pack.path.read_bytes()
    trusted = {pack.signer}
    broken = tmp_path / "broken.enigma-pack"
    places = [*range(0, 160, 7), *range(160, len(content), len(content) // 40), len(content) - 1]
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1
        broken.write_bytes(changed)
        with pytest.raises(DataError):
            import_pack(reader, broken, trusted)
    for size in (0, 10, 200, len(content) - 1):
        broken.write_bytes(content[:size])
        with pytest.raises(DataError):
            verify_pack(broken, trusted)
    broken.write_bytes(content + b"x")
    with pytest.raises(DataError, match="should hold"):
        verify_pack(broken, trusted)
    assert not reader.data.exists() or not list(reader.data.iterdir())


def test_personal_data_is_not_packed_by_mistake(maker: Workspace, tmp_path: Path) -> None:
    rows = [*easy_rows(), {"text": "write to ann.smith@example.org about the storm and the rain", "label": "weather"}]
    import_rows(maker, write_jsonl(tmp_path / "p.jsonl", rows), task="router", name="personal", seed=1, held_out=0.3)
    with pytest.raises(DataError, match=r"1 rows hold what looks like personal data: row \d+ of \w+ \(email\)"):
        pack_of(maker, tmp_path, "personal")
    assert pack_of(maker, tmp_path, "personal", allow_personal=True).path.is_file()


def test_a_fork_names_everybody_it_came_from_and_keeps_to_their_licence(
    maker: Workspace, reader: Workspace, tmp_path: Path
) -> None:
    first = pack_of(maker, tmp_path, licence="CC-BY-SA-4.0")
    import_pack(reader, first.path, {first.signer}, "fork")
    with pytest.raises(DataError, match=r"--licence CC-BY-SA-4\.0"):
        pack_of(reader, tmp_path, "fork", authors=("Bob",))
    second = pack_of(reader, tmp_path, "fork", authors=("Bob",), licence="CC-BY-SA-4.0")
    third = Workspace(tmp_path / "third")
    import_pack(third, second.path, {second.signer}, "grandchild")
    last = pack_of(third, tmp_path, "grandchild", authors=("Cid",), licence="CC-BY-SA-4.0")
    assert last.card.attribution() == [
        "grandchild 1.0.0 by Cid (CC-BY-SA-4.0)",
        "fork 1.0.0 by Bob (CC-BY-SA-4.0)",
        "easy 1.0.0 by Ada (CC-BY-SA-4.0)",
    ]
    assert [parent.address for parent in last.card.parents] == [second.address, first.address]


@pytest.mark.parametrize(
    ("licence", "parents", "sentence"),
    [
        ("Beerware", [], "isn't a licence that packs know"),
        ("MIT", ["CC-BY-ND-4.0"], "no changed copies"),
        ("MIT", ["CC-BY-NC-4.0"], "can't be sold"),
        ("CC-BY-4.0", ["ODbL-1.0"], "--licence ODbL-1.0"),
    ],
)
def test_a_licence_that_a_parent_forbids_is_refused(licence: str, parents: list[str], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        check_licences(licence, parents)
    check_licences("CC-BY-4.0", ["MIT", "CC0-1.0"])


@contextmanager
def served(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_folder_with_an_index_is_searched_and_fetched_from_over_http(maker: Workspace, tmp_path: Path) -> None:
    place = tmp_path / "packs"
    pack_of(maker, place, description="three easy labels")
    pack_of(maker, place, version="1.10.0")
    newest = pack_of(maker, place, version="1.9.0", licence="CC0-1.0")
    assert len(build_index(place)) == 3
    with served(place) as url:
        for source in (url, str(place)):
            found = read_index(source)
            assert {entry.version for entry in found} == {"1.0.0", "1.9.0", "1.10.0"}
            assert [entry.version for entry in found if entry.matches(["EASY", "labels"])] == ["1.0.0"]
            got = fetch_pack(source, "easy", tmp_path)
            assert got.name == "easy-1.10.0.enigma-pack" and verify_pack(got, {newest.signer})
        (place / "index.json").write_text('{"format": 1, "packs": [{"file": "../../x"}]}')
        with pytest.raises(DataError, match="isn't one of packs"):
            read_index(url)
        (place / "index.json").write_bytes(b"<html>hello</html>")
        with pytest.raises(DataError, match="Is the address right"):
            read_index(url)
        (place / "index.json").unlink()
        with pytest.raises(DataError, match="answers with 404"):
            read_index(url)


def test_the_commands_go_the_whole_way(
    maker: Workspace, reader: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = str(tmp_path / "shop")
    theirs, ours = ["--home", str(maker.home)], ["--home", str(reader.home)]
    assert main([*theirs, "pack", "make", "easy", "--licence", "MIT", "--author", "Ada", "--to", place]) == 0
    key = signing_key(maker).public.hex()
    assert key in capsys.readouterr().out
    assert main([*theirs, "pack", "index", place]) == 0
    assert main([*ours, "pack", "search", place, "easy"]) == 0
    assert "MIT" in capsys.readouterr().out
    assert main([*ours, "pack", "import", "easy", "--from", place]) == 2
    assert "don't trust" in capsys.readouterr().err
    assert main([*ours, "pack", "verify", f"{place}/easy-1.0.0.enigma-pack"]) == 0
    assert "don't trust this maker yet" in capsys.readouterr().out
    assert main([*ours, "pack", "trust", key, "--name", "ada"]) == 0
    assert main([*ours, "pack", "makers"]) == 0
    assert key in capsys.readouterr().out
    assert main([*ours, "pack", "import", "easy", "--from", place]) == 0
    assert "63 rows to train, 27 held out" in capsys.readouterr().out
