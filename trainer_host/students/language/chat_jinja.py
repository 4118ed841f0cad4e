"""Chat templates as Jinja, as Hugging Face and llama.cpp keep them: ours written so, theirs recognised.

A rendered chat is one text, whose marks the reader makes special tokens wherever they are spelled. Our own function
(`edge_runtime.language.template.encode_chat`) makes tokens, and a mark that a person spells stays text. So both give
the same tokens for all messages but those that spell marks.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from edge_runtime.errors import BadRequest, BundleError
from edge_runtime.language.jinja_sandbox import ChatJinja, Refused
from edge_runtime.language.template import (
    CHATML,
    MARKED,
    SMOLLM2,
    THINK,
    THOUGHT,
    TOOL_CALL,
    TOOL_CALLED,
    Template,
    encode_chat,
    task_token,
)
from edge_runtime.language.tokenizer import Tokenizer

Json = Mapping[str, object]

_ASK = {"role": "user", "content": "What is 7 + 5?"}
_TOLD = {"role": "system", "content": "Be brief."}
_ANSWER = {"role": "assistant", "content": "12."}
# What two templates must write alike to be the same; tools are left out, as only newer templates know them.
_TRIALS: tuple[tuple[tuple[Json, ...], bool], ...] = (
    ((_ASK,), True),
    ((_TOLD, _ASK), True),
    ((_ASK, _ANSWER, {"role": "user", "content": " Sure?\n\nTwice  over, ä 😀 "}), True),
    ((_TOLD, _ASK, _ANSWER), False),
)


def spelled(
    template: Template,
    messages: Sequence[Json],
    *,
    task: str | None = None,
    tools: Sequence[Json] = (),
    answering: bool,
) -> str:
    """The text of a chat as `encode_chat` writes it, its special tokens by their names."""
    names: list[str] = []

    class Spelling:
        """A tokenizer whose tokens are characters; beyond Unicode, the special tokens that were asked for."""

        def encode(self, text: str) -> list[int]:
            return list(map(ord, text))

        def special_id(self, text: str) -> int:
            names.append(text)
            return 0x110000 + len(names) - 1

    ids, _ = encode_chat(Spelling(), template, messages, task=task, tools=tools, answering=answering)  # type: ignore[arg-type]
    return "".join(chr(i) if i < 0x110000 else names[i - 0x110000] for i in ids)


def jinja_of(template: Template, task: str | None = None) -> str:
    """A template as Jinja, for `apply_chat_template` and llama.cpp. task: the one meant where a chat names none."""
    roles = {role: name for role, name in template.roles.items() if role not in ("assistant", "tool")}
    tools = "" if template.tools == MARKED else template.tools  # the comparison of words is no template's work
    listed = _joined(tools, "{tools}", "ns.listed")
    result = _joined(template.result, "{content}", 'message["content"]')
    refuse = '{{ raise_exception("This model knows no tools; leave them out.") }}'
    known = ", ".join(sorted(template.roles))
    parts = [
        _out(_text(template.begin)) if template.begin else "",
        f"{{% set asked = task if task is defined else {_text(task or '')} %}}",
        '{% if asked %}{{ "' + task_token('" + asked + "') + '" }}{% endif %}',
        f'{{% set ns = namespace(system={_text(template.system)}, rest=messages, listed="", written=false) %}}',
        '{% if messages and messages[0]["role"] == "system" %}{% set ns.system = messages[0]["content"] %}'
        "{% set ns.rest = messages[1:] %}{% set ns.written = true %}{% endif %}",
        f"{{% if {'messages or tools' if template.system else 'tools'} %}}{{% set ns.written = true %}}{{% endif %}}",
        "{% if tools %}{% for tool in tools %}"
        '{% set ns.listed = ns.listed + ("" if loop.first else "\\n") + (tool | tojson) %}{% endfor %}'
        f'{{% set ns.system = ns.system + ("\\n\\n" if ns.system else "") + {listed} %}}{{% endif %}}'
        if tools
        else f"{{% if tools %}}{refuse}{{% endif %}}",
        "{% if ns.written %}"
        + _out(_text(template.open + template.roles["system"] + template.between), "ns.system", _text(template.end))
        + _out(_text(template.after))
        + "{% endif %}"
        if "system" in template.roles
        else "",
        '{% for message in ns.rest %}{% if message["role"] == "assistant" %}',
        _out(_text(template.open + template.roles["assistant"] + template.between)),
        '{% if message["reasoning"] and loop.last and not add_generation_prompt %}',
        _out(_text(THINK), 'message["reasoning"]', _text(THOUGHT)),
        '{% endif %}{{ message["content"] or "" }}{% for call in message["tool_calls"] or [] %}',
        '{% set called = call["function"] if call["function"] else call %}',
        _out(_text(f'{TOOL_CALL}{{"name": '), '(called["name"] | tojson)', _text(', "arguments": ')),
        '{{ called["arguments"] if called["arguments"] is string else (called["arguments"] | tojson) }}',
        _out(_text("}" + TOOL_CALLED)) + "{% endfor %}",
        '{% elif message["role"] == "tool" %}' + _out(_text(template.open + template.roles["tool"] + template.between))
        if "tool" in template.roles
        else "",
        _out(result) if "tool" in template.roles else "",
    ]
    for role, name in roles.items():
        parts += [
            f'{{% elif message["role"] == {_text(role)} %}}',
            _out(_text(template.open + name + template.between), 'message["content"]'),
        ]
    parts += [
        "{% else %}{{ raise_exception(" + _text(f"A message has a role that this model lacks; use {known}.") + ") }}",
        "{% endif %}" + _out(_text(template.end + template.after)) + "{% endfor %}",
        "{% if add_generation_prompt %}" + _out(_text(template.open + template.roles["assistant"] + template.between)),
        "{% endif %}",
    ]
    return "".join(parts)


def template_of(jinja: str | None) -> Template | None:
    """Our template that writes chats as this Jinja does; None where there is no Jinja, or none of ours writes so."""
    if jinja is None:
        return None
    for template in (SMOLLM2, CHATML, _with_own_system(jinja)):
        if template is not None and all(
            render(jinja, messages, answering) == spelled(template, messages, answering=answering)
            for messages, answering in _TRIALS
        ):
            return template
    return None


def render(jinja: str, messages: Sequence[Json], answering: bool, **given: object) -> str | None:
    """A chat by a Jinja template, as transformers renders it; None where it refuses the chat, or isn't Jinja.

    It runs in the device's sandbox: the template may be a stranger's.
    """
    try:
        return _compiled(jinja).render(
            messages=list(messages), add_generation_prompt=answering, bos_token="", eos_token="", **given
        )
    except (BadRequest, BundleError, Refused):
        return None


@functools.lru_cache(maxsize=8)
def _compiled(jinja: str) -> ChatJinja:
    return ChatJinja(jinja)


def without_written_marks(tokenizer: str, template: Template) -> str:
    """The tokenizer.json for readers that make every spelled mark a special token.

    Our function writes thoughts and calls of tools as text (`<think>`), so such marks must not be special there.
    """
    raw = json.loads(tokenizer)
    calls = [{"name": "a", "arguments": {}}]
    chat: list[Json] = [{"role": "assistant", "content": "", "reasoning": "a", "tool_calls": calls}]
    ids, _ = encode_chat(Tokenizer(raw), template, [_TOLD, _ASK, *chat], answering=False)
    written = (THINK, THOUGHT, TOOL_CALL, TOOL_CALLED)
    kept = [entry for entry in raw.get("added_tokens") or () if entry["content"] not in written or entry["id"] in ids]
    lost = [entry for entry in raw.get("added_tokens") or () if entry not in kept]
    for entry in lost:  # their rows in the model's table stay theirs
        raw["model"]["vocab"].setdefault(entry["content"], entry["id"])
    raw["added_tokens"] = kept
    return json.dumps(raw, ensure_ascii=False, indent=1) + "\n" if lost else tokenizer


def _with_own_system(jinja: str) -> Template | None:
    """ChatML with the system message that this Jinja puts before a chat that has none."""
    rendered = render(jinja, (_ASK,), False)
    lead, tail = f"{CHATML.open}system\n", f"{CHATML.end}{CHATML.after}{CHATML.open}user"
    if rendered is None or not rendered.startswith(lead) or tail not in rendered:
        return None
    return replace(SMOLLM2, name="chatml-system", system=rendered[len(lead) :].split(tail)[0], stops=CHATML.stops)


def _text(value: str) -> str:
    """A string of Jinja; line breaks are escaped, as Jinja's own whitespace rules would eat some."""
    escaped = (
        value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    )
    return f'"{escaped}"'


def _out(*values: str) -> str:
    return "{{ " + " + ".join(values) + " }}"


def _joined(text: str, hole: str, variable: str) -> str:
    """An expression: a text in whose holes a variable stands."""
    joined = f" + {variable} + ".join(_text(part) for part in text.split(hole))
    return joined.removeprefix('"" + ').removesuffix(' + ""')
