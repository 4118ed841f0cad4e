"""Tiny .gguf files of random weights, with the vocabularies and chat templates of other families than our own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gguf import GGUFWriter

_WIDTH, _HIDDEN = 32, 64

LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
    "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}"
    "{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if loop.index0 == 0 and system_message != false %}"
    "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}"
    "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"
)
PHI3 = (
    "{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\n' + message['content'] + '<|end|>\n'}}"
    "{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}"
    "{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
# Family -> its template, its marks, and whether a space is put before a text.
FAMILIES: dict[str, tuple[str, tuple[str, ...], bool]] = {
    "llama2": (LLAMA2, (), True),
    "gemma": (GEMMA, ("<start_of_turn>", "<end_of_turn>"), False),
    "phi3": (PHI3, ("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"), True),
}
_WORDS = [
    "the",
    "and",
    "ing",
    "you",
    "what",
    "is",
    "of",
    "to",
    "in",
    "it",
    "hello",
    "world",
    "user",
    "model",
    "name",
    "sys",
    "inst",
    "a",
    "e",
    "i",
    "o",
    "u",
    "n",
    "t",
    "s",
    "r",
    "l",
    "h",
    "d",
    "c",
    "m",
    "p",
    "g",
    "b",
    "f",
    "w",
    "y",
    "v",
    "k",
    "x",
    "j",
    "q",
    "z",
    "{",
    "}",
    "[",
    "]",
    '"',
    ":",
    ",",
    ".",
    "?",
    "!",
    "<",
    ">",
    "/",
    "|",
    "_",
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
    "8",
    "9",
    "true",
    "false",
    "null",
    "er",
    "on",
    "en",
    "he",
    "th",
    "re",
    "an",
    "or",
    "st",
    "ar",
    "nd",
]


def sentencepiece(
    path: Path, template: str | None, marks: tuple[str, ...] = (), spaced: bool = True, architecture: str = "llama"
) -> Path:
    """Write a file whose tokenizer is SentencePiece's: pieces with scores, bytes for what has no piece."""
    from gguf import TokenType

    pieces = [
        "▁",
        *_WORDS,
        *(f"▁{word}" for word in _WORDS if word.isalpha()),
        "▁▁",
        "é",
        "ä",
        "▁▁▁▁",
        "hel",
        "lo",
        "wor",
    ]
    tokens = ["<unk>", "<s>", "</s>", *marks, *(f"<0x{byte:02X}>" for byte in range(256)), *dict.fromkeys(pieces)]
    control, byte = [TokenType.CONTROL] * (2 + len(marks)), [TokenType.BYTE] * 256
    kinds = [TokenType.UNKNOWN, *control, *byte]
    kinds += [TokenType.NORMAL] * (len(tokens) - len(kinds))
    scores = [0.0] * (259 + len(marks))
    scores += [-float(at) for at in range(len(tokens) - len(scores))]
    return _write(path, template, ("llama", tokens, kinds, scores), spaced, architecture)


def rwkv(path: Path, template: str | None) -> Path:
    """Write a file whose tokenizer is RWKV's: the longest known piece, always."""
    from gguf import TokenType

    pieces = [*(f"\\x{byte:02x}" for byte in range(256)), *_WORDS[:12], "\\n\\n", " hello"]
    tokens = ["<s>", *dict.fromkeys(pieces)]
    return _write(path, template, ("rwkv", tokens, [TokenType.CONTROL] + [TokenType.NORMAL] * (len(tokens) - 1), None))


