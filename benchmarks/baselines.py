"""Time an epoch of Deepr and RETAIN against plain padded ones, side by side.

    python benchmarks/baselines.py [--patients 4096] [--repeats 3] [--threads 1]

The plain ones are what a textbook gives: a Python loop fills padded arrays, visits are dense
multi-hot rows, the convolution and the GRUs are torch's. For RETAIN the GRUs run once over the
padding and once over packed sequences. All take the same random batches of 256 synthetic
patients through forward pass, backward pass and AdamW, in float32 and with bfloat16 products.
Runs alternate; the best of the repeats counts.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from behrt.learning.examples import Examples
from behrt.models import deepr, retain

N_DISEASES = 301
BATCH = 256
Collate = Callable[[Examples, np.ndarray, np.random.Generator], dict[str, Tensor]]


def synthetic(patients: int, seed: int) -> Examples:
    """Return patients with 5 to 150 visits, 12 in the middle, and 1.3 diseases a visit."""
    generator = np.random.default_rng(seed)
    visits = np.clip(generator.geometric(1 / 11, patients) + 4, 5, 150)
    visit_offsets = np.concatenate([[0], np.cumsum(visits)])
    weight = 1 / np.arange(1, N_DISEASES + 1)
    drawn = np.minimum(generator.geometric(1 / 1.3, visit_offsets[-1]), 6)
    codes = generator.choice(N_DISEASES, drawn.sum(), p=weight / weight.sum())
    pairs = np.unique(np.repeat(np.arange(len(drawn)), drawn) * N_DISEASES + codes)
    code_offsets = np.concatenate([[0], np.cumsum(np.bincount(pairs // N_DISEASES))])
    day = np.cumsum(generator.geometric(1 / 120, len(drawn)))
    day -= np.repeat(day[visit_offsets[:-1]], visits)
    labels = generator.integers(0, N_DISEASES, patients)
    return Examples(
        subject_id=np.arange(patients),
        sex=generator.integers(1, 3, patients).astype(np.int8),
        follow_up_start=np.zeros(patients, dtype=np.int32),
        visit_offsets=visit_offsets,
        visit_day=day.astype(np.int32),
        visit_age=(day // 30).astype(np.int16),
        code_offsets=code_offsets,
        codes=(pairs % N_DISEASES).astype(np.int16),
        label_offsets=np.arange(patients + 1),
        labels=labels.astype(np.int16),
        known_offsets=np.arange(patients + 1),
        known=labels.astype(np.int16),
        n_diseases=N_DISEASES,
    )


def histories(examples: Examples, row: int) -> list[tuple[int, list[int]]]:
    """Return the visits of one patient: day and diseases."""
    visits = range(examples.visit_offsets[row], examples.visit_offsets[row + 1])
    return [
        (
            int(examples.visit_day[visit]),
            examples.codes[
                examples.code_offsets[visit] : examples.code_offsets[visit + 1]
            ].tolist(),
        )
        for visit in visits
    ]


def plain_sentences(
    settings: deepr.Settings, examples: Examples, rows: np.ndarray, generator: np.random.Generator
) -> dict[str, Tensor]:
    sentences = []
    for row in rows:
        words: list[int] = []
        last = None
        for day, codes in histories(examples, row):
            if last is not None:
                words.append(int(deepr.gap_words(np.array(day - last))))
            words += [deepr.FIRST_DISEASE + code for code in generator.permutation(codes)]
            last = day
        sentences.append(torch.tensor(words[-settings.maximum_words :]))
    return {
        "words": nn.utils.rnn.pad_sequence(sentences, batch_first=True, padding_value=deepr.PAD),
        "sex": torch.tensor(examples.sex[rows], dtype=torch.int64),
    }


class PlainDeepr(nn.Module):
    def __init__(self, settings: deepr.Settings) -> None:
        super().__init__()
        size = settings.embedding_size
        self.embedding = nn.Embedding(deepr.FIRST_DISEASE + N_DISEASES, size, padding_idx=0)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(size, settings.filters, width, padding=width // 2)
            for width in settings.widths
        )
        self.sex = nn.Embedding(3, settings.sex_size)
        self.dropout = nn.Dropout(settings.dropout)
        features = len(settings.widths) * settings.filters + settings.sex_size
        self.classifier = nn.Linear(features, N_DISEASES)

    def forward(self, words: Tensor, sex: Tensor) -> Tensor:
        embedded = self.embedding(words).transpose(1, 2)
        padding = (words == deepr.PAD)[:, None]
        best = [
            F.relu(convolution(embedded)[:, :, : words.shape[1]])
            .masked_fill(padding, 0)
            .amax(dim=2)
            for convolution in self.convolutions
        ]
        logits: Tensor = self.classifier(self.dropout(torch.cat([*best, self.sex(sex)], dim=1)))
        return logits


def plain_visits(
    settings: retain.Settings, examples: Examples, rows: np.ndarray, generator: np.random.Generator
) -> dict[str, Tensor]:
    kept = [histories(examples, row)[-settings.maximum_visits :] for row in rows]
    lengths = [len(history) for history in kept]
    visits = torch.zeros(len(rows), max(lengths), N_DISEASES)
    gaps = torch.ones(len(rows), max(lengths), 1)
    for patient, history in enumerate(kept):
        last = history[0][0]
        for place, (day, codes) in enumerate(history):
            visits[patient, place, codes] = 1
            gaps[patient, place] = max(day - last, 1)
            last = day
    return {
        "visits": visits,
        "gaps": gaps,
        "lengths": torch.tensor(lengths),
        "sex": torch.tensor(examples.sex[rows], dtype=torch.int64),
    }


class PlainRetain(nn.Module):
    def __init__(self, settings: retain.Settings, packed: bool) -> None:
        super().__init__()
        size, hidden = settings.embedding_size, settings.hidden_size
        self.packed = packed
        self.read_embedding = nn.Linear(N_DISEASES, size, bias=False)
        self.summed_embedding = nn.Linear(N_DISEASES, size, bias=False)
        self.alpha_network, self.beta_network = (
            nn.GRU(size + 3, hidden, bidirectional=True, batch_first=True) for _ in range(2)
        )
        self.alpha = nn.Linear(2 * hidden, 1)
        self.beta = nn.Linear(2 * hidden, size)
        self.sex = nn.Embedding(3, settings.sex_size)
        self.dropout = nn.Dropout(settings.dropout)
        self.classifier = nn.Linear(size + settings.sex_size, N_DISEASES)

    def read(self, network: nn.GRU, visits: Tensor, lengths: Tensor) -> Tensor:
        if not self.packed:
            padded: Tensor = network(visits)[0]
            return padded
        packed = pack_padded_sequence(visits, lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(network(packed)[0], batch_first=True)[0]

    def forward(self, visits: Tensor, gaps: Tensor, lengths: Tensor, sex: Tensor) -> Tensor:
        time_features = [gaps / 365.25, 1 / gaps, 1 / torch.log(np.e + gaps)]
        read = torch.cat([self.dropout(self.read_embedding(visits)), *time_features], dim=2)
        padding = torch.arange(visits.shape[1]) >= lengths[:, None]
        scores = self.alpha(self.read(self.alpha_network, read, lengths))
        alpha = scores.masked_fill(padding[:, :, None], -torch.inf).softmax(dim=1)
        beta = torch.tanh(self.beta(self.read(self.beta_network, read, lengths)))
        context = (alpha * beta * self.summed_embedding(visits)).sum(dim=1)
        features = torch.cat([context, self.sex(sex)], dim=1)
        logits: Tensor = self.classifier(self.dropout(features))
        return logits


def epoch(model: nn.Module, collate: Collate, examples: Examples, bfloat16: bool) -> float:
    """Return the seconds that one epoch takes."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    generator = np.random.default_rng(0)
    order = generator.permutation(len(examples))
    started = time.perf_counter()
    for start in range(0, len(examples), BATCH):
        rows = order[start : start + BATCH]
        labels = torch.from_numpy(examples.label_matrix(rows)).float()
        batch = collate(examples, rows, generator)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            logits = model(**batch)
        loss = F.binary_cross_entropy_with_logits(logits.float(), labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--patients", type=int, default=4096)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    examples = synthetic(arguments.patients, seed=1)
    deepr_settings, retain_settings = deepr.Settings(), retain.Settings()
    sentences = partial(plain_sentences, deepr_settings)
    visits = partial(plain_visits, retain_settings)
    peers: dict[str, dict[str, tuple[nn.Module, Collate]]] = {
        "Deepr": {
            "ours": (
                deepr.Deepr(deepr_settings, N_DISEASES),
                partial(deepr.collate, deepr_settings),
            ),
            "plain, padded": (PlainDeepr(deepr_settings), sentences),
        },
        "RETAIN": {
            "ours": (
                retain.Retain(retain_settings, N_DISEASES),
                partial(retain.collate, retain_settings),
            ),
            "plain, padded": (PlainRetain(retain_settings, packed=False), visits),
            "plain, packed": (PlainRetain(retain_settings, packed=True), visits),
        },
    }
    for name, contenders in peers.items():
        for bfloat16 in (False, True):
            seconds = dict.fromkeys(contenders, np.inf)
            for _ in range(arguments.repeats):
                for peer, (model, collate) in contenders.items():
                    seconds[peer] = min(seconds[peer], epoch(model, collate, examples, bfloat16))
            precision = "bfloat16" if bfloat16 else "float32"
            for peer, taken in seconds.items():
                speed, ratio = len(examples) / taken, taken / seconds["ours"]
                print(f"{name:7}{precision:9}{peer:14}{speed:9,.0f} patients/s, ours x{ratio:.1f}")


if __name__ == "__main__":
    main()
