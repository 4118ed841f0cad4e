"""A language model that serves: messages in, pieces of the answer out, for one task or for several."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest, BundleError
from edge_runtime.language.code_marks import Meant, answered, restored
from edge_runtime.language.generate import Bracketed, Constraint, Generator, Options, Piece
from edge_runtime.language.golden import check_golden
from edge_runtime.language.sampling import Sampling
from edge_runtime.language.speculative import DraftModel, PromptLookup
from edge_runtime.language.template import MARKED, TOOL_CALL, TOOL_CALLED, Template, encode_chat, stop_ids, task_token
from edge_runtime.language.tokenizer import TextTokenizer, Tokenizer

if TYPE_CHECKING:
    import numpy as np

    from edge_runtime.bundle.manifest import Manifest
    from edge_runtime.engines.language import LanguageEngine
    from edge_runtime.language.file_template import FileTemplate
    from edge_runtime.language.wishes import Wishes

Json = Mapping[str, object]
SCHEME = "bpe-1"
FILE_SCHEME = "gguf-1"  # tokenizer and chat template are those of the model's file, as llama.cpp reads them
FAMILY = "language"  # of manifest.options["family"]: the bundle's model is opened as a language engine
TEMPLATE_FILE = "template.json"
GOLDEN_TEXTS_FILE = "golden_texts.json"  # see `edge_runtime.language.golden`
WISHES_FILE = "wishes.npy"  # see `edge_runtime.language.wishes`
LONGEST_STOP = 256  # characters of a stop string


class LanguageSpecialist:
    """One model. `interrupted` is asked before every token of every answer, beside `cancelled`, and `priority` once
    at its beginning, both in its thread.

    One answer is written at a time; for more of them, each in a thread of its own, there are `widen` and `narrow`.

    context: most tokens of a prompt with its answer. tasks: what the model was trained on; with more than one, the
    task of a request is told to it by a token. thresholds: the manifest's.
    """

    def __init__(
        self,
        engine: LanguageEngine,
        tokenizer: TextTokenizer,
        template: Template | FileTemplate,
        context: int,
        tasks: Sequence[str],
        thresholds: Mapping[str, float],
    ) -> None:
        self.engine = engine
        self.tokenizer = tokenizer
        self.template = template
        self.context = min(context, engine.context)
        self.tasks = tuple(tasks)
        self.thresholds = thresholds
        self.lookup = False  # whether answers are guessed ahead out of their own text; see `speculative`
        self.draft: DraftModel | None = None  # or by a smaller model
        self.wishes: Wishes | None = None  # says whether a message wants anything done, where tools are in marks
        self.interrupted: Callable[[], bool] = bool
        self.priority: Callable[[], int] = int  # see `Options.priority`
        self._generator = Generator(engine, tokenizer)
        self._stops = stop_ids(tokenizer, template) if isinstance(template, Template) else template.stops

    def stream(
        self,
        messages: Sequence[Json],
        *,
        task: str | None = None,
        tools: Sequence[Json] = (),
        tool_choice: str = "auto",
        sampling: Sampling | None = None,
        max_tokens: int | None = None,
        schema: Json | None = None,
        cancelled: Callable[[], bool] | None = None,
        stop: Sequence[str] = (),
        frequency: float = 0.0,
        presence: float = 0.0,
        logprobs: bool = False,
        top: int = 0,
        reasoning_budget: int | None = None,
    ) -> Iterator[Piece]:
        """The pieces of the answer to a conversation; the last one has `finish`.

        tools: OpenAI's [{"type": "function", "function": {"name", "description", "parameters"}}]. tool_choice: "auto",
        "required", or a tool's name; with the latter two the answer is one call, {"name", "arguments"}, without marks.
        A call's name and arguments always keep to the tools' schemas. max_tokens: None for all the context. schema:
        JSON Schema that the answer keeps to. cancelled: asked before every token. Raises `BadRequest`, before anything
        is computed.
        """
        reading = None
        if tools and self.template.tools == MARKED:
            from edge_runtime.language.tool_marks import Reading
            from edge_runtime.language.wishes import WANTED

            reading = Reading(messages, tools)
            if tool_choice == "auto":
                from edge_runtime.language.tool_answers import confirmed, settled_pieces

                if (calls := confirmed(messages, reading)) is not None:
                    return settled_pieces(calls[:1] if TOOL_CALLED in stop else calls)
            wished = None if self.wishes is None or tool_choice != "auto" else self.wishes.chance(reading)
            reading.wanted = None if self.wishes is None else wished is None or wished >= WANTED
        if reading is not None:
            prompt, thinking = self._prompt(reading.messages(), task, ())
        else:
            prompt, thinking = self._prompt(messages, task, tools)
        options = self._options(max_tokens, cancelled, stop, frequency, presence, logprobs, top)
        options = dataclasses.replace(options, thinking=thinking)
        if reading is not None:
            from edge_runtime.language.marked_calls import ACT, InWords, forced, unmarked

            begun = ""
            if tool_choice != "auto":
                begun = forced(reading, tool_choice)
                prompt += self.tokenizer.encode(begun)
            options = dataclasses.replace(options, stop_strings=tuple(one for one in stop if one != TOOL_CALLED))
            options = dataclasses.replace(options, reasoning_budget=reasoning_budget)
            words = dataclasses.replace(options, constraint=InWords(self.tokenizer))
            again = None if begun else functools.partial(self._generate, prompt, sampling, words)
            pieces = self._generate(prompt, sampling, words if reading.wanted is False else options)
            least = self.thresholds.get(ACT, 0.0)
            return unmarked(pieces, reading, begun, one=TOOL_CALLED in stop, again=again, chance=wished, least=least)
        if tools:
            from edge_runtime.language.grammar import call_schema  # as in `_constraint`
        if tools and tool_choice != "auto":
            wanted = [tool for tool in tools if tool_choice in ("required", _function(tool).get("name"))]
            if not wanted:
                raise BadRequest(f"There is no tool '{tool_choice[:64]}' among the tools.")
            prompt += self.tokenizer.encode(TOOL_CALL)
            schema = call_schema(wanted)
        elif tools:
            callable_ = call_schema(tools)
            bracketed = Bracketed(TOOL_CALL, TOOL_CALLED, lambda: self._constraint(callable_))
            options = dataclasses.replace(options, bracketed=bracketed)
        if schema is not None:
            options = dataclasses.replace(options, constraint=self._constraint(schema, self._stops))
        options = dataclasses.replace(options, reasoning_budget=reasoning_budget)
        marked = answered(messages) if not tools and self.template.reads(self._task(task)) else None
        if marked is None:
            return self._generate(prompt, sampling, options)
        if schema is None:
            options = dataclasses.replace(options, constraint=Meant(marked, self.tokenizer))
        return restored(self._generate(prompt, sampling, options), marked, within_json=schema is not None)

    def complete(
        self,
        prompt: str,
        *,
        sampling: Sampling | None = None,
        max_tokens: int | None = None,
        cancelled: Callable[[], bool] | None = None,
        stop: Sequence[str] = (),
        frequency: float = 0.0,
        presence: float = 0.0,
        logprobs: bool = False,
        top: int = 0,
    ) -> Iterator[Piece]:
        """How a plain text goes on, without a chat's form around it; otherwise as `stream`."""
        options = self._options(max_tokens, cancelled, stop, frequency, presence, logprobs, top)
        if not isinstance(self.template, Template):
            return self._generate(self.template.plain(prompt), sampling, options)
        begin = [self.tokenizer.special_id(self.template.begin)] if self.template.begin else []
        return self._generate(begin + self.tokenizer.encode(prompt), sampling, options)

    @property
    def text_bytes(self) -> int:
        """Memory that `widen` takes, in bytes, at most."""
        return self.engine.text_bytes + (0 if self.draft is None else self.draft.text_bytes)

    @property
    def reads_together(self) -> bool:
        """Whether answers that wait for one another share runs."""
        return self._generator.reads_together

    def widen(self) -> None:
        """Let one thread more write answers; see `Generator.widen`."""
        self._generator.widen()

    def narrow(self) -> None:
        """Give the memory of that back; see `Generator.narrow`."""
        self._generator.narrow()

    def lose(self, thread: int) -> None:
        """See `Generator.lose`."""
        self._generator.lose(thread)

    def losses(self, tokens: Sequence[int], first: int) -> np.ndarray:
        """See `Generator.losses`."""
        return self._generator.losses(tokens, first)

    def _prompt(self, messages: Sequence[Json], task: str | None, tools: Sequence[Json]) -> tuple[list[int], bool]:
        """The tokens of a chat with the beginning of its answer, and whether that is within a thought."""
        if not isinstance(self.template, Template):
            return self.template.prompt(messages, tools)
        told = self._task(task)
        ids, _ = encode_chat(self.tokenizer, self.template, messages, task=told, tools=tools, answering=True)
        return ids, False

    def _generate(self, prompt: list[int], sampling: Sampling | None, options: Options) -> Iterator[Piece]:
        room = self.context - len(prompt)
        if room < 1:
            raise BadRequest(
                f"The text has {len(prompt)} tokens, and the model reads {self.context} with its answer; "
                "send less of it, or fewer messages."
            )
        most = room if options.max_tokens is None else min(options.max_tokens, room)
        return self._generator.generate(prompt, sampling or Sampling(), dataclasses.replace(options, max_tokens=most))

    def _options(
        self,
        max_tokens: int | None,
        cancelled: Callable[[], bool] | None,
        stop: Sequence[str],
        frequency: float,
        presence: float,
        logprobs: bool,
        top: int,
    ) -> Options:
        if any(not 1 <= len(text) <= LONGEST_STOP for text in stop):
            raise BadRequest(f"A stop string must have 1 to {LONGEST_STOP} characters.")
        if max_tokens is not None and max_tokens < 1:
            raise BadRequest("max_tokens must be 1 or more.")
        return Options(
            max_tokens=max_tokens,
            stop_ids=self._stops,
            stop_strings=tuple(stop),
            frequency=frequency,
            presence=presence,
            logprobs=logprobs,
            top=top,
            draft=self.draft or (PromptLookup() if self.lookup else None),
            cancelled=lambda: self.interrupted() or (cancelled is not None and cancelled()),
            priority=self.priority(),
        )

    def _constraint(self, schema: Json, stops: frozenset[int] = frozenset()) -> Constraint:
        from edge_runtime.language.grammar import constraint_for  # its package takes time and memory to import

        return constraint_for(schema, self.tokenizer, stops)

    def told(self, task: str | None) -> str:
        """The task that a request without one means."""
        return task or ("chat" if "chat" in self.tasks else self.tasks[0])

    def _task(self, task: str | None) -> str | None:
        """The task that the prompt names: only a model of several is told."""
        if len(self.tasks) < 2:
            return None
        task = self.told(task)
        if task not in self.tasks:
            raise BadRequest(f"This model doesn't know the task '{task[:32]}'; it knows {', '.join(self.tasks)}.")
        return task


