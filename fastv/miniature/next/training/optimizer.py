"""Muon for the matrices of hidden layers, AdamW for everything else.

Muon takes the momentum's nearest orthogonal matrix for a step; small models in few steps learn much faster with it. All
matrices of one shape are orthogonalized in one batch, or a deep, narrow model's steps would be spent on launching
kernels.

References
----------
Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024,
https://kellerjordan.github.io/posts/muon.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic whose iteration drives singular values towards 1
_ITERATIONS = 5


def orthogonalized(matrices: Tensor) -> Tensor:
    """(batch, rows, columns) -> matrices of the same singular vectors and singular values near 1; computed in bfloat16
    on a GPU.
    """
    a, b, c = _COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = (matrices.transpose(1, 2) if tall else matrices).to(torch.bfloat16 if matrices.is_cuda else torch.float32)
    x = x / (x.norm(dim=(1, 2), keepdim=True) * 1.01 + 1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return (x.transpose(1, 2) if tall else x).to(matrices.dtype)


class Muon:
    """Momentum, orthogonalized; a step's size does not depend on the gradient's.

    A matrix of r rows and c columns moves by ``rate * sqrt(max(1, r / c))`` times an orthogonal matrix.
    """

    def __init__(self, weights: Iterable[Tensor], rate: float, *, momentum: float = 0.95, weight_decay: float = 0.0):
        self.rate, self.momentum, self.weight_decay = rate, momentum, weight_decay
        self.groups: dict[torch.Size, list[Tensor]] = {}
        for weight in weights:
            self.groups.setdefault(weight.shape, []).append(weight)
        self.momenta = {
            shape: torch.zeros(len(group), *shape, device=group[0].device) for shape, group in self.groups.items()
        }

    def weights(self) -> list[Tensor]:
        return [weight for group in self.groups.values() for weight in group]

    def zero_grad(self) -> None:
        for weight in self.weights():
            weight.grad = None

    def forget(self) -> None:
        """Begins anew, without momentum."""
        for momenta in self.momenta.values():
            momenta.zero_()

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """factor: of the rate, at this point of the schedule."""
        for shape, group in self.groups.items():
            gradients = torch.stack([weight.grad for weight in group if weight.grad is not None])
            momenta = self.momenta[shape]
            momenta.lerp_(gradients, 1 - self.momentum)
            update = orthogonalized(gradients.lerp(momenta, self.momentum))
            rate = self.rate * factor
            torch._foreach_mul_(group, 1 - rate * self.weight_decay)
            torch._foreach_add_(group, list(update.unbind(0)), alpha=-rate * max(1.0, shape[0] / shape[1]) ** 0.5)


def hidden_matrices(module: nn.Module) -> list[nn.Parameter]:
    """The matrices of the layers of decoders and towers, and of projectors: what Muon is for."""
    found = []
    for name, weight in module.named_parameters():
        inside = any(part in name for part in (".layers.", "multi_modal_projector."))
        if weight.requires_grad and weight.dim() == 2 and inside:
            found.append(weight)
    return found