def mamba(path: Path) -> Path:
    """Write a model whose memory is a state, which can't go back in its text."""
    from gguf import GGUFWriter, TokenType

    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *_WORDS]
    writer, random, inner, state, rank = GGUFWriter(path, "mamba"), np.random.default_rng(3), 2 * _WIDTH, 8, 4
    writer.add_context_length(1024)
    writer.add_embedding_length(_WIDTH)
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_block_count(1)
    writer.add_ssm_conv_kernel(4)
    writer.add_ssm_inner_size(inner)
    writer.add_ssm_state_size(state)
    writer.add_ssm_time_step_rank(rank)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    kinds = [TokenType.UNKNOWN, *[TokenType.CONTROL] * 2, *[TokenType.BYTE] * 256]
    writer.add_token_types(kinds + [TokenType.NORMAL] * (len(tokens) - len(kinds)))
    writer.add_token_scores([-float(at) for at in range(len(tokens))])
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (len(tokens), _WIDTH),
        "blk.0.ssm_in.weight": (2 * inner, _WIDTH),
        "blk.0.ssm_conv1d.weight": (inner, 4),
        "blk.0.ssm_conv1d.bias": (inner,),
        "blk.0.ssm_x.weight": (rank + 2 * state, inner),
        "blk.0.ssm_dt.weight": (inner, rank),
        "blk.0.ssm_dt.bias": (inner,),
        "blk.0.ssm_a": (inner, state),
        "blk.0.ssm_d": (inner,),
        "blk.0.ssm_out.weight": (_WIDTH, inner),
    }
    for name, shape in shapes.items():
        values = random.normal(0, 0.3, shape).astype(np.float32)
        writer.add_tensor(name, -np.abs(values) if name.endswith("ssm_a") else values)
    for name in ("output_norm", "blk.0.attn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(_WIDTH, np.float32))
    return _closed(writer, path)


def _write(
    path: Path,
    template: str | None,
    vocabulary: tuple[str, list[str], list[int], list[float] | None],
    spaced: bool = True,
    architecture: str = "llama",
) -> Path:
    from gguf import GGUFWriter

    kind, tokens, kinds, scores = vocabulary
    writer, random = GGUFWriter(path, architecture), np.random.default_rng(3)
    writer.add_name("tiny")
    writer.add_license("mit")
    writer.add_context_length(1024)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(_HIDDEN)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model(kind)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    if scores is None:
        writer.add_bos_token_id(0)
        writer.add_eos_token_id(0)
        writer.add_add_bos_token(False)
    else:
        writer.add_token_scores(scores)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_unk_token_id(0)
        writer.add_add_space_prefix(spaced)
    if template is not None:
        writer.add_chat_template(template)
    head = _WIDTH // 2
    shapes = {
        "token_embd": (len(tokens), _WIDTH),
        "blk.0.attn_q": (_WIDTH, _WIDTH),
        "blk.0.attn_k": (head, _WIDTH),
        "blk.0.attn_v": (head, _WIDTH),
        "blk.0.attn_output": (_WIDTH, _WIDTH),
        "blk.0.ffn_gate": (_HIDDEN, _WIDTH),
        "blk.0.ffn_up": (_HIDDEN, _WIDTH),
        "blk.0.ffn_down": (_WIDTH, _HIDDEN),
    }
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", random.normal(0, 0.3, shape).astype(np.float32))
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(_WIDTH, np.float32))
    return _closed(writer, path)


def _closed(writer: GGUFWriter, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


_ASK = """
import json, os, sys, urllib.request
import xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.use_jinja, params.warmup = sys.argv[1], 512, True, False
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.port, params.n_threads_http = 0, 1
server = xllamacpp.Server(params)
def ask(path, **body):
    asked = urllib.request.Request(server.listening_address + path, json.dumps(body).encode())
    with urllib.request.urlopen(asked, timeout=60) as reply:
        return json.load(reply)
made = []
for chat in json.load(sys.stdin):
    prompt = ask("/apply-template", messages=chat)["prompt"]
    made.append(ask("/tokenize", content=prompt, add_special=True, parse_special=True)["tokens"])
print("ANSWER" + json.dumps(made), flush=True)
os._exit(0)
"""


def servers_own(path: Path, chats: list[list[dict[str, str]]]) -> list[list[int]]:
    """The tokens that llama.cpp's own server makes of chats."""
    run = [sys.executable, "-c", _ASK, str(path)]
    done = subprocess.run(run, input=json.dumps(chats), capture_output=True, text=True, timeout=120)
    lines = [line for line in done.stdout.splitlines() if line.startswith("ANSWER")]
    assert lines, done.stderr[-2000:]
    made: list[list[int]] = json.loads(lines[0].removeprefix("ANSWER"))
    return made
