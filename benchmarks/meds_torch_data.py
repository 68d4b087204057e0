"""Train another project's client on the MEDS dataset of a run: meds-torch-data's PyTorch dataset.

It needs an older polars than the workflow, so an environment of its own:

    python -m venv mtd && mtd/bin/pip install torch meds-torch-data
    snakemake --cores 1 results/demo/meds_by_split
    mtd/bin/MTD_preprocess MEDS_dataset_dir=results/demo/meds_by_split output_dir=tensors \\
        do_reshard=False
    mtd/bin/python benchmarks/meds_torch_data.py tensors [--epochs 2]

A GRU learns to predict the next code of each subject. The benchmark prints its cross-entropy on the
tuning subjects before training and after each epoch, and that of the frequencies of the codes among
training subjects.
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from meds_torchdata import MEDSPytorchDataset, MEDSTorchDataConfig
from torch import Tensor, nn
from torch.utils.data import DataLoader

LENGTH, SIZE, PAD = 128, 64, 0


class NextCode(nn.Module):
    """A GRU over the codes of a subject."""

    def __init__(self, codes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(codes, SIZE, padding_idx=PAD)
        self.reader = nn.GRU(SIZE, SIZE, batch_first=True)
        self.classifier = nn.Linear(SIZE, codes)

    def forward(self, codes: Tensor) -> Tensor:
        """Return logits (n, length, codes) of the code that follows each of codes (n, length)."""
        logits: Tensor = self.classifier(self.reader(self.embedding(codes))[0])
        return logits


def loss_of(model: NextCode, codes: Tensor) -> Tensor:
    """Return the mean cross-entropy of the codes that follow others."""
    logits = model(codes[:, :-1]).flatten(0, 1)
    return F.cross_entropy(logits, codes[:, 1:].flatten(), ignore_index=PAD)


def mean_loss(model: NextCode, batches: DataLoader[Tensor]) -> float:
    """Return the mean of the losses of batches."""
    with torch.no_grad():
        return float(torch.stack([loss_of(model, batch.code) for batch in batches]).mean())


def main() -> None:
    """Train, and print the cross-entropy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tensors", type=Path)
    parser.add_argument("--epochs", type=int, default=2)
    given = parser.parse_args()
    torch.manual_seed(1)
    config = MEDSTorchDataConfig(given.tensors, max_seq_len=LENGTH, batch_mode="SM")
    data = {split: MEDSPytorchDataset(config, split) for split in ("train", "tuning")}
    train, tuning = (
        DataLoader(part, 64, shuffle=split == "train", collate_fn=part.collate)
        for split, part in data.items()
    )
    print(f"{len(data['train'])} training and {len(data['tuning'])} tuning subjects")
    counts = torch.ones(config.vocab_size)
    for batch in train:
        counts += torch.bincount(batch.code.flatten(), minlength=len(counts))
    counts[PAD] = 1
    shares = (counts / counts.sum()).log()
    following = torch.cat([batch.code[:, 1:].flatten() for batch in tuning])
    print(f"frequencies {-shares[following[following != PAD]].mean():.3f}")
    model = NextCode(config.vocab_size)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    print(f"untrained {mean_loss(model, tuning):.3f}")
    for epoch in range(given.epochs):
        for batch in train:
            optimiser.zero_grad()
            loss_of(model, batch.code).backward()
            optimiser.step()
        print(f"epoch {epoch + 1} {mean_loss(model, tuning):.3f}")


if __name__ == "__main__":
    main()
