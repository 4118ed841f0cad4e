"""Where teachers are: the providers that need no address, and everything else that speaks one of the two wires."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Wire = Literal["openai", "anthropic"]
# How an answer's JSON Schema is sent: as it is; without the keywords that big providers refuse; in the prompt.
SchemaForm = Literal["full", "subset", "prompt"]
TokenLimit = Literal["max_tokens", "max_completion_tokens"]


@dataclass(frozen=True)
class Dialect:
    """What an endpoint takes of its wire, as far as is known; see `wires.learn` for what a refusal teaches.

    token_limit: OpenAI's newer models take only the second name, most compatible servers only the first.
    temperature: whether it is sent. options: whether `Endpoint.options` are. logprobs: whether probabilities are asked for,
    where a request wants them.
    """

    schema: SchemaForm = "full"
    token_limit: TokenLimit = "max_tokens"
    temperature: bool = True
    options: bool = True
    logprobs: bool = True


@dataclass(frozen=True)
class Endpoint:
    """One provider as it is asked.

    provider: the name that keys are stored under. base_url: without the path of a call
    ("https://api.openai.com/v1"). headers: extra ones, as some gateways want; never the key. needs_key: false
    for servers on one's own machine. environment: the variable that holds a key, "" where there is no custom.
    dialect: what it is known to take. options: more members of a request's body. key_path: where a key can be
    checked without cost, "" where the list of models needs a key anyway.
    """

    provider: str
    wire: Wire
    base_url: str
    model: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    needs_key: bool = True
    environment: str = ""
    dialect: Dialect = Dialect()
    options: tuple[tuple[str, str | int | float | bool], ...] = ()
    key_path: str = ""


# OpenAI and Anthropic refuse a schema with, say, `maxLength`; servers on one's own machine enforce it, which small
# models need.
_SUBSET = Dialect("subset")
_OPENAI = Dialect("subset", "max_completion_tokens")
# A reasoning model's thoughts are billed, and come out of the answer's tokens: these tasks need few. Models that
# don't take this are asked without it, once that is learned.
_LITTLE_THOUGHT = (("reasoning_effort", "minimal"),)

# Default models are cheap ones that follow JSON schemas; `--model` chooses another.
PROVIDERS: dict[str, Endpoint] = {
    made.provider: made
    for made in (
        Endpoint("openai", "openai", "https://api.openai.com/v1", "gpt-5-mini", environment="OPENAI_API_KEY", dialect=_OPENAI, options=_LITTLE_THOUGHT),
        Endpoint("anthropic", "anthropic", "https://api.anthropic.com", "claude-haiku-4-5", environment="ANTHROPIC_API_KEY", dialect=_SUBSET),
        Endpoint("gemini", "openai", "https://generativelanguage.googleapis.com/v1beta/openai", "gemini-3.8-flash", environment="GEMINI_API_KEY", dialect=_SUBSET),
        Endpoint("mistral", "openai", "https://api.mistral.ai/v1", "mistral-small-latest", environment="MISTRAL_API_KEY", dialect=_SUBSET),
        Endpoint("deepseek", "openai", "https://api.deepseek.com/v1", "deepseek-v4-flash", environment="DEEPSEEK_API_KEY", dialect=_SUBSET),
        # Its list of models is open to all, so that says nothing about a key.
        Endpoint("openrouter", "openai", "https://openrouter.ai/api/v1", "openai/gpt-5-mini", environment="OPENROUTER_API_KEY", dialect=_SUBSET, key_path="/key"),
        Endpoint("ollama", "openai", "http://127.0.0.1:11434/v1", "llama3.2", needs_key=False),
        Endpoint("vllm", "openai", "http://127.0.0.1:8000/v1", "default", needs_key=False),
        Endpoint("llama.cpp", "openai", "http://127.0.0.1:8080/v1", "default", needs_key=False),
        Endpoint("local", "openai", "http://127.0.0.1:8766/v1", "smollm2-135m-instruct", needs_key=False),
    )
}  # fmt: skip
