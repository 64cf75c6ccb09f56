"""The engine against FastV by masking, on any device and in any dtype.

The reference is written apart from the engine: layers >= k read every token of the prompt, at its own place, but no
query attends to a dropped one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from gpu_parts import Bench, noted
from random_models import build, config_of, prompt
from torch import Tensor, nn
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from fastv import FastV

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@contextmanager
def masked(decoder: nn.Module, k: int, dropped: Tensor) -> Iterator[None]:
    """While open, layers >= k of a decoder ignore some columns of the prompt. For forwards without a cache.

    Parameters
    ----------
    dropped : Tensor
        Boolean (batch, n), True where a token is dropped. Padding may be marked too.
    """

    def hide(_layer: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        hidden = args[0] if args else kwargs["hidden_states"]
        length, closed = hidden.shape[1], torch.finfo(hidden.dtype).min
        visible = torch.ones(length, length, dtype=torch.bool, device=hidden.device).tril()[None]
        visible = visible & ~dropped[:, None]
        # A row of the mask must not be empty: a hidden token attends to itself, and nothing reads what it computes.
        visible = visible | torch.eye(length, dtype=torch.bool, device=hidden.device)
        added = torch.zeros(visible.shape, dtype=hidden.dtype, device=hidden.device).masked_fill(~visible, closed)
        return args, kwargs | {"attention_mask": added[:, None]}

    handles = [layer.register_forward_pre_hook(hide, with_kwargs=True) for layer in decoder.layers[k:]]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def last_row_attention(decoder: nn.Module, layer: int) -> Iterator[list[Tensor]]:
    """Collects how much the last token attends to each column in one layer: float32 (batch, n), averaged over heads.

    Computed from what enters the layer's attention module, by its own projections. For LLaMA-like decoders and prompts
    without padding.
    """
    rows: list[Tensor] = []

    def attend(attention: nn.Module, args: tuple, kwargs: dict) -> None:
        hidden = args[0] if args else kwargs["hidden_states"]
        batch, length, _ = hidden.shape
        heads = (batch, length, -1, attention.head_dim)
        query = attention.q_proj(hidden).view(heads).transpose(1, 2)
        key = attention.k_proj(hidden).view(heads).transpose(1, 2)
        query, key = apply_rotary_pos_emb(query, key, *kwargs["position_embeddings"])
        key = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1).float()
        logits = query[:, :, -1:].float() @ key.transpose(2, 3) * attention.head_dim**-0.5
        rows.append(logits.softmax(dim=-1).mean(dim=1)[:, 0])

    handle = decoder.layers[layer].self_attn.register_forward_pre_hook(attend, with_kwargs=True)
    try:
        yield rows
    finally:
        handle.remove()


def agreement(bench: Bench, key: str, dtype: str, *, small: bool, k: int = 2, r: float = 0.5) -> dict[str, Any]:
    """Kept tokens and last logits against masking; in 16 bits, the errors of both against masking in float32.

    Differences are relative, of Euclidean norms. ``effect_of_dropping`` is how far masking moves the logits at all.
    ``kept_as_by_reference`` is told of LLaVA alone.
    """
    made: dict[str, Any] = {"model": key, "dtype": dtype, "k": k, "r": r, "small": small}
    if small:
        model = build(config_of(key, small=True), bench.device, DTYPES[dtype])
    else:
        model = bench.model(key).to(DTYPES[dtype])
    given = prompt(model, grid=8, batch=2)
    dropped = given.inputs["input_ids"] == model.config.image_token_id
    with torch.inference_mode():
        if key.startswith("llava"):
            with last_row_attention(_decoder(model), k - 1) as rows:
                whole = _last_logits(model, given.inputs)
        else:
            whole = _last_logits(model, given.inputs)
        with FastV(k=k, r=r)(model) as trace:
            pruned = model(**given.inputs, logits_to_keep=1).logits.float()
        if key.startswith("llava"):
            expected = rows[0].masked_fill(~dropped, -1).topk(trace.kept.shape[1]).indices.sort(dim=1).values
            made["kept_as_by_reference"] = bool(torch.equal(expected, trace.kept))
        dropped = dropped.scatter(1, trace.kept, False)
        with masked(_decoder(model), k, dropped):
            by_masking = _last_logits(model, given.inputs)
        made["effect_of_dropping"] = _relative(whole, by_masking)
        made["relative_difference"] = _relative(pruned, by_masking)
        made["same_best_token"] = bool(torch.equal(pruned.argmax(-1), by_masking.argmax(-1)))
        if dtype == "float32":
            made["agrees"] = made["relative_difference"] < 1e-4
        else:
            model.float()
            inputs = {
                name: value.float() if value.is_floating_point() else value for name, value in given.inputs.items()
            }
            with masked(_decoder(model), k, dropped):
                reference = _last_logits(model, inputs)
            made["error"], made["error_of_masking"] = _relative(pruned, reference), _relative(by_masking, reference)
            # Both round in 16 bits; pruning may not be the worse of the two.
            made["agrees"] = made["error"] < 1.5 * made["error_of_masking"] + 1e-4
    if not small:
        bench.release()  # its dtype has changed
    return made


def small_agreement(bench: Bench) -> list[dict[str, Any]]:
    """All families and dtypes; what fails is noted at its place."""
    made = []
    for key in ("llava-1.5-7b", "qwen2.5-vl-7b", "qwen3-vl-8b"):
        for dtype in DTYPES:
            entry: dict[str, Any] = {"model": key, "dtype": dtype}
            with noted(entry, "error_message"):
                entry |= agreement(bench, key, dtype, small=True, k=3 if key.startswith("qwen3") else 2)
            made.append(entry)
    return made


def _decoder(model: nn.Module) -> nn.Module:
    return model.base_model.language_model


def _last_logits(model: nn.Module, inputs: Mapping[str, Tensor]) -> Tensor:
    return model(**inputs, use_cache=False, logits_to_keep=1).logits.float()


def _relative(value: Tensor, reference: Tensor) -> float:
    return float((value - reference).norm() / reference.norm())
