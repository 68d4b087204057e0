"""Settings of the optimisation of a model, and of the hardware that trains it."""

from typing import Literal

from behrt.settings.base import Count, NotNegative, Positive, Section, ShareBelowOne

Precision = Literal["auto", "32-true", "bf16-mixed"]
Accelerator = Literal["cpu", "gpu"]


class Gpu(Section):
    """How networks are trained on GPUs. Nothing here is used with `accelerator: cpu`. A change
    trains no finished model again."""

    devices: Count = 1
    """GPUs per node that train a model together, each on its share of every batch. The result
    depends on their number only by rounding and by what dropout draws."""

    nodes: Count = 1
    """Nodes that train a model together, within one allocation of SLURM."""

    at_once: Count | None = None
    """Patients of a batch that a GPU computes at a time, at most. null finds the largest number
    that fits into its memory, by trial. The batch is `training.batch_size` in any case."""

    flex_attention: bool = True
    """Whether attention is computed in blocks, without a matrix of which word sees which
    (`torch.nn.attention.flex_attention`), in training. It needs a C compiler on the node; without
    one, and with false, the matrix is made."""

    compile: bool = False
    """Whether the layers of the networks are compiled (`torch.compile`), which takes about a minute
    per training, and saves time in long ones. It needs a C compiler on the node."""


class Optimisation(Section):
    """How a model is optimised: with AdamW (Loshchilov and Hutter 2019), by default, and a warm-up.

    The paper's BertAdam is Adam with decoupled weight decay and without bias correction. AdamW has
    the correction, which differs only in the first steps, during the warm-up. As in BERT, biases
    and normalisation weights do not decay.
    """

    epochs: Count
    """Passes over the training patients, at most."""

    batch_size: Count
    """Patients per step."""

    learning_rate: Positive
    """The highest learning rate."""

    warm_up: ShareBelowOne = 0.1
    """Share of all steps over which the learning rate rises from 0."""

    weight_decay: NotNegative = 0.01
    """Decoupled weight decay, per step and unit of the learning rate."""

    patience: Count = 5
    """Epochs without a better tuning score before training stops."""

    schedule: Literal["constant", "linear"] = "linear"
    """`linear` lowers the learning rate to 0 at the last step; `constant` keeps it, as the paper's
    released code does."""

    optimiser: Literal["adamw", "muon"] = "adamw"
    """`muon` takes fewer epochs: it orthogonalises the steps of the weight matrices inside the
    network (Jordan et al. 2024). Embeddings, biases, normalisation and the output layer are still
    optimised by AdamW."""

    gradient_norm: Positive = 1.0
    """Gradients are scaled down to this Euclidean norm."""

    def rate(self, step: int, steps: int) -> float:
        """Return the learning rate of a step (0 … steps − 1)."""
        warm_up = self.warm_up * steps
        if step < warm_up:
            return self.learning_rate * (step + 1) / (warm_up + 1)
        if self.schedule == "constant":
            return self.learning_rate
        return self.learning_rate * (steps - step) / (steps - warm_up)
