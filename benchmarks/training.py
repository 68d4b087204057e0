"""Tokens per processor second of training BEHRT: the engine and a plain padded BERT, side by side.

    python benchmarks/training.py [--paper] [--batch 64] [--threads 1] [--repeats 3] [--rows FILE]

The plain one is the encoder of pytorch_pretrained_bert, on which the paper's released code
stands: every patient padded to the maximum length, float32, separate projections, torch's own
dropout, logits at every word in pretraining, AdamW one parameter at a time. Both begin from the
same weights, and without dropout both have the same loss, which is checked first. Runs alternate;
the median counts. A token is a real one, never padding.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from pytorch_pretrained_bert.modeling import BertConfig, BertEncoder
from rows import Row, add_rows_option, write_rows
from synthetic import N_DISEASES, synthetic
from torch import Tensor, nn
from torch.nn import functional as F

from behrt.learning import engine
from behrt.learning.device import begin, precision_of
from behrt.learning.examples import Examples
from behrt.learning.masked_language import MaskedLanguage
from behrt.learning.run import Compute, Optimisation, TrainingRun
from behrt.learning.words import Words, mask_words, words_of
from behrt.models import behrt
from behrt.sequences.vocabulary import FIRST_DISEASE, PAD
from behrt.settings.behrt import Masking, Settings

LENGTH = 100
PLAIN = "plain padded, float32"


class Plain(nn.Module):
    """The same network as `Behrt`, padded and unfused; takes over its weights."""

    def __init__(self, model: behrt.Behrt, settings: Settings) -> None:
        super().__init__()
        self.model = model  # embeddings and heads; its layers are not used
        self.rate = settings.hidden_dropout
        self.encoder = BertEncoder(
            BertConfig(
                FIRST_DISEASE + N_DISEASES,
                hidden_size=settings.hidden,
                num_hidden_layers=settings.layers,
                num_attention_heads=settings.heads,
                intermediate_size=settings.intermediate,
                hidden_dropout_prob=settings.hidden_dropout,
                attention_probs_dropout_prob=settings.attention_dropout,
            )
        )
        for own, layer in zip(model.encoder.layers, self.encoder.layer, strict=True):
            attention, weights = layer.attention, own.query_key_value.state_dict()
            parts = (attention.self.query, attention.self.key, attention.self.value)
            for place, part in enumerate(parts):
                part.load_state_dict({k: v.chunk(3)[place] for k, v in weights.items()})
            attention.output.dense.load_state_dict(own.attention_output.state_dict())
            attention.output.LayerNorm.load_state_dict(own.attention_norm.state_dict())
            layer.intermediate.dense.load_state_dict(own.inner.state_dict())
            layer.output.dense.load_state_dict(own.outer.state_dict())
            layer.output.LayerNorm.load_state_dict(own.norm.state_dict())

    def forward(self, words: Words, length: int) -> Tensor:
        """Return hidden vectors (patients, length, hidden)."""
        lengths = np.diff(words.offsets)
        inside = np.arange(length) < lengths[:, np.newaxis]
        tokens, ages, visits = (np.full(inside.shape, PAD) for _ in range(3))
        tokens[inside], ages[inside], visits[inside] = words.tokens, words.ages, words.visits
        encoder, index = self.model.encoder, torch.from_numpy(visits)
        embedded = (
            encoder.words(torch.from_numpy(tokens))
            + encoder.ages(torch.from_numpy(ages))
            + encoder.segments(index % 2)
            + encoder.positions[index]
        )
        embedded = F.dropout(encoder.norm(embedded), self.rate, self.training)
        hidden = (1.0 - torch.from_numpy(inside)[:, None, None].float()) * -10_000.0
        return self.encoder(embedded, hidden, output_all_encoded_layers=False)[-1]


class Contest:
    """One task, done by both."""

    def __init__(self, task: str, settings: Settings, examples: Examples) -> None:
        self.task = task
        self.settings = settings.model_copy(
            update={"readout": "mask" if task == "pretrain" else "cls"}
        )
        self.examples = examples

    def objective(self) -> engine.Objective:
        collate = behrt._collate(self.settings)
        if self.task == "pretrain":
            return MaskedLanguage(self.examples, self.examples, collate, LENGTH, Masking(), seed=1)
        return engine.Classification(self.examples, self.examples, collate)

    def plain_loss(self, plain: Plain, rows: np.ndarray, draw: np.random.Generator) -> Tensor:
        words = words_of(self.examples, rows, LENGTH, False)
        if self.task == "finetune":
            labels = torch.from_numpy(self.examples.label_matrix(rows)).float()
            logits = plain.model.head(plain(words, LENGTH)[:, 0])
            return F.binary_cross_entropy_with_logits(logits, labels)
        words, places, targets = mask_words(words, Masking(), N_DISEASES, draw)
        sought = np.full(len(words.tokens), -1)
        sought[places] = targets
        padded = np.full((len(rows), LENGTH), -1)
        padded[np.arange(LENGTH) < np.diff(words.offsets)[:, np.newaxis]] = sought
        logits = plain.model.head(plain(words, LENGTH), plain.model.encoder.words)
        return F.cross_entropy(
            logits.flatten(0, 1), torch.from_numpy(padded).flatten(), ignore_index=-1
        )

    def batches(self, size: int) -> Iterator[np.ndarray]:
        while True:
            order = np.random.default_rng(1).permutation(len(self.examples))
            yield from (order[start : start + size] for start in range(0, len(order), size))

    def check(self, run: TrainingRun) -> None:
        """Stop if the two do not have the same loss without dropout."""
        begin(run)
        model = behrt.Behrt(self.settings, N_DISEASES).eval()
        rows = np.arange(40)
        objective = self.objective()
        batch = objective.batch(rows, slice(0, len(rows)), np.random.default_rng(1))
        with torch.no_grad():
            ours = objective.loss(model, batch)
            plain = Plain(model, self.settings).eval()
            theirs = self.plain_loss(plain, rows, np.random.default_rng(1))
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)

    def engine_step(self, run: TrainingRun, batch: int) -> Callable[[np.ndarray], object]:
        begin(run)
        model = behrt.Behrt(self.settings, N_DISEASES)
        optimisation = Optimisation(epochs=1000, batch_size=batch, learning_rate=1e-4)
        training = engine._Training(model, self.objective(), optimisation, run, self.settings)
        training.wrapped.train()
        return training.step

    def plain_step(self, run: TrainingRun) -> Callable[[np.ndarray], object]:
        begin(run)
        plain = Plain(behrt.Behrt(self.settings, N_DISEASES), self.settings).train()
        optimiser = torch.optim.AdamW(plain.parameters(), lr=1e-4, foreach=False)
        draw = np.random.default_rng(1)

        def step(rows: np.ndarray) -> None:
            optimiser.zero_grad()
            self.plain_loss(plain, rows, draw).backward()
            nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
            optimiser.step()

        return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--paper", action="store_true", help="the paper's sizes")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each repeat")
    add_rows_option(parser)
    chosen = parser.parse_args()
    measures: list[Row] = []
    small = Settings(hidden=96, layers=2, heads=4, intermediate=192, max_length=LENGTH)
    settings = Settings(max_length=LENGTH) if chosen.paper else small
    examples = synthetic(4096)
    tokens = engine._tokens(examples)
    with tempfile.TemporaryDirectory() as folder:
        run = TrainingRun(Path(folder), Compute(1, chosen.threads))
        full = replace(run, compute=replace(run.compute, precision="32-true"))
        print(
            f"{settings.hidden}/{settings.layers}, batch {chosen.batch}, {chosen.threads} threads"
        )
        for task in ("pretrain", "finetune"):
            contest = Contest(task, settings, examples)
            contest.check(full)
            steps = {
                PLAIN: contest.plain_step(full),
                "packed, float32": contest.engine_step(full, chosen.batch),
            }
            if precision_of(run) == "bf16-mixed":
                steps["packed, bfloat16"] = contest.engine_step(run, chosen.batch)
            feeds = {name: contest.batches(chosen.batch) for name in steps}
            speeds: dict[str, list[float]] = {name: [] for name in steps}
            for repeat in range(chosen.repeats + 1):
                for name, step in steps.items():
                    done, started = 0, time.process_time()
                    while (taken := time.process_time() - started) < chosen.seconds:
                        rows = next(feeds[name])
                        step(rows)
                        done += int(tokens[rows].sum())
                    if repeat:  # the first is a warm-up
                        speeds[name].append(done / taken)
            base = statistics.median(speeds[PLAIN])
            for name, measured in speeds.items():
                speed = statistics.median(measured)
                print(f"  {task}: {name:22} {speed:9,.0f} tokens/s  x{speed / base:.2f}")
                if name != PLAIN:
                    threads = f"{chosen.threads} thread{'s' * (chosen.threads > 1)}"
                    case = f"{settings.hidden}/{settings.layers}, {threads}, {name}"
                    measures.append(Row(case, task, "tokens/CPU s", speed, base, PLAIN))
    write_rows(chosen.rows, measures)


if __name__ == "__main__":
    main()
