"""One client of `teacher.py`: `python teacher_client.py NAME URL CALLS CONCURRENCY STATE`; prints its figures as JSON."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
    "additionalProperties": False,
}
MODEL = "fake-small"


@dataclass(frozen=True)
class Took:
    """Seconds from the first request to the last answer; of the clock, and of this process's processor time."""

    wall: float
    cpu: float


async def timed(asked: Awaitable[object]) -> Took:
    """Wait for the answers. What is set up before (a session, a cache's file) isn't counted."""
    wall, cpu = time.perf_counter(), time.process_time()
    await asked
    return Took(time.perf_counter() - wall, time.process_time() - cpu)


def prompt(number: int) -> str:
    """Request number `number`, as long as those of a task."""
    return f"Write message number {number} that a guest of a hotel sends to the front desk. " + "Be brief. " * 20


def enigma(url: str, calls: int, concurrency: int, state: Path) -> Callable[[], Awaitable[Took]]:
    """Our teacher with everything that a lesson gives it."""
    import aiohttp  # noqa: F401  # loaded with the first call otherwise, and counted there

    from trainer_host.teacher.api import ApiTeacher
    from trainer_host.teacher.audit import AuditLog
    from trainer_host.teacher.budget import Budget
    from trainer_host.teacher.cache import ReplyCache
    from trainer_host.teacher.prices import own_price
    from trainer_host.teacher.protocol import Key, Message, Request, Secret
    from trainer_host.teacher.providers import Endpoint

    async def run() -> Took:
        endpoint = Endpoint("bench", "openai", f"{url}/v1", MODEL)
        keys = (Key("bench", Secret("sk-benchmark-0000000000000000")),)
        state.mkdir(exist_ok=True)
        with ReplyCache(state / "replies.sqlite") as cache:
            price = own_price("0.25,2")
            budget = Budget(None, price, MODEL)
            teacher = ApiTeacher(
                endpoint, keys, cache, budget, AuditLog(state / "audit.jsonl"), concurrency=concurrency
            )
            try:
                requests = [Request((Message("user", prompt(n)),), schema=SCHEMA, max_tokens=200) for n in range(calls)]
                return await timed(asyncio.gather(*(teacher.ask(request) for request in requests)))
            finally:
                await teacher.close()

    return run


def aiohttp(url: str, calls: int, concurrency: int, state: Path) -> Callable[[], Awaitable[Took]]:
    """What a person writes in ten lines; no key, no cache, no retry."""
    import aiohttp

    async def run() -> Took:
        slots = asyncio.Semaphore(concurrency)
        form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}
        async with aiohttp.ClientSession() as session:

            async def one(number: int) -> None:
                message = {"role": "user", "content": prompt(number)}
                body = {"model": MODEL, "messages": [message], "response_format": form}
                async with slots, session.post(f"{url}/v1/chat/completions", json=body) as answer:
                    json.loads((await answer.json())["choices"][0]["message"]["content"])

            return await timed(asyncio.gather(*(one(number) for number in range(calls))))

    return run


def openai(url: str, calls: int, concurrency: int, state: Path) -> Callable[[], Awaitable[Took]]:
    """The official SDK as its documentation shows it."""
    from openai import AsyncOpenAI

    async def run() -> Took:
        slots = asyncio.Semaphore(concurrency)
        form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-benchmark-0000000000000000") as client:

            async def one(number: int) -> None:
                message = {"role": "user", "content": prompt(number)}
                async with slots:
                    answer = await client.chat.completions.create(
                        model=MODEL,
                        messages=[message],
                        response_format=form,  # type: ignore[call-overload]
                    )
                json.loads(answer.choices[0].message.content)

            return await timed(asyncio.gather(*(one(number) for number in range(calls))))

    return run


def curator(url: str, calls: int, concurrency: int, state: Path) -> Callable[[], Awaitable[Took]]:
    """bespokelabs-curator with its own cache and progress."""
    import importlib.util

    # It counts tokens by tables that tiktoken loads from the network; litellm, which it needs, has them on disk.
    if (found := importlib.util.find_spec("litellm")) is not None and found.origin is not None:
        tables = Path(found.origin).parent / "litellm_core_utils" / "tokenizers"
        os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(tables))
    os.environ["CURATOR_CACHE_DIR"] = str(state)
    os.environ["TELEMETRY_ENABLED"] = "false"
    os.environ["OPENAI_API_KEY"] = "sk-benchmark-0000000000000000"
    from bespokelabs import curator

    class Asker(curator.LLM):
        """One message per row."""

        def prompt(self, row: dict[str, int]) -> str:
            return prompt(row["number"])

        def parse(self, row: dict[str, int], answer: str) -> dict[str, str]:
            return {"text": answer}

    async def run() -> Took:
        asker = Asker(
            model_name=MODEL,
            backend="openai",
            backend_params={
                "base_url": f"{url}/v1",
                "max_concurrent_requests": concurrency,
                "max_requests_per_minute": 10**6,
                "max_tokens_per_minute": 10**9,
            },
        )
        return await timed(asyncio.to_thread(asker, [{"number": number} for number in range(calls)]))

    return run


def distilabel(url: str, calls: int, concurrency: int, state: Path) -> Callable[[], Awaitable[Took]]:
    """distilabel's pipeline with its own cache. Its steps are processes of their own: only the wall time and what is
    sent again can be compared, and starting them is part of its way. It asks a batch at a time, and has no other
    bound of open requests."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    from distilabel.models import OpenAILLM
    from distilabel.pipeline import Pipeline
    from distilabel.steps import LoadDataFromDicts
    from distilabel.steps.tasks import TextGeneration

    async def asked() -> None:  # it sets signal handlers, so it must have the main thread
        with Pipeline(name="benchmark", cache_dir=state) as pipeline:
            rows = [{"instruction": prompt(number)} for number in range(calls)]
            load = LoadDataFromDicts(data=rows, batch_size=concurrency)
            llm = OpenAILLM(model=MODEL, base_url=f"{url}/v1", api_key="sk-benchmark-0000000000000000")
            load >> TextGeneration(llm=llm, input_batch_size=concurrency)
        found = pipeline.run(use_cache=True)["default"]["train"]
        if len(found) != calls or None in found["generation"]:
            raise RuntimeError("distilabel left requests unanswered")

    async def run() -> Took:
        return await timed(asked())

    return run


def main() -> None:
    """Run one client and print its figures."""
    name, url, calls, concurrency, state = sys.argv[1:6]
    began = time.perf_counter()
    run = globals()[name](url, int(calls), int(concurrency), Path(state))
    imported = time.perf_counter()
    took = asyncio.run(run())
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps({
            "import_s": imported - began,
            "wall_s": took.wall,
            "cpu_s": took.cpu,
            "memory_mb": used.ru_maxrss / 1024,
        })
    )  # fmt: skip


if __name__ == "__main__":
    main()
