"""A place with packs: a folder, or the same folder behind any web server, with one index.json.

The index is for finding only: it isn't signed, and nothing in it is believed once the pack itself is there.
"""

from __future__ import annotations

import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from trainer_host.data.packs.file import MAX_PACK_BYTES, SUFFIX, verify_pack
from trainer_host.errors import DataError, KeysError, NotThere
from trainer_host.teacher.vault.checks import checked_url
from trainer_host.workspace import storage_errors, write_atomic

FILE = "index.json"
FORMAT = 1
MAX_INDEX_BYTES = 8 * 1024 * 1024
TIMEOUT_SECONDS = 30.0
CHUNK = 256 * 1024


@dataclass(frozen=True)
class Entry:
    """One pack of an index. address: of its payload; signer: 64 hex digits; bytes: of the whole file."""

    file: str
    name: str
    version: str
    task: str
    licence: str
    authors: list[str]
    description: str
    rows: int
    bytes: int
    address: str
    signer: str

    def matches(self, words: list[str]) -> bool:
        """Whether every word occurs in what the entry says."""
        text = " ".join([self.name, self.task, self.licence, self.description, *self.authors]).lower()
        return all(word.lower() in text for word in words)


def build_index(folder: Path) -> list[Entry]:
    """Verify every pack of a folder, whoever signed it, and write index.json; raises `DataError` for a broken one."""
    entries = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        pack = verify_pack(path, None)
        card = pack.card
        entries.append(Entry(
            path.name, card.name, card.version, card.task, card.licence, list(card.authors), card.description,
            sum(card.rows.values()), path.stat().st_size, pack.address, pack.signer.hex(),
        ))  # fmt: skip
    content = strict_json.dumps({"format": FORMAT, "packs": [asdict(entry) for entry in entries]})
    with storage_errors(folder):
        write_atomic(folder / FILE, content)
    return entries


def read_index(source: str) -> list[Entry]:
    """The entries of a folder or an address; raises `DataError`."""
    if _is_url(source):
        content = _fetch(f"{source.rstrip('/')}/{FILE}", MAX_INDEX_BYTES)
    else:
        path = Path(source) / FILE
        if not path.is_file():
            raise NotThere(f"There is no {FILE} in {source}; its owner makes one with: enigma pack index {source}")
        content = path.read_bytes()
    try:
        raw = strict_json.loads_object(content, f"The index of {source}")
        packs = raw["packs"]
        if raw["format"] != FORMAT or not isinstance(packs, list):
            raise DataError(f"The index of {source} was made by another version of Enigma.")
        entries = [Entry(**item) for item in packs]
    except BadRequest as cause:
        raise DataError(f"{cause} Is the address right?") from None
    except (KeyError, TypeError):
        raise DataError(f"The index of {source} isn't one of packs.") from None
    for entry in entries:
        if not re.fullmatch(rf"[a-z0-9][a-z0-9.-]*{re.escape(SUFFIX)}", str(entry.file)):
            raise DataError(f"The index of {source} names a file '{str(entry.file)[:60]}' that can't be a pack.")
    return entries


def fetch_pack(source: str, name: str, folder: Path, on_bytes: Callable[[int, int], None] | None = None) -> Path:
    """Copy a pack (NAME, or NAME-VERSION; by default the newest version) into `folder`; the caller verifies it."""
    found = [entry for entry in read_index(source) if name in (entry.name, f"{entry.name}-{entry.version}")]
    if not found:
        have = ", ".join(sorted({entry.name for entry in read_index(source)}))
        raise NotThere(f"{source} has no pack '{name[:80]}'; it has {have or 'none'}.")
    entry = max(found, key=lambda item: [int(part) for part in item.version.split(".")])
    path = folder / entry.file
    if _is_url(source):
        size = min(entry.bytes, MAX_PACK_BYTES)
        path.write_bytes(_fetch(f"{source.rstrip('/')}/{quote(entry.file)}", size, on_bytes))
    else:
        shutil.copyfile(Path(source) / entry.file, path)
    return path


def _is_url(source: str) -> bool:
    return urlsplit(source).scheme in ("http", "https")


def _fetch(url: str, most: int, on_bytes: Callable[[int, int], None] | None = None) -> bytes:
    try:
        checked_url(url)
    except KeysError:
        raise DataError(f"{url[:200]} can't be fetched; give an https address, or http in your own network.") from None
    parts: list[bytes] = []
    got = 0
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
            while chunk := answer.read(CHUNK):
                got += len(chunk)
                if got > most:
                    raise DataError(f"{url} sends more than the {most:,} bytes that were to be expected.")
                parts.append(chunk)
                if on_bytes is not None:
                    on_bytes(got, most)
    except urllib.error.HTTPError as cause:
        raise DataError(f"{url} answers with {cause.code} ({cause.reason}); check the address.") from None
    except (urllib.error.URLError, OSError) as cause:
        raise DataError(f"{url} can't be reached ({getattr(cause, 'reason', cause)}).") from None
    return b"".join(parts)
