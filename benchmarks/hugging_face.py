"""Compare the encoder that a trained folder exports with transformers' own `BertModel`.

Needs `pip install transformers`, which is not a dependency of the project:

    python benchmarks/hugging_face.py results/demo/trained/T2/behrt

It prints the largest difference between the hidden vectors of the workflow's encoder and those of
`BertModel`, for random histories.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import BertModel

from behrt.models import behrt
from behrt.sequences.vocabulary import CLS, FIRST_DISEASE, SEP

PATIENTS, LENGTH = 64, 60


def main() -> None:
    """Print the difference for the folder that the command names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    model, _ = behrt.load(folder)
    bert = BertModel.from_pretrained(folder / "bert", add_pooling_layer=False).eval()
    ages = load_file(folder / "bert" / "ages.safetensors")["age_embeddings.weight"]
    generator = np.random.default_rng(1)
    words = model.encoder.words.num_embeddings
    tokens = generator.integers(FIRST_DISEASE, words, (PATIENTS, LENGTH))
    tokens[generator.random(tokens.shape) < 0.3] = SEP
    tokens[:, 0] = CLS
    visits = np.cumsum(np.roll(tokens == SEP, 1, axis=1) & (np.arange(LENGTH) > 0), axis=1)
    months = 500 + 7 * visits
    token, visit, month = (torch.from_numpy(array).int() for array in (tokens, visits, months))
    patient = torch.arange(PATIENTS).int()[:, None].expand(-1, LENGTH)
    with torch.no_grad():
        ours = model.encoder(token, month, visit, patient, torch.arange(PATIENTS * LENGTH))
        theirs = bert(
            inputs_embeds=bert.embeddings.word_embeddings(token.long()) + ages[month.long()],
            position_ids=visit.long(),
            token_type_ids=visit.long() % 2,
        ).last_hidden_state
    difference = (ours - theirs.flatten(0, 1)).abs().max().item()
    print(f"{PATIENTS} histories of {LENGTH} words: largest difference {difference:.2g}")


if __name__ == "__main__":
    main()