def load_language(manifest: Manifest, folder: Path, engine: LanguageEngine) -> LanguageSpecialist:
    """The language model of an unpacked bundle: tokenizer.json, template.json, and the options "context" and "tasks".

    With the scheme `FILE_SCHEME` the model's file has tokenizer and template.
    Checks the golden texts where the bundle has them. Raises `BundleError` with what doesn't fit.
    """
    tokenizer, template = _read_file(manifest, engine) or _read_assets(manifest, folder)
    if tokenizer.size > engine.vocabulary:
        raise BundleError(
            f"The tokenizer has {tokenizer.size} tokens, and the model knows {engine.vocabulary}; "
            "they don't belong together."
        )
    context, tasks = manifest.options.get("context"), manifest.options.get("tasks", [manifest.task])
    if isinstance(context, bool) or not isinstance(context, int) or context < 1:
        raise BundleError("The manifest's options must have 'context', the most tokens of a text; build it again.")
    if not isinstance(tasks, list) or not tasks or not all(isinstance(task, str) for task in tasks):
        raise BundleError("'tasks' in the manifest's options must be a list of names; build it again.")
    missing = [task for task in tasks if len(tasks) > 1 and task_token(task) not in tokenizer.special]
    if missing:
        raise BundleError(f"The tokenizer has no token for the task '{missing[0]}'; build the bundle again.")
    if GOLDEN_TEXTS_FILE in manifest.files:
        rows = _read(folder / GOLDEN_TEXTS_FILE)
        check_golden(tokenizer, rows if isinstance(rows, list) else [])
    made = LanguageSpecialist(engine, tokenizer, template, context, tasks, manifest.thresholds)
    made.lookup = manifest.options.get("lookup") is True
    if (folder / WISHES_FILE).is_file():
        from edge_runtime.language.wishes import Wishes

        made.wishes = Wishes.read(folder / WISHES_FILE)
    if "draft" in manifest.options:
        made.draft = _draft(manifest, folder, engine)
    return made


