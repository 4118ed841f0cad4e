"""Sends a model's folder to a hub of Hugging Face's kind, whose key is in HF_TOKEN and is never shown or stored."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from trainer_host.errors import ExportError, KeysError

KEY = "HF_TOKEN"
ENDPOINT = "HF_ENDPOINT"
PUBLIC = "https://huggingface.co"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


@dataclass(frozen=True)
class Upload:
    """What is sent where. files: (name, bytes)."""

    repository: str
    endpoint: str
    files: tuple[tuple[str, int], ...]

    @property
    def address(self) -> str:
        """Of the model's page."""
        return f"{self.endpoint}/{self.repository}"


def plan_upload(folder: Path, repository: str) -> Upload:
    """What `upload` would send; asks nobody. Raises `ExportError` for a name that can't be one, or a folder that isn't whole."""
    if not _NAME.fullmatch(repository):
        raise ExportError(f"'{repository[:80]}' can't be a model's name on a hub; give OWNER/NAME.")
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    missing = sorted({"config.json", "README.md", "tokenizer.json"} - names)
    if missing or not any(name.endswith(".safetensors") for name in names):
        raise ExportError(
            f"{folder} isn't a whole model folder ({(missing or ['weights'])[0]} is missing); export again."
        )
    files = tuple(sorted((path.name, path.stat().st_size) for path in folder.iterdir() if path.is_file()))
    return Upload(repository, os.environ.get(ENDPOINT, PUBLIC).rstrip("/"), files)


def upload(folder: Path, repository: str, *, private: bool = False) -> Upload:
    """Make the repository where there is none, and send the folder as one commit.

    Raises `KeysError` where there is no key, `ExportError` where the hub refuses or can't be reached; neither holds
    the key.
    """
    planned = plan_upload(folder, repository)
    key = os.environ.get(KEY, "").strip()
    if not key:
        raise KeysError(f"There is no key for {planned.endpoint}; put one that may write into {KEY}.")
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
        from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    except ImportError:
        raise ExportError("Uploading needs huggingface_hub; install Enigma with the extra 'llm'.") from None

    failures: tuple[type[Exception], ...] = (HFValidationError, OSError, ValueError, RuntimeError, *network_errors())
    hub = HfApi(endpoint=planned.endpoint, token=key, library_name="enigma")
    quiet = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        hub.create_repo(repository, private=private, exist_ok=True)
        hub.upload_folder(repo_id=repository, folder_path=folder, commit_message="Upload a model")
    except HfHubHTTPError as cause:
        status = cause.response.status_code if cause.response is not None else 0
        advice = "check that the key may write there" if status in (401, 403) else "try again later"
        raise ExportError(f"{planned.endpoint} refused the upload (status {status}); {advice}.") from None
    except failures as cause:
        raise ExportError(f"The upload to {planned.endpoint} failed ({type(cause).__name__}); try again.") from None
    finally:
        if not quiet:
            enable_progress_bars()
    return planned


def network_errors() -> tuple[type[Exception], ...]:
    """What huggingface_hub lets through where a hub can't be reached: of httpx2 from its version 2 on, of httpx before."""
    import importlib

    found: list[type[Exception]] = []
    for name in ("httpx2", "httpx"):
        try:
            found.append(importlib.import_module(name).HTTPError)
        except ImportError:
            continue
    return tuple(found)
