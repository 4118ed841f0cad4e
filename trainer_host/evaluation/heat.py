"""Two maps of what a model does: which tokens look at which, and which answers are taken for which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer_host.data.dataset import Dataset
from trainer_host.errors import DataError
from trainer_host.training.run import Run

if TYPE_CHECKING:
    from torch import Tensor

    from trainer_host.students.language.model import LanguageModel

MOST_TOKENS = 128  # of a map that a person can read
MOST_NAMES = 40  # of a confusion matrix; the rarer ones are one more
OTHERS = "others"


@dataclass(frozen=True)
class Heat:
    """A square map. rows: 0 to 1, each sums to 1, or to 0 where a label has no cases.

    names: of rows and columns. counts: by the same places, empty for attention. layers, heads: that there are.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...]
    counts: tuple[tuple[int, ...], ...] = ()
    layers: int = 0
    heads: int = 0


def attention_weights(model: LanguageModel, tokens: Tensor) -> list[Tensor]:
    """Per layer, float32 [heads, length, length]: how much each token (row) takes from each before it (column).

    tokens: int64 [1, length]. Softmax of the scaled products, as `scaled_dot_product_attention` computes and keeps to
    itself.
    """
    import torch

    from trainer_host.students.language.model import Attention, rotate

    found: list[Tensor] = []

    def seen(module: torch.nn.Module, given: tuple[object, ...]) -> None:
        assert isinstance(module, Attention)
        x, rope, masks = given[0], given[1], given[2]
        length = x.shape[1]  # type: ignore[attr-defined]
        query = rotate(module.q_proj(x).view(1, length, module.heads, module.head).transpose(1, 2), *rope)  # type: ignore[misc]
        key = rotate(module.k_proj(x).view(1, length, module.kv_heads, module.head).transpose(1, 2), *rope)  # type: ignore[misc]
        key = key.repeat_interleave(module.heads // module.kv_heads, 1)
        scores = (query @ key.transpose(-1, -2)).float() / module.head**0.5
        mask = masks[module.window]  # type: ignore[index]
        if mask is None:
            mask = torch.ones(length, length, dtype=torch.bool, device=scores.device).tril()
        found.append(scores.masked_fill(~mask, float("-inf")).softmax(-1)[0])

    hooks = [layer.self_attn.register_forward_pre_hook(seen) for layer in model.layers]  # type: ignore[union-attr]
    try:
        with torch.no_grad():
            model.hidden(tokens)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def attention(run: Run, text: str, layer: int | None = None, head: int | None = None) -> Heat:
    """Where a language model looks while it reads a sentence, with all that its template puts around it.

    layer, head: from 0; the last layer, and the mean of the heads, where they aren't given. Raises `DataError`.
    """
    import torch

    from edge_runtime.language.template import encode_chat
    from edge_runtime.language.tokenizer import Tokenizer
    from trainer_host.students import student_of
    from trainer_host.students.language.run_files import TOKENIZER, read_template, trained_model

    if student_of(run).family != "language":
        raise DataError(
            f"A {run.task} isn't a language model, so it has no map of attention; it has one of confusions."
        )
    config, model = trained_model(run.folder)
    if not (layer is None or layer < config.layers) or not (head is None or head < config.heads):
        raise DataError(f"'{run.name}' has {config.layers} layers of {config.heads} heads, counted from 0.")
    tokenizer = Tokenizer.read(run.folder / TOKENIZER)
    messages = [{"role": "user", "content": text}]
    ids, _ = encode_chat(tokenizer, read_template(run.folder), messages, answering=True)
    if len(ids) > min(MOST_TOKENS, config.context):
        raise DataError(f"That makes {len(ids)} tokens; at most {min(MOST_TOKENS, config.context)} are shown.")
    weights = attention_weights(model, torch.tensor([ids]))[config.layers - 1 if layer is None else layer]
    chosen = weights.mean(0) if head is None else weights[head]
    rows = tuple(tuple(round(float(value), 5) for value in row) for row in chosen)
    return Heat(
        tuple(tokenizer.decode([number], special=True) for number in ids), rows, (), config.layers, config.heads
    )


def confusion(run: Run, dataset: Dataset, most: int, on_step: Callable[[float, str], None]) -> dict[str, Heat]:
    """Of held-out rows, by what is chosen ("label", "emotion" ...): what is right (rows), and what was answered.

    Raises `DataError` for a task whose answers aren't chosen among a few, and as `examine`.
    """
    from trainer_host.evaluation.answers import chosen, examine

    pairs: dict[str, Counter[tuple[str, str]]] = {}
    for one in examine(run, dataset, most, on_step).answers:
        for what, pair in chosen(one.task, one.wanted, one.got, one.score).items():
            pairs.setdefault(what, Counter())[pair] += 1
    if not pairs:
        raise DataError(f"A {run.task} doesn't choose among a few answers, so there are no confusions to show.")
    return {what: _matrix(counts) for what, counts in pairs.items()}


def _matrix(counts: Counter[tuple[str, str]]) -> Heat:
    often: Counter[str] = Counter()
    for (wanted, got), count in counts.items():
        often[wanted] += count
        often[got] += count
    kept = [name for name, _ in often.most_common(MOST_NAMES)]
    names = tuple(sorted(kept)) + ((OTHERS,) if len(often) > len(kept) else ())
    place = {name: number for number, name in enumerate(names)}
    table = [[0] * len(names) for _ in names]
    for (wanted, got), count in counts.items():
        table[place.get(wanted, len(names) - 1)][place.get(got, len(names) - 1)] += count
    rows = tuple(tuple(count / sum(line) if sum(line) else 0.0 for count in line) for line in table)
    return Heat(names, rows, tuple(map(tuple, table)))
