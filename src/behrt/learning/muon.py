"""Muon, an optimiser of weight matrices (Jordan et al. 2024, kellerjordan.github.io/posts/muon)."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_MOMENTUM = 0.95
_SIZE_OF_ADAM = 0.2
_SMALLEST = 1e-7


def orthogonalised(matrix: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return about the nearest matrix whose singular values are all 1, by Newton and Schulz.

    The five iterations of Jordan et al. take all but the smallest singular values to 0.7 … 1.2.

    Args:
        matrix: float32 (m, n).
        dtype: of the products. bfloat16 is exact enough (Jordan et al.), and faster on a GPU.

    Returns:
        float32 (m, n).
    """
    wide = (matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T).to(dtype)
    nearest: Tensor = wide / wide.norm().clamp(min=_SMALLEST)
    first, second, third = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        square = nearest @ nearest.T
        change = torch.addmm(square, square, square, beta=second, alpha=third)
        nearest = torch.addmm(nearest, change, nearest, beta=first)
    nearest = nearest.to(matrix.dtype)
    return nearest if nearest.shape == matrix.shape else nearest.T


class Muon(torch.optim.Optimizer):
    """Gradient descent with Nesterov's momentum, whose steps are orthogonalised.

    A step has the root mean square that one of Adam usually has, so that both have the same
    learning rate and weight decay (Liu et al. 2025, arXiv 2502.16982). `torch.optim.Muon` is the
    same in bfloat16, which most CPUs multiply slowly.
    """

    def __init__(
        self, matrices: Iterable[Tensor], learning_rate: float, weight_decay: float
    ) -> None:
        """Optimise `matrices`, each float32 (m, n), with decoupled weight decay."""
        super().__init__(matrices, {"lr": learning_rate, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Take one step along the gradients."""
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                if not state:
                    state["momentum"] = torch.zeros_like(matrix)
                momentum = state["momentum"].lerp_(matrix.grad, 1 - _MOMENTUM)
                dtype = torch.bfloat16 if matrix.is_cuda else torch.float32
                update = orthogonalised(matrix.grad.lerp(momentum, _MOMENTUM), dtype)
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                scale = _SIZE_OF_ADAM * max(matrix.shape) ** 0.5
                matrix.add_(update, alpha=-group["lr"] * scale)
