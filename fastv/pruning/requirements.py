"""What pruning needs of a model and of a forward's arguments; whatever it cannot serve is refused in a sentence."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fastv.errors import InvalidBudgetError, InvalidInputError, UnsupportedModelError
from fastv.families.layer_kinds import ATTENDING, RECURRENT, kinds_of

_PACKING = ("cu_seq_lens_q", "cu_seq_lens_k", "cu_seqlens", "seq_idx")  # arguments of rows that hold several samples


def check_model(model: nn.Module, base: nn.Module, decoder: Any) -> None:
    """Raise UnsupportedModelError for a model that cannot be pruned."""
    layers = getattr(decoder, "layers", ())
    kinds = set(kinds_of(decoder)) if layers else set()
    known = kinds <= ATTENDING | RECURRENT
    attending = [hasattr(layer, "self_attn") for layer in layers]
    if not any(attending) or not (all(attending) or (known and kinds & RECURRENT)):
        raise UnsupportedModelError(
            f"FastV needs a decoder made of attention layers, which {type(decoder).__name__} is not."
        )
    if decoder.config._attn_implementation == "flex_attention":
        raise UnsupportedModelError(
            "FastV cannot cut the masks of flex_attention. Load the model with attn_implementation='sdpa'."
        )
    if len(kinds) > 1 and not known:
        kinds_named = ", ".join(sorted(kinds))
        raise UnsupportedModelError(f"FastV cannot prune a model that mixes layers of these kinds: {kinds_named}.")
    if any(_is_compiled(module) for module in _modules(model, base, decoder)):
        raise UnsupportedModelError(
            "This model is compiled, and a compiled forward may run without the hooks that prune it. Use the model as "
            "it was before torch.compile."
        )


def check_cuts(layers: Sequence[int], last: int | None) -> None:
    """Raise InvalidBudgetError for cuts after the last layer on entering which tokens can be dropped."""
    if last is not None and layers[-1] > last:
        raise InvalidBudgetError(
            f"k={layers[-1]}, but later layers of this model read the keys that layer {last} makes, of all tokens that "
            f"are there: choose {last} or less."
        )


def check_weights(decoder: Any) -> None:
    """Raise UnsupportedModelError for a decoder whose attention logits nothing can be added to."""
    if "flash" in decoder.config._attn_implementation:
        raise UnsupportedModelError(
            "Proportional attention adds to the attention logits, which flash attention does not take. Load the model "
            "with attn_implementation='sdpa', or leave out proportional."
        )


def check_renumbering(decoder: Any) -> None:
    """Raise UnsupportedModelError for a decoder whose positions cannot be numbered anew."""
    settings = getattr(decoder.config, "rope_parameters", None) or getattr(decoder.config, "rope_scaling", None) or {}
    if "mrope_section" in settings:
        raise UnsupportedModelError(
            "positions='close' numbers what is left anew, and this model's positions have several dimensions, in which "
            "there is no such order. Use positions='keep'."
        )
    rotary = getattr(decoder, "rotary_emb", None)
    given = inspect.signature(rotary.forward).parameters if isinstance(rotary, nn.Module) else ()
    several = len(set(getattr(decoder, "rope_types", ()))) > 1
    if several or tuple(given) != ("x", "position_ids") or settings.get("rope_type") in ("dynamic", "longrope"):
        raise UnsupportedModelError(
            "positions='close' needs one rotary embedding for all layers that does not depend on the prompt's length, "
            f"which {type(decoder).__name__} does not have. Use positions='keep'."
        )


def _modules(model: nn.Module, base: nn.Module, decoder: nn.Module) -> Iterator[nn.Module]:
    """Without ``nn.Module.modules``, which makes names of them: a small model is asked this as often as to answer."""
    yield model
    yield base
    left: list[nn.Module | None] = [decoder]
    while left:
        module = left.pop()
        if module is not None:
            yield module
            left.extend(module._modules.values())


def _is_compiled(module: nn.Module) -> bool:
    own = vars(module)
    return (
        "_orig_mod" in module._modules  # torch.compile(module)
        or own.get("_compiled_call_impl") is not None  # module.compile()
        or hasattr(own.get("forward"), "_torchdynamo_orig_callable")  # module.forward = torch.compile(module.forward)
    )


def check_trainable(decoder: Any) -> None:
    """Raise UnsupportedModelError where layers would run again, without what this forward knows, in the backward."""
    recomputed = any(getattr(module, "gradient_checkpointing", False) for module in (decoder, *decoder.layers))
    if recomputed and decoder.training and torch.is_grad_enabled():
        raise UnsupportedModelError(
            "With gradient checkpointing the layers run again in the backward pass, and would not be pruned there. "
            "Call model.gradient_checkpointing_disable()."
        )


def check_one_sample_per_row(kwargs: Mapping[str, Any], visual: Tensor, real: Tensor | None) -> None:
    """Raise InvalidInputError for rows that hold several samples: the last one's text would rank every image.

    Parameters
    ----------
    kwargs
        The arguments of the model's forward.
    visual, real
        boolean (batch, n): visual tokens, and what is no padding (None: all).
    """
    mask, positions, length = kwargs.get("attention_mask"), kwargs.get("position_ids"), visual.shape[1]
    packed = any(kwargs.get(name) is not None for name in _PACKING)
    if mask is not None and mask.dim() == 2 and mask.dtype != torch.bool:
        packed = packed or bool((mask > 1).any())  # numbers of samples
    if mask is not None and mask.dim() == 4:
        last = mask[:, 0, length - 1, :length]
        packed = packed or bool((visual & (~last if last.dtype == torch.bool else last < 0)).any())
    if positions is not None and positions.shape[-1] >= length:
        rows = (positions if positions.dim() == 2 else positions[0])[:, :length]  # multimodal ones: text or time first
        if real is not None:  # padding may count as it likes
            rows = rows.masked_fill(~real.to(rows.device), torch.iinfo(rows.dtype).min)
        restarts = rows[:, 1:] < rows.cummax(dim=1).values[:, :-1]
        if real is not None:
            restarts = restarts & real[:, 1:].to(rows.device)
        packed = packed or bool(restarts.any())
    if packed:
        raise InvalidInputError(
            "A row of this batch holds several samples, and FastV would rank all their images by the last text. "
            "Use one row per sample."
        )


def check_window(decoder: Any, length: int) -> None:
    """Raise InvalidInputError for a sequence beyond a decoder's sliding window."""
    config = decoder.config
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None) or ()
    # Where only some layers slide, these get masks of the window; the kernels of flash attention count it for
    # themselves, in the columns that are left.
    masked = "full_attention" in kinds and not ("sliding_attention" in kinds and "flash" in config._attn_implementation)
    if window and length >= window and not masked:
        raise InvalidInputError(
            f"{length} tokens exceed the model's sliding window of {window}, beyond which "
            "FastV cannot prune. Shorten the prompt or the answer."
        )
