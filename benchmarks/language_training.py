"""Training of a language model on a processor or a GPU: ours, transformers' Trainer, and the same model in a plain eager loop.

    python benchmarks/language_training.py [--size micro] [--steps 12] [--repeat 2]
    python benchmarks/language_training.py --device cuda --size small --conversations 512

All three learn from the same conversations with the same weights at first, the same number of conversations per step and
the same number of threads, float32, and on a GPU bfloat16 beside it (autocast). What counts is learnt text: tokens that aren't padding, per second. Steps at the
beginning don't count. The peers pad each batch to its longest text, as they do by default.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from trainer_host.students.language.config import LanguageConfig, sized
from trainer_host.students.language.data import Encoded
from trainer_host.students.language.model import LanguageModel
from trainer_host.training.loop import TrainSettings, train_language

WARM = 2
PADDED = -100


def conversations(vocabulary: int, count: int, longest: int) -> list[Encoded]:
    """Random tokens with the lengths of chats: most are short, a few long; two thirds of each is the answer."""
    rng = np.random.default_rng(1)
    made = []
    for length in np.clip(rng.lognormal(4.4, 0.6, count).astype(int), 16, longest):
        mask = np.arange(length) >= length // 3
        made.append(Encoded(rng.integers(20, vocabulary, length).astype(np.int32), mask, 0.0, "chat"))
    return made


def ours(config: LanguageConfig, rows: list[Encoded], per_step: int, steps: int, threads: int, device: str) -> float:
    """Tokens per second of `train_language`; a step has as many places as the conversations of the others have tokens."""
    mean = sum(len(row.ids) for row in rows) / len(rows)
    packed = max(2, round(per_step * mean / 256))
    micro = max(1, packed // threads // 2) if device == "cpu" else None
    settings = TrainSettings(
        steps=steps, rows=packed, length=256, micro=micro, save_every=10**6, workers=threads, device=device
    )
    speeds: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        train_language(
            LanguageModel(config),
            rows,
            [],
            Path(folder),
            settings,
            lambda share, values: speeds.append(values["tokens_per_second"]),
        )
    return statistics.median(speeds[WARM:])


def batches(rows: list[Encoded], per_step: int, steps: int) -> list[dict[str, torch.Tensor]]:
    """Padded to the longest text of each."""
    order = np.random.default_rng(2).permutation(len(rows))
    made = []
    for step in range(steps):
        chosen = [rows[order[(step * per_step + i) % len(rows)]] for i in range(per_step)]
        longest = max(len(row.ids) for row in chosen)
        tokens, labels = np.zeros((per_step, longest), np.int64), np.full((per_step, longest), PADDED)
        seen = np.zeros((per_step, longest), np.int64)
        for i, row in enumerate(chosen):
            tokens[i, : len(row.ids)], seen[i, : len(row.ids)] = row.ids, 1
            labels[i, : len(row.ids)] = np.where(row.mask, row.ids, PADDED)
        made.append({"input_ids": tokens, "labels": labels, "attention_mask": seen})
    return [{name: torch.from_numpy(value) for name, value in one.items()} for one in made]


def eager(config: LanguageConfig, rows: list[Encoded], per_step: int, steps: int, threads: int, device: str) -> float:
    """Our model in the loop that everyone writes first: all logits, torch's cross entropy, torch's own threads."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = LanguageModel(config).to(device).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    speeds = []
    for batch in batches(rows, per_step, steps):
        begun = time.perf_counter()
        labels = batch["labels"].to(device)
        with torch.autocast(device, torch.bfloat16, enabled=device != "cpu"):
            logits = model(batch["input_ids"].to(device))
            loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=PADDED)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if device != "cpu":
            torch.cuda.synchronize()
        speeds.append(int(batch["attention_mask"].sum()) / (time.perf_counter() - begun))
    return statistics.median(speeds[WARM:])


def transformers(
    config: LanguageConfig, rows: list[Encoded], per_step: int, steps: int, threads: int, device: str
) -> float:
    """`transformers.Trainer` on `LlamaForCausalLM` of the same shape."""
    from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=config.vocabulary,
            hidden_size=config.width,
            intermediate_size=config.hidden,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.kv_heads,
            max_position_embeddings=config.context,
            tie_word_embeddings=config.tied,
        )
    )
    whole = batches(rows, per_step, steps)
    times: list[float] = []

    class Clock(TrainerCallback):
        def on_step_begin(self, *args: object, **kwargs: object) -> None:
            times.append(time.perf_counter())

        def on_step_end(self, *args: object, **kwargs: object) -> None:
            if device != "cpu":
                torch.cuda.synchronize()
            times.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=steps,
            per_device_train_batch_size=1,
            use_cpu=device == "cpu",
            bf16=device != "cpu",
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            max_grad_norm=1.0,
            dataloader_num_workers=0,
        )
        trainer = Trainer(
            model, arguments, train_dataset=whole, data_collator=lambda parts: parts[0], callbacks=[Clock()]
        )
        trainer.get_train_dataloader = lambda: torch.utils.data.DataLoader(  # the batches in their order
            whole, batch_size=1, collate_fn=lambda parts: parts[0]
        )
        trainer.train()
    pairs = zip(times[::2], times[1::2], strict=True)
    speeds = [int(one["attention_mask"].sum()) / (end - begin) for one, (begin, end) in zip(whole, pairs, strict=True)]
    return statistics.median(speeds[WARM:])


VARIANTS = {"ours": ours, "transformers": transformers, "eager": eager}


def main() -> None:
    """One line of JSON per run, then the ratios of the best."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="micro")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--conversations", type=int, default=16, help="per step")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    args = parser.parse_args()
    config = sized(args.size)
    rows = conversations(config.vocabulary, max(400, 2 * args.conversations), 256)
    best: dict[str, float] = {}
    for _ in range(args.repeat):
        for name, run in VARIANTS.items():
            speed = run(config, rows, args.conversations, args.steps, args.threads, args.device)
            print(json.dumps({"variant": name, "size": args.size, "tokens_per_second": round(speed, 1)}), flush=True)
            best[name] = max(best.get(name, 0.0), speed)
    for peer in ("transformers", "eager"):
        print(f"ours / {peer}: {best['ours'] / best[peer]:.2f}")


if __name__ == "__main__":
    main()
