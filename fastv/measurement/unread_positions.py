"""Leaves out what no logits depend on: the last layer's feed-forward network at positions that are not read.

Reading a prompt, a model is asked for the logits of its last positions alone. What other positions become in the last
layer is then seen by nothing: their keys and values are made before its feed-forward network, which works on each
position by itself and is most of the layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import pad

from fastv.families.base import Family


@contextmanager
def unread_left_out(model: nn.Module, family: Family) -> Iterator[None]:
    """While open, the last layer's feed-forward network computes only positions whose logits are asked for.

    The others leave the layer without its contribution. Logits are the same but for a float's last bits, because the
    arithmetic is carried out in other shapes. A model that is not asked for the last logits alone, and one whose
    network is no module ``mlp`` from one tensor to another, runs in full.

    Parameters
    ----------
    model, family
        A model with its language modeling head, which nothing else uses meanwhile.
    """
    decoder: Any = family.decoder(model)
    network = getattr(decoder.layers[-1], "mlp", None)
    if not isinstance(network, nn.Module) or "forward" in vars(network):
        yield
        return
    read = _Read()
    hook = model.register_forward_pre_hook(read.note, with_kwargs=True)
    object.__setattr__(network, "forward", _of_last(network.forward, read))
    try:
        yield
    finally:
        del network.forward
        hook.remove()


class _Read:
    """Of the forward that is running: how many of the last positions' logits are asked for; 0 for all."""

    count = 0

    def note(self, _model: nn.Module, _args: tuple, kwargs: dict[str, Any]) -> None:
        asked = kwargs.get("logits_to_keep")
        self.count = asked if isinstance(asked, int) else 0


def _of_last(plain: Callable[..., Any], read: _Read) -> Callable[..., Any]:
    def forward(hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        unread = hidden_states.shape[1] - read.count if hidden_states.dim() == 3 and read.count else 0
        if unread <= 0 or args or kwargs:
            return plain(hidden_states, *args, **kwargs)
        last = hidden_states[:, unread:]
        output = plain(last)
        if not isinstance(output, Tensor) or output.shape != last.shape:
            return plain(hidden_states)
        return pad(output, (0, 0, unread, 0))

    return forward
