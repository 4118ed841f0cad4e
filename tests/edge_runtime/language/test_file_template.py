"""Any .gguf file is asked as llama.cpp asks it, by its own tokenizer and chat template; a template can't do harm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("xllamacpp", reason="the tokenizers are llama.cpp's")
pytest.importorskip("gguf", reason="the tests' files are written with it")
pytest.importorskip("jinja2", reason="what renders the templates")

from edge_runtime.engines.language_gguf import GgufLanguageEngine
from edge_runtime.errors import BadRequest, BundleError, EngineError
from edge_runtime.language.file_template import FileTemplate
from edge_runtime.language.generate import Generator, Options
from edge_runtime.language.gguf_words import GgufTokenizer
from edge_runtime.language.golden import check_golden, golden_rows, golden_strings
from edge_runtime.language.grammar import constraint_for
from edge_runtime.language.jinja_sandbox import ChatJinja, Refused
from edge_runtime.language.sampling import Sampling
from tests.edge_runtime.language.gguf_files import FAMILIES, mamba, rwkv, sentencepiece, servers_own

USER = {"role": "user", "content": "hello  world, 7 é 🙂\n"}
TALK = [USER, {"role": "assistant", "content": "you is the"}, {"role": "user", "content": "what is it?"}]
TOLD = [{"role": "system", "content": "to the user"}, USER]
TOOL = {"type": "function", "function": {"name": "lamp", "parameters": {"type": "object"}}}
HERMES = (
    "{% for message in messages %}{{ '<s>' + message.role + ' ' + message.content }}{% for call in message.tool_calls %}"
    "<tool_call>{{ call.function | tojson }}</tool_call>{% endfor %}{% endfor %}"
    "{% for tool in tools or [] %}{{ tool | tojson }}<tool_call>{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant<think>\n{% endif %}"
)


@dataclass
class Opened:
    path: Path
    engine: GgufLanguageEngine
    tokenizer: GgufTokenizer
    template: FileTemplate

    def spelled(self, messages: list[Any], tools: list[Any] | None = None) -> str:
        return self.tokenizer.decode(self.template.prompt(messages, tools or [])[0], special=True)


def opened(path: Path) -> Opened:
    engine = GgufLanguageEngine(path)
    tokenizer = GgufTokenizer(engine)
    return Opened(path, engine, tokenizer, FileTemplate(tokenizer, engine.chat_template()))


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Opened]]:
    """A file of each family, one with a tokenizer that isn't SentencePiece's, and one whose template knows tools."""
    folder = tmp_path_factory.mktemp("families")
    paths = {
        name: sentencepiece(folder / f"{name}.gguf", template, marks, spaced)
        for name, (template, marks, spaced) in FAMILIES.items()
    }
    paths["rwkv"] = rwkv(folder / "rwkv.gguf", None)
    paths["hermes"] = sentencepiece(folder / "hermes.gguf", HERMES)
    made = {name: opened(path) for name, path in paths.items()}
    yield made
    for each in made.values():
        each.engine.close()


@pytest.mark.parametrize("name", [*FAMILIES, "rwkv"])
def test_prompt_and_tokens_are_those_of_llama_cpps_own_server(families: dict[str, Opened], name: str) -> None:
    one = families[name]
    chats = [[USER], TALK, TOLD]
    for chat, ids in zip(chats, servers_own(one.path, chats), strict=True):
        assert one.template.prompt(chat, [])[0] == ids


def test_a_text_goes_on_without_a_space_and_comes_back_byte_for_byte(families: dict[str, Opened]) -> None:
    for one in families.values():
        tokenizer = one.tokenizer
        for text in golden_strings():
            assert tokenizer.decode(tokenizer.encode(text)) == text
            assert set(tokenizer.special.values()).isdisjoint(tokenizer.encode(text))
        check_golden(tokenizer, golden_rows(tokenizer))
    spaced, plain = families["llama2"].tokenizer, families["gemma"].tokenizer
    assert spaced.decode(spaced.begin("hello")) == " hello"
    assert plain.decode(plain.begin("hello")) == "hello"
    assert spaced.begin("hello")[0] == spaced.special_id("<s>")


def test_a_message_cannot_write_a_special_token(families: dict[str, Opened]) -> None:
    """By the numbers of tokens that steer: as many as with a harmless message."""
    for one in families.values():
        special = set(one.tokenizer.special.values())
        marks = "".join(one.tokenizer.special)
        for text in (marks, f"a{marks}{marks}", "<<s>s>", "<|im_<s>end|>"):
            ids, _ = one.template.prompt([{"role": "user", "content": text}], [])
            calm, _ = one.template.prompt([{"role": "user", "content": "a"}], [])
            assert sum(token in special for token in ids) == sum(token in special for token in calm)


def test_what_a_template_has_no_place_for_is_put_in_words(families: dict[str, Opened]) -> None:
    gemma, hermes = families["gemma"], families["hermes"]
    assert "user\nto the user\nhello" in gemma.spelled(TOLD)
    twice = [USER, {"role": "user", "content": "again"}]
    assert "é 🙂\n\nagain<end_of_turn>" in gemma.spelled(twice)
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "lamp", "arguments": "{}"}}]}
    asked: list[Any] = [USER, call, {"role": "tool", "content": "on"}]
    said = gemma.spelled(asked, [TOOL])
    assert '<tools>\n{"type": "function", "function": {"name": "lamp"' in said
    assert '<start_of_turn>model\n<tool_call>{"name": "lamp", "arguments": {}}</tool_call><end_of_turn>' in said
    assert "<start_of_turn>user\n<tool_response>\non\n</tool_response><end_of_turn>" in said
    said = hermes.spelled(asked, [TOOL])
    assert "<tools>" not in said and '<tool_call>{"name": "lamp", "arguments": {}}</tool_call>' in said
    assert "<s> tool on" in said


def test_a_prompt_that_opens_a_thought_says_so(families: dict[str, Opened]) -> None:
    assert families["hermes"].template.prompt([USER], [])[1] is True
    assert families["gemma"].template.prompt([USER], [])[1] is False


def test_the_answers_tokens_are_those_behind_the_question(families: dict[str, Opened]) -> None:
    one = families["gemma"]
    ids, mask = one.template.answered(TALK[:2], [])
    answer = [token for token, learn in zip(ids, mask, strict=True) if learn]
    assert one.tokenizer.decode(answer, special=True) == "you is the<end_of_turn>\n"


def test_a_chat_that_no_template_takes_is_refused_in_its_words(families: dict[str, Opened]) -> None:
    starts = [{"role": "assistant", "content": "a"}]
    with pytest.raises(BadRequest, match="refuses this chat: Conversation roles must alternate"):
        families["llama2"].template.prompt(starts, [])
    for message, words in (({"role": "cat", "content": "a"}, "role is 'cat'"), ({"role": "user"}, "isn't a text")):
        with pytest.raises(BadRequest, match=words):
            families["gemma"].template.prompt([message], [])


@pytest.mark.parametrize("native", [True, False])
def test_json_by_a_schema_out_of_pieces_with_spaces(families: dict[str, Opened], native: bool) -> None:
    import json

    if native:
        pytest.importorskip("llguidance")
    schema = {
        "type": "object",
        "properties": {"name": {"enum": ["the world", "é"]}, "n": {"type": "integer", "maximum": 9, "minimum": 0}},
    }
    for name in ("llama2", "gemma", "rwkv"):
        one = families[name]
        generator = Generator(one.engine, one.tokenizer)
        constraint = constraint_for(schema | {"required": ["name", "n"]}, one.tokenizer, one.template.stops, native)
        options = Options(max_tokens=60, stop_ids=one.template.stops, constraint=constraint)
        prompt, _ = one.template.prompt([USER], [])
        made = json.loads("".join(piece.text for piece in generator.generate(prompt, Sampling(), options)))
        assert made["name"] in ("the world", "é") and 0 <= made["n"] <= 9


def test_a_model_that_cannot_go_back_reads_again(tmp_path: Path) -> None:
    """The same answer as of one that began anew; and guesses ahead that were wrong don't harm it."""
    from edge_runtime.language.speculative import PromptLookup

    one = opened(mamba(tmp_path / "mamba.gguf"))
    generator, plain = Generator(one.engine, one.tokenizer), Options(max_tokens=12)
    first, _ = one.template.prompt([USER], [])
    other, _ = one.template.prompt(TALK, [])

    def said(prompt: list[int], options: Options = plain) -> list[int | None]:
        return [piece.token for piece in generator.generate(prompt, Sampling(), options)]

    expected = said(first)
    said(other)
    assert said(first) == expected
    assert said(first, Options(max_tokens=12, draft=PromptLookup())) == expected
    one.engine.close()


