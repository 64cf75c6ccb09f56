"""Keys that a method ranks by in the layer it cuts at are given to that layer, which would project them once more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from fastv.pruning.index_selection import Selection


@dataclass(frozen=True)
class ProjectedKeys:
    """What ``k_proj`` of one layer makes of what it is about to be given.

    Parameters
    ----------
    module : nn.Module
        The ``k_proj``.
    last : Tensor
        (batch, 1, width): what it was given for the last column, by which its own call is known again.
    keys : Tensor
        (batch, n, kv_heads * head_dim).
    """

    module: nn.Module
    last: Tensor
    keys: Tensor

    def cut(self, selection: Selection | None) -> ProjectedKeys:
        """The same for the columns that stay."""
        return self if selection is None else ProjectedKeys(self.module, self.last, selection.take(self.keys, -2))

    def fits(self, module: nn.Module, states: Tensor) -> bool:
        """Whether ``module(states)`` would be these keys."""
        return (
            module is self.module
            and states.shape[:-1] == self.keys.shape[:-1]
            and states.dtype == self.last.dtype
            and torch.equal(states[:, -1:], self.last)
        )


def reusable(module: nn.Module) -> bool:
    """Whether what ``module`` makes may be kept: not where gradients go through it or hooks would see it twice."""
    return not (torch.is_grad_enabled() or module._forward_hooks or module._forward_pre_hooks)


@contextmanager
def reusing_keys(modules: Sequence[nn.Module], ready: Callable[[], ProjectedKeys | None]) -> Iterator[None]:
    """While open, these modules return the keys that are ready for them, and compute all others.

    Parameters
    ----------
    modules
        ``k_proj`` of the layers at which a method cuts that computes their keys ahead.
    ready
        Those of the layer that this thread's forward is in, told once; None where there are none.
    """
    with ExitStack() as stack:
        for module in modules:
            own = vars(module).get("forward")  # of what else has put its own there
            vars(module)["forward"] = partial(_ready_or_computed, module, module.forward, ready)
            stack.callback(_put_back, module, own)
        yield


def _put_back(module: nn.Module, forward: Any) -> None:
    if forward is None:
        del vars(module)["forward"]
    else:
        vars(module)["forward"] = forward


def _ready_or_computed(
    module: nn.Module, compute: Callable[..., Tensor], ready: Callable[[], ProjectedKeys | None], *args: Any, **kw: Any
) -> Tensor:
    found = ready()
    if found is not None and len(args) == 1 and not kw and reusable(module) and found.fits(module, args[0]):
        return found.keys
    return compute(*args, **kw)
