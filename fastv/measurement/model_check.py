"""Whether pruning a model is exact: on the model itself, against the masked reference, with a made-up picture.

At several layers K, half of the visual tokens are dropped; the pruned answer's logits and tokens must be those of a run
in which the same tokens are masked, with a key-value cache and without one.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fastv.errors import FastVError, InvalidBudgetError, UnsupportedModelError
from fastv.families.registry import FAMILIES, family_of
from fastv.loading.error_messages import first_line
from fastv.loading.load import LoadedModel
from fastv.measurement.masked_reference import dropped_by_masking
from fastv.pruning.methods.registry import METHODS

ANSWER_TOKENS = 4
QUESTION = "What is in the picture?"


@dataclass(frozen=True)
class LayerCheck:
    """What was found at one K.

    Attributes
    ----------
    k
        The layer.
    method
        What chose the tokens.
    difference
        Largest difference between logits of the pruned and the masked run, over the answer, as a fraction of the
        largest logit.
    uncached_difference
        The same without a key-value cache.
    effect
        The same between the masked and the unpruned run: what dropping changes.
    same_tokens
        Whether the greedy answers of pruned and masked run are equal, with a cache and without; as far as the first
        token that rounding decides.
    """

    k: int
    method: str
    difference: float
    uncached_difference: float
    effect: float
    same_tokens: bool


@dataclass(frozen=True)
class ModelCheck:
    """What was found of a model.

    Attributes
    ----------
    model_type, model_class, decoder_class
        Its own names; the last is empty where no decoder was found.
    family
        Which family prunes it; empty where it is refused.
    decoder_layers, visual_tokens
        Layers of its decoder, visual tokens of the made-up picture.
    refusal
        Why it cannot be pruned, a sentence; empty where it can.
    failure
        What ended the check, pruned or not, without a word of why; empty where nothing did.
    ranks_by_attention
        Whether methods that look at attention work, behind a layer that attends; the others always do.
    geometry
        Whether it is known which visual token shows which part of the picture.
    tolerance
        The largest difference that rounding explains in the model's precision.
    layers
        One for each K tried.
    """

    model_type: str
    model_class: str
    family: str = ""
    decoder_class: str = ""
    decoder_layers: int = 0
    visual_tokens: int = 0
    refusal: str = ""
    failure: str = ""
    ranks_by_attention: bool = False
    geometry: bool = False
    tolerance: float = 0.0
    layers: tuple[LayerCheck, ...] = ()

    @property
    def worst(self) -> float:
        """The largest difference found; infinite where nothing was compared."""
        return max((max(one.difference, one.uncached_difference) for one in self.layers), default=float("inf"))

    @property
    def exact(self) -> bool:
        """Whether the pruned model did what the masked one does at every K, and dropping changed something."""
        changed = any(one.effect > self.tolerance for one in self.layers)
        return changed and self.worst <= self.tolerance and all(one.same_tokens for one in self.layers)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"exact": self.exact}


def check_loaded(loaded: LoadedModel) -> ModelCheck:
    """Check a loaded model on a picture through its own processor."""
    prompt = loaded.family.prompt(loaded.processor, QUESTION)
    made = loaded.processor(images=made_up_picture(), text=prompt, return_tensors="pt")
    inputs = dict(made.to(loaded.device, loaded.model.dtype))
    rounds = {"8bit": 2**-5, "4bit": 2**-5}.get(loaded.dtype)
    return check(loaded.model, inputs, tolerance=rounds)


def check(
    model: Any, inputs: Mapping[str, Tensor], *, ks: Sequence[int] | None = None, tolerance: float | None = None
) -> ModelCheck:
    """Check a model on prepared inputs.

    Parameters
    ----------
    model
        In eval mode, with its head.
    inputs
        What ``generate`` takes.
    ks
        The layers to try; by default 0, 1, 2, 3, the middle one and the last.
    tolerance
        The largest difference that counts as rounding, as a fraction of the largest logit; by default by the model's
        precision.
    """
    about: dict[str, Any] = {
        "model_type": str(getattr(model.config, "model_type", "")),
        "model_class": type(model).__name__,
    }
    stage = "its own, unpruned"
    try:
        family = family_of(model)
        decoder: Any = family.decoder(model)
        count, attends = len(decoder.layers), True
        visual = family.visual_mask(model, inputs["input_ids"])
        about |= {"family": family.name if family in FAMILIES else "generic", "decoder_class": type(decoder).__name__}
        if tolerance is None:
            tolerance = 1e-4 if model.dtype == torch.float32 else 4 * torch.finfo(model.dtype).eps
        run = functools.partial(_answer, model, inputs, avoided=family.visual_token_ids(model.config))
        whole, layers = run(nullcontext()), []
        stage = "its pruned"
        last = family.last_cut(model)
        end = count if last is None else last + 1
        for k in ks or sorted({*range(min(end, 4)), end // 2, end - 1}):
            method, attends = _method(model, inputs, k, attends)
            layers.append(_layer(run, whole, decoder, method, visual, tolerance))
    except FastVError as error:
        return ModelCheck(**about, refusal=str(error))
    except Exception as error:  # whatever the model's own code raises
        return ModelCheck(**about, failure=f"{stage} run fails ({type(error).__name__}: {first_line(error)})")
    return ModelCheck(
        **about,
        decoder_layers=count,
        visual_tokens=int(visual.sum()),
        ranks_by_attention=attends,
        geometry=bool(family.frames(model.config, inputs)),
        tolerance=tolerance,
        layers=tuple(layers),
    )


def _method(model: Any, inputs: Mapping[str, Tensor], k: int, attends: bool) -> tuple[Any, bool]:
    """FastV where its ranking works, else a choice at random; and whether it does."""
    if k > 0 and attends:
        try:
            with METHODS["fastv"](k=k, r=0.5)(model), torch.inference_mode():
                model(**inputs)
            return METHODS["fastv"](k=k, r=0.5), True
        except InvalidBudgetError:  # no layer before k attends
            pass
        except UnsupportedModelError as error:
            if "AttentionInterface" not in str(error):
                raise
            attends = False
    return METHODS["random"](k=k, r=0.5), attends


def _layer(
    run: functools.partial, whole: tuple, decoder: Any, method: Any, visual: Tensor, tolerance: float
) -> LayerCheck:
    with method(run.args[0]) as trace:
        pruned, uncached = run(nullcontext()), run(nullcontext(), use_cache=False)
    dropped = visual.clone()
    for row, kept in zip(dropped, trace.kept):
        row[kept[kept >= 0]] = False
    masked = run(dropped_by_masking(decoder, method.k, dropped))
    masked_uncached = run(dropped_by_masking(decoder, method.k, dropped), use_cache=False)
    return LayerCheck(
        k=method.k,
        method=method.name,
        difference=_difference(pruned, masked),
        uncached_difference=_difference(uncached, masked_uncached),
        effect=_difference(masked, whole),
        same_tokens=_same(pruned, masked, tolerance) and _same(uncached, masked_uncached, tolerance),
    )


def _answer(
    model: Any, inputs: Mapping[str, Tensor], context: AbstractContextManager, avoided: tuple[int, ...], **options: Any
) -> tuple[Tensor, Tensor]:
    """(tokens, logits) of a short greedy answer; long (batch, tokens), float32 (tokens, batch, vocabulary)."""
    ends = model.generation_config.eos_token_id
    ends = [] if ends is None else [ends] if isinstance(ends, int) else list(ends)
    with context, torch.inference_mode():
        output = model.generate(
            **inputs,
            max_new_tokens=ANSWER_TOKENS,
            do_sample=False,
            suppress_tokens=[*avoided, *ends],
            return_dict_in_generate=True,
            output_logits=True,
            **options,
        )
    return output.sequences[:, -ANSWER_TOKENS:], torch.stack(output.logits).float()


def _same(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor], tolerance: float) -> bool:
    """Whether the tokens are equal, as far as no two candidates are closer than the tolerance."""
    for row, (ours, theirs) in enumerate(zip(one[0], other[0])):
        for step in (ours != theirs).nonzero()[:1, 0].tolist():
            logits = other[1][step, row]
            if (logits[theirs[step]] - logits[ours[step]]).abs() > tolerance * logits.abs().max():
                return False
    return True


def _difference(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> float:
    """Up to the first token in which two answers differ, beyond which their logits are of different texts."""
    same = (one[0] == other[0]).all(dim=0).int().cumprod(dim=0)
    steps = min(int(same.sum()) + 1, len(one[1]))
    return float((one[1][:steps] - other[1][:steps]).abs().max() / other[1][:steps].abs().max())


def made_up_picture(width: int = 320, height: int = 240) -> Image.Image:
    """Coloured noise over a slope, RGB, always the same."""
    noise = np.random.default_rng(0).integers(0, 128, (height, width, 3), dtype=np.uint8)
    slope = np.linspace(0, 127, width, dtype=np.uint8)[None, :, None]
    return Image.fromarray(noise + slope)