def test_what_llama_cpp_does_not_know_is_one_sentence(tmp_path: Path) -> None:
    odd = sentencepiece(tmp_path / "odd.gguf", None, architecture="gemma99")
    with pytest.raises(EngineError, match=r"the architecture 'gemma99', which this version of llama\.cpp \(xllamacpp "):
        GgufLanguageEngine(odd)
    data = rwkv(tmp_path / "a.gguf", None).read_bytes()
    (tmp_path / "b.gguf").write_bytes(data.replace(b"\x04\0\0\0\0\0\0\0rwkv", b"\x04\0\0\0\0\0\0\0rwxx"))
    with pytest.raises(EngineError, match="has the tokenizer 'rwxx'"):
        GgufLanguageEngine(tmp_path / "b.gguf")


def test_a_closed_models_words_are_refused(tmp_path: Path) -> None:
    one = opened(rwkv(tmp_path / "a.gguf", None))
    one.engine.close()
    for use in (lambda: one.tokenizer.encode("a"), lambda: one.tokenizer.token_bytes(3), lambda: one.engine.ends()):
        with pytest.raises(EngineError, match="closed"):
            use()


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% for i in range(99999) %}{{ 'a long text that comes again' }}{% endfor %}",
        *(
            "{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = "
            f"{grown} %}}{{% endfor %}}{{{{ ns.x{shown} }}}}"
            for grown in (
                "ns.x ~ ns.x",
                "ns.x + ns.x",
                "[ns.x, ns.x]",
                "ns.x.replace('a', 'aa')",
                "ns.x | replace('b', 'bb')",
            )
            for shown in ("", " | tojson")
        ),
        "{{ 'a' * 1000000000 }}",
        "{{ 10 ** 100000 }}",
        "{{ range(99999) | list | join('a' * 9999) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '{:1000000000d}'.format(1) }}",
        "{{ ('a' * 99).center(100000000) }}",
        "{{ ([1] * 99) | tojson(indent=100000000) }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ messages.append(1) }}",
        "{% include 'a' %}",
        "{{ nothing.here }}",
    ],
)
def test_a_template_cannot_take_a_device_down(source: str) -> None:
    with pytest.raises(BadRequest):
        ChatJinja(source).render(messages=[])


def test_what_is_no_template_is_refused_and_its_own_refusal_told() -> None:
    for source in ("{% if %}", "{{ 'a' | center(9) }}", "a" * (2**20 + 1)):
        with pytest.raises(BundleError, match="use another file"):
            ChatJinja(source)
    with pytest.raises(Refused, match=r"^no place$"):
        ChatJinja("{{ raise_exception('no place') }}").render()


def test_what_real_templates_use_is_there() -> None:
    source = (
        "{%- generation %}{% set ns = namespace(n=0) %}{%- for m in messages if m.role != 'x' %}{% set ns.n = ns.n + 1 %}"
        "{% if loop.last %}{% break %}{% endif %}{{ m['content'] | trim ~ ns.n }}{% endfor %}{% endgeneration -%}\n"
        "{{ {'b': 'ä', 'a': [1, none]} | tojson }} {{ ['b', 'a'] | sort | join(', ') }} {{ 'a b'.split(' ')[-1] }}"
    )
    chat = [{"role": "user", "content": " hi "}] * 2
    assert ChatJinja(source).render(messages=chat) == 'hi1{"b": "ä", "a": [1, null]} a, b b'