def _read_assets(manifest: Manifest, folder: Path) -> tuple[TextTokenizer, Template | FileTemplate]:
    """Tokenizer and template as files of the bundle."""
    kept = manifest.tokenizer
    if kept is None or kept.scheme != SCHEME or kept.file is None:
        raise BundleError(f"A language model's bundle needs a tokenizer of the scheme {SCHEME}; build it again.")
    return Tokenizer.read(folder / kept.file), Template.from_json(_read(folder / TEMPLATE_FILE))


def _read_file(manifest: Manifest, engine: LanguageEngine) -> tuple[TextTokenizer, Template | FileTemplate] | None:
    """Those of the model's own file, where the bundle leaves them to it."""
    if manifest.tokenizer is None or manifest.tokenizer.scheme != FILE_SCHEME:
        return None
    from edge_runtime.engines.language_gguf import GgufLanguageEngine
    from edge_runtime.language.file_template import FileTemplate
    from edge_runtime.language.gguf_words import GgufTokenizer

    if not isinstance(engine, GgufLanguageEngine):
        raise BundleError(f"Only a .gguf file brings its own tokenizer, not one for {engine.runtime}; build it again.")
    tokenizer = GgufTokenizer(engine)
    return tokenizer, FileTemplate(tokenizer, engine.chat_template())


def _draft(manifest: Manifest, folder: Path, engine: LanguageEngine) -> DraftModel | None:
    """The smaller model that guesses ahead, None beside an engine of another runtime: its gain was measured in one."""
    from edge_runtime.engines import ONNX
    from edge_runtime.engines.language import open_language_engine

    raw = manifest.options["draft"]
    file = raw.get("file") if isinstance(raw, dict) else None
    if not isinstance(file, str) or file not in manifest.files:
        raise BundleError("The manifest names a draft that isn't in the bundle; build it again.")
    if engine.runtime != ONNX:
        return None
    small = open_language_engine(folder / file)
    if small.vocabulary != engine.vocabulary:
        small.close()
        raise BundleError(
            f"The draft {file} has other tokens than the model that it guesses for; build the bundle again."
        )
    return DraftModel(small)


def _read(path: Path) -> object:
    try:
        return strict_json.loads(path.read_bytes(), f"{path.name} in the bundle", BundleError)
    except OSError:
        raise BundleError(f"The bundle has no {path.name}; build it again.") from None


def _function(tool: Json) -> Json:
    function = tool.get("function", tool)
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise BadRequest('A tool must be {"type": "function", "function": {"name", "description", "parameters"}}.')
    return function
