"""Compare the encoder of BEHRT with transformers' own `BertModel`, of the same weights.

    python benchmarks/hugging_face.py [results/demo/trained/T2/behrt] [--paper] [--rows FILE]

Both encode the same random histories on one thread. Without a folder of a trained model, the
weights are random, of the default run's sizes or the paper's, and are exported in the same way. It
prints the largest difference between the hidden vectors, and the words per processor second of
each. `BertModel` receives the histories padded, with a mask, which is how it takes histories of
several lengths.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rows import Row, add_rows_option, write_rows
from safetensors.torch import load_file
from torch import Tensor
from transformers import BertModel

from behrt.learning.artefacts import write_model
from behrt.learning.run import Compute, TrainingRun
from behrt.learning.words import Words, packed_rows
from behrt.models import behrt
from behrt.sequences.vocabulary import CLS, FIRST_DISEASE, PAD, SEP
from behrt.settings.behrt import Settings
from behrt.use.bert import write_bert

PATIENTS, LONGEST, REPEATS = 256, 100, 5
N_DISEASES = 301
DEFAULT = Settings(hidden=144, layers=2, heads=6, intermediate=288, readout="mask")
PAPER = Settings(readout="mask")


def new_folder(folder: Path, settings: Settings) -> Path:
    """Write the folder of a BEHRT with random weights, as that of a trained one."""
    torch.manual_seed(1)
    model = behrt.Behrt(settings, N_DISEASES)
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    run = TrainingRun(folder, Compute(1), facts={"task": "T2"})
    write_model(run, settings, N_DISEASES, weights)
    write_bert(folder, folder)
    return folder


def histories(words: int) -> Words:
    """Return random histories of 30 words on average, and at most `LONGEST`."""
    draw = np.random.default_rng(1)
    lengths = np.clip(draw.lognormal(3.1, 0.8, PATIENTS).astype(np.int64), 5, LONGEST)
    offsets = np.concatenate([[0], lengths.cumsum()])
    tokens = draw.integers(FIRST_DISEASE, words, offsets[-1])
    tokens[draw.random(len(tokens)) < 0.3] = SEP
    tokens[offsets[:-1]] = CLS
    patient = np.repeat(np.arange(PATIENTS), lengths)
    ended = np.cumsum(np.roll(tokens == SEP, 1))
    visits = ended - ended[offsets[:-1]][patient]
    return Words(offsets, tokens, ages=500 + 7 * visits, visits=visits)


def measured(encode: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """Return the hidden vectors, and the median of the processor seconds."""
    seconds = []
    with torch.no_grad():
        found = encode()
        for _ in range(REPEATS):
            begun = time.process_time()
            found = encode()
            seconds.append(time.process_time() - begun)
    return found, statistics.median(seconds)


def compare(folder: Path, case: str) -> list[Row]:
    """Return the rows for the model in a folder, and print them."""
    model, _ = behrt.load(folder)
    model.eval()
    bert = BertModel.from_pretrained(folder / "bert", add_pooling_layer=False).eval()
    ages = load_file(folder / "bert" / "ages.safetensors")["age_embeddings.weight"]
    words = histories(model.encoder.words.num_embeddings)
    inside = torch.from_numpy(np.arange(LONGEST) < np.diff(words.offsets)[:, np.newaxis])

    def padded(values: np.ndarray) -> Tensor:
        found = torch.full(inside.shape, PAD)
        found[inside] = torch.from_numpy(values)
        return found

    def ours() -> Tensor:
        rows = packed_rows(words, read=np.arange(len(words.tokens)))
        hidden: Tensor = model.encoder(
            **{name: torch.from_numpy(row) for name, row in rows.items()}
        )
        return hidden

    def theirs() -> Tensor:
        visits = padded(words.visits)
        embedded = bert.embeddings.word_embeddings(padded(words.tokens))
        hidden: Tensor = bert(
            inputs_embeds=embedded + ages[padded(words.ages)],
            attention_mask=inside.long(),
            position_ids=visits,
            token_type_ids=visits % 2,
        ).last_hidden_state
        return hidden[inside]

    (own, seconds), (other, peer_seconds) = measured(ours), measured(theirs)
    difference = (own - other).abs().max().item()
    count = len(words.tokens)
    print(
        f"{case}: {PATIENTS} histories of {count:,} words, largest difference {difference:.2g}; "
        f"{count / seconds:,.0f} words per processor second, transformers "
        f"{count / peer_seconds:,.0f}: x{peer_seconds / seconds:.2f}"
    )
    return [
        Row(case, "encoding", "words/CPU s", count / seconds, count / peer_seconds, "transformers"),
        Row(case, "largest difference of a hidden value", "", difference),
    ]


def main() -> None:
    """Compare the two for the folder, or the sizes, that the command names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="results/<run>/trained/<task>/<model>")
    parser.add_argument("--paper", action="store_true", help="random weights of the paper's sizes")
    add_rows_option(parser)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        if given.folder:
            rows = compare(given.folder, given.folder.name)
        else:
            sizes, case = (PAPER, "the paper's sizes") if given.paper else (DEFAULT, "144/2")
            rows = compare(new_folder(Path(temporary), sizes), f"{case}, one thread")
    write_rows(given.rows, rows)


if __name__ == "__main__":
    main()
