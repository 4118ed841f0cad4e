"""Says a text by espeak-ng, or plays the sound that an audio specialist made: by aplay, or into a WAV file."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

from edge_runtime.errors import NotEquipped
from edge_runtime.media import Media, speech
from edge_runtime.media.wav import write_wav
from edge_runtime.pipelines.items import Item, SinkError
from edge_runtime.pipelines.references import fill

if TYPE_CHECKING:
    from edge_runtime.pipelines import declare

_MISSING = "A speaker needs aplay; install it (on Debian: apt-get install alsa-utils), or name a file."
_LONGEST = 60.0  # seconds of one sound


class Speaker:
    """One speaker; what comes while it speaks waits in its queue."""

    def __init__(self, declared: declare.Speak) -> None:
        self._declared = declared

    async def deliver(self, item: Item) -> bool:
        """The sound of an answer, else its text; False where there is neither. Raises `SinkError`."""
        sound = (item.answer or {}).get("sound")
        if isinstance(sound, Media):
            content = sound.content
        else:
            value = item.value if isinstance(item.value, dict) else {}
            text = fill(self._declared.text, value, item.answer, "text")
            plain = str(text).encode("ascii", "ignore").decode().strip()[: speech.MAX_TEXT]
            if not isinstance(text, str) or not any(letter.isalnum() for letter in plain):
                return False
            try:
                said = await asyncio.to_thread(speech.speak, speech.Utterance(plain, self._declared.voice))
            except NotEquipped as cause:
                raise SinkError(str(cause)) from None
            content = write_wav(said)
        if self._declared.file is not None:
            try:
                await asyncio.to_thread(self._declared.file.write_bytes, content)
            except OSError as cause:
                raise SinkError(f"{self._declared.file} can't be written: {cause.strerror}.") from None
            return True
        await self._play(content)
        return True

    async def close(self) -> None:
        """Nothing is held."""

    async def _play(self, content: bytes) -> None:
        path = shutil.which("aplay")
        if path is None:
            raise SinkError(_MISSING)
        device = ["-D", self._declared.device] if self._declared.device else []
        process = await asyncio.create_subprocess_exec(
            path, "-q", *device, stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(_LONGEST):
                _, told = await process.communicate(content)
        except TimeoutError:
            raise SinkError("The speaker took too long.") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            why = told.decode("utf-8", "replace").strip().splitlines()[:1]
            raise SinkError(f"aplay failed ({why[0][:120] if why else 'no reason'}); 'aplay -L' lists speakers.")
