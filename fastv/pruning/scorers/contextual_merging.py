"""Salient tokens that stay as they are, and evenly spread ones that the others are merged into, as VisionZip does."""

from __future__ import annotations

import torch
from torch import Tensor

DOMINANT, NOWHERE = -1, -2  # in place of a group's number


def contextual_groups(attention: Tensor, keys: Tensor, keep: int, contextual: int) -> tuple[Tensor, Tensor]:
    """Which of n tokens dominate, which ones others are merged into, and where each of those goes.

    Parameters
    ----------
    attention : Tensor
        floating (n,).
    keys : Tensor
        floating (n, width).
    keep, contextual : int
        How many tokens stay, and how many of them others are merged into.

    Returns
    -------
    targets : Tensor
        long (contextual,), ascending.
    group : Tensor
        long (n,): the number of the target in ``targets`` that a token belongs to; negative for dominant ones, and for
        those that go where there are no targets.
    """
    order = attention.argsort(descending=True, stable=True)
    group = torch.full_like(order, NOWHERE)
    group[order[: keep - contextual]] = DOMINANT
    rest = order[keep - contextual :].sort().values
    if contextual == 0:
        return rest[:0], group
    targets = rest[:: max(1, len(rest) // contextual)][:contextual]
    unit = torch.nn.functional.normalize(keys.float(), dim=-1)
    with torch.autocast(unit.device.type, enabled=False):
        group[rest] = (unit[rest] @ unit[targets].T).argmax(dim=1)
    group[targets] = torch.arange(contextual, device=group.device)
    return targets, group


def merged(states: Tensor, targets: Tensor, group: Tensor) -> tuple[Tensor, Tensor]:
    """The targets' states with the mean of what they are given added, and how many tokens each then stands for.

    Parameters: states (n, width); targets and group as ``contextual_groups`` returns them. The sums are float32.
    """
    given = group >= 0
    given[targets] = False
    bins = torch.where(given, group, len(targets))  # the last one is for tokens that are given to none
    sums = torch.zeros(len(targets) + 1, states.shape[1], device=states.device).index_add_(0, bins, states.float())
    counts = torch.zeros(len(targets) + 1, device=states.device).index_add_(
        0, bins, torch.ones(len(bins), device=states.device)
    )
    sums, counts = sums[:-1], counts[:-1]
    total = states[targets].float() + sums / counts.clamp(min=1)[:, None]
    return total.to(states.dtype), counts + 1
