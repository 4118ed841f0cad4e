"""OpenAI's audio: a text is said, or notes are played, by a specialist of the task `audio_gen`."""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass
from typing import cast

from aiohttp import web

from edge_runtime.api.access import caller
from edge_runtime.api.openai_wire import Body, Json
from edge_runtime.api.speaking import PCM, WAV, spoken
from edge_runtime.api.urgency import urgency_of
from edge_runtime.api.wire import read_json
from edge_runtime.device import Device
from edge_runtime.errors import BadRequest, NotFound
from edge_runtime.media import Media
from edge_runtime.tasks import Speaks

SPEEDS = (0.5, 2.0)  # of a voice of its own
PCM_RATE = 24_000  # of OpenAI's "pcm", which has no header that says it: 16 bits, little-endian, mono
AS_ASKED = "as-asked"  # the voice for what isn't said, but played
VOICES = {"man": "man's", "woman": "woman's"}
_TASK = "audio_gen"


@dataclass(frozen=True)
class SpeechRequest:
    """A checked body of POST /v1/audio/speech. prompt: as the task reads it. pcm: samples alone, not a WAV file. speed: 1 as usual."""

    model: str
    prompt: str
    pcm: bool
    speed: float = 1.0


class AudioRoutes:
    """POST /v1/audio/speech and /v1/audio/transcriptions."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._limit = device.config.server.max_body_kb * 1024

    async def speech(self, request: web.Request) -> web.StreamResponse:
        """The sound of a text that is said, or of what is to be played."""
        raw = await read_json(request, self._limit)
        own = self._own_voice(raw.get("model"))
        asked = read_speech(raw, own=own)
        caller(request).may_use(asked.model)
        if self._device.serving.current(asked.model).loaded.manifest.task != _TASK:
            raise BadRequest(f"'{asked.model}' makes no sounds; name a specialist of the task {_TASK}.")
        if own:
            return await self._said(request, asked)
        answer = (await self._device.run(asked.model, {"prompt": asked.prompt}, urgency_of(request))).value
        sound = answer["sound"]
        if not isinstance(sound, Media):
            raise BadRequest(str(answer["problem"]))
        headers = {"Enigma-Unsure": str(answer["unsure"]).lower()}
        if asked.pcm:
            return web.Response(body=_pcm(sound.content), content_type="audio/pcm", headers=headers)
        return web.Response(body=sound.content, content_type=sound.content_type, headers=headers)

    def _own_voice(self, model: object) -> bool:
        """Whether the specialist of that name has one."""
        return (
            isinstance(model, str)
            and model in self._device.serving.names()
            and isinstance(self._device.serving.current(model).loaded.specialist, Speaks)
        )

    async def _said(self, request: web.Request, asked: SpeechRequest) -> web.StreamResponse:
        """A text of any length that the voice takes, sentence by sentence."""
        wanted: Json = {"prompt": asked.prompt, "speed": asked.speed}
        urgency, kind = urgency_of(request), PCM if asked.pcm else WAV
        streamed = await spoken(
            self._device, request, asked.model, wanted, urgency, kind, samples=_pcm if asked.pcm else None
        )
        if streamed is not None:
            return streamed
        answer = (await self._device.run(asked.model, wanted, urgency)).value
        sound = cast(Media, answer["sound"])
        headers = {"Enigma-Unsure": str(answer["unsure"]).lower()}
        return web.Response(body=sound.content, content_type=WAV, headers=headers)

    async def transcribe(self, request: web.Request) -> web.Response:
        """Refused: no task of a device writes down what is said."""
        raise NotFound(
            "No specialist writes down what is said yet; one that waits for a phrase listens with POST /v1/listen/NAME."
        )


def read_speech(raw: Json, *, own: bool = False) -> SpeechRequest:
    """Check a body of POST /v1/audio/speech; raises `BadRequest` with the field that is wrong.

    own: the specialist has one voice, its own, whatever `voice` is called, and no other way of saying things than faster or slower.
    """
    body = Body(raw)
    model = body.take("model", str, "a specialist's name")
    if not model:
        raise BadRequest("`model` must be the name of a specialist; GET /v1/models lists them.")
    text, voice = body.take("input", str, "a text"), body.any("voice")
    if not text or not text.strip():
        raise BadRequest("`input` must be a text that isn't empty.")
    if not own and voice is not None and voice not in (*VOICES, AS_ASKED):
        raise BadRequest(f"`voice` must be {', '.join(VOICES)} or {AS_ASKED}, where `input` says what is to be played.")
    how = body.take("instructions", str, "a text") or ""
    if how and own:
        raise BadRequest("`instructions` aren't followed by this voice; leave them out.")
    if how and voice == AS_ASKED:
        raise BadRequest(f"`instructions` are for words that are said; with the voice {AS_ASKED} write all in `input`.")
    form = body.any("response_format")
    if form not in (None, "wav", "pcm"):
        raise BadRequest("`response_format` must be wav or pcm: the device writes no other sound.")
    speed = body.number("speed", 1.0, *SPEEDS) if own else 1.0
    body.only("speed", [1, 1.0], "say in `instructions` whether it is said slowly or fast.")
    body.only("stream_format", ["audio"], "the sound comes as it is.")
    body.end()
    if own or voice == AS_ASKED:
        prompt = text
    else:
        said = " ".join(text.replace('"', "'").split())
        prompt = " ".join(
            part for part in (f'Say "{said}"', how.strip(), f"in a {VOICES[str(voice or 'man')]} voice.") if part
        )
    return SpeechRequest(model, prompt, form == "pcm", speed)


def _pcm(content: bytes) -> bytes:
    import numpy as np

    from edge_runtime.audio.resample import resample

    with wave.open(io.BytesIO(content), "rb") as file:
        rate, samples = file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    made = resample(samples.astype(np.float32) / 32768, rate, PCM_RATE)
    return bytes(np.clip(np.round(made * 32768), -32768, 32767).astype("<i2").tobytes())
