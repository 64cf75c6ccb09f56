"""FastV by masking, written apart from the engine: what dropping visual tokens must be equal to.

Layers >= k see every token of the prompt, at its own place, but no query may look at a dropped one. Slow, and simple.
Also the prompts, models and comparisons that the engine's tests share.
"""

from __future__ import annotations

import copy
import math
from contextlib import ExitStack, contextmanager
from dataclasses import fields

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import flash_attention_mask, sdpa_mask
from transformers.modeling_outputs import BaseModelOutputWithPast

from fastv.pruning.transformers_compat import cache_in
from tests.support.standins import IMAGE_TOKEN, tiny_llava

# Rows of segments for llava_inputs: numbers are text tokens, 0 is a picture of 16 visual tokens.
PROMPTS = {
    "one picture": [(5, 0, 7)],
    "left padding": [(5, 0, 7), (3, 0, 19)],
    "two pictures": [(5, 0, 3, 0, 7), (2, 0, 0, 8)],
    "one and two pictures": [(5, 0, 7), (2, 0, 3, 0, 4)],
    "one and two pictures, no padding": [(5, 0, 20), (2, 0, 3, 0, 4)],
    "a long row without picture": [(5, 0, 7), (40,)],
    "a short row without picture": [(5, 0, 7), (2, 0, 3, 0, 4), (9,)],
}
# The random weights like to emit the image token and the end of text, which ends a comparison early.
GREEDY = dict(
    max_new_tokens=6,
    do_sample=False,
    suppress_tokens=[IMAGE_TOKEN, 2],
    pad_token_id=0,
    return_dict_in_generate=True,
    output_logits=True,
)
# What a forward of this Transformers calls its key-value cache.
CACHE = next(field.name for field in fields(BaseModelOutputWithPast) if field.name in ("cache", "past_key_values"))
CLOSE = dict(atol=1e-4, rtol=1e-4)
EXACT = dict(atol=0, rtol=0)
_MODELS: dict = {}


def model_of(attention: str = "sdpa", **shape):
    """One model of each kind for the whole session: each test leaves it as it was, or another one fails."""
    key = attention, *sorted(shape.items(), key=str)
    if key not in _MODELS:
        _MODELS[key] = tiny_llava(attention=attention, **shape)
    return _MODELS[key]


def visual_of(input_ids: torch.Tensor, *tokens: int) -> torch.Tensor:
    """Where one of these tokens stands, by default the image token: boolean (batch, n)."""
    return torch.isin(input_ids, torch.tensor(tokens or (IMAGE_TOKEN,)))


def dropped_of(trace, input_ids: torch.Tensor, *tokens: int) -> torch.Tensor:
    """The visual tokens that a trace does not list as kept: boolean (batch, n)."""
    dropped = visual_of(input_ids, *tokens)
    for row, kept in zip(dropped, trace.kept):
        row[kept[kept >= 0]] = False
    return dropped


def assert_same_answer(output, expected, **tolerance) -> None:
    """Two outputs of generate: logits at each step within the tolerance, and the same tokens."""
    for step, (ours, theirs) in enumerate(zip(output.logits, expected.logits, strict=True)):
        torch.testing.assert_close(ours, theirs, msg=lambda text: f"logits of token {step}: {text}", **tolerance)
    assert torch.equal(output.sequences, expected.sequences)


def causal_mask(queries: int, keys: int, dtype: torch.dtype) -> torch.Tensor:
    """The additive mask (1, 1, queries, keys) of the last ``queries`` positions of a sequence."""
    seen = torch.arange(keys)[None] <= torch.arange(keys - queries, keys)[:, None]
    return torch.zeros(1, 1, queries, keys, dtype=dtype).masked_fill(~seen, torch.finfo(dtype).min)


def decoder_of(model):
    """The decoder, by the names that transformers gives it."""
    base = model.base_model
    return base.language_model if hasattr(base, "language_model") else base.text_model


@contextmanager
def dropped_by_masking(model, k: int, dropped: torch.Tensor, only: int = 0):
    """dropped: boolean (batch, prompt length). Works for a plain forward and for generate, with or without a cache.

    only: sequences shorter than this are left alone, such as those that guidance reads beside the prompt.
    """
    decoder = decoder_of(model)

    def hook(layer, args, kwargs):
        hidden, cache, mask = args[0], cache_in(kwargs), kwargs.get("attention_mask")
        past = cache.get_seq_length(layer.self_attn.layer_idx) if cache is not None else 0
        keys = past + hidden.shape[1]
        if keys < only:
            return None
        if mask is None:
            mask = causal_mask(hidden.shape[1], keys, hidden.dtype)
        elif mask.dtype == torch.bool:
            mask = torch.zeros(mask.shape, dtype=hidden.dtype).masked_fill(~mask, torch.finfo(hidden.dtype).min)
        hidden_columns = torch.zeros(len(dropped), keys, dtype=torch.bool)
        hidden_columns[:, : dropped.shape[1]] = dropped
        seen = hidden_columns[:, keys - mask.shape[-1] :]  # a sliding cache holds the last ones alone
        mask = mask.masked_fill(seen[:, None, None, :], torch.finfo(hidden.dtype).min)
        return args, {**kwargs, "attention_mask": mask}

    with hooked(decoder.layers[k:], hook):
        yield


@contextmanager
def weighted(model, k: int, logs: torch.Tensor):
    """logs (batch, prompt length) are added to the attention logits of the prompt's columns in layers >= k."""

    def hook(layer, args, kwargs):
        hidden, cache, mask = args[0], cache_in(kwargs), kwargs.get("attention_mask")
        keys = (cache.get_seq_length(layer.self_attn.layer_idx) if cache is not None else 0) + hidden.shape[1]
        if mask is None:
            mask = causal_mask(hidden.shape[1], keys, hidden.dtype)
        elif mask.dtype == torch.bool:
            mask = torch.zeros(mask.shape, dtype=hidden.dtype).masked_fill(~mask, torch.finfo(hidden.dtype).min)
        added = torch.zeros(len(logs), keys, dtype=hidden.dtype)
        added[:, : logs.shape[1]] = logs
        return args, {**kwargs, "attention_mask": mask + added[:, None, None, :]}

    layers = decoder_of(model).layers
    with hooked(layers[k:], hook):
        yield


@contextmanager
def renumbered(model, k: int, dropped: torch.Tensor):
    """Layers >= k rotate each token by its position less the dropped, boolean (batch, prompt length), before it."""
    config = model.config.text_config
    width = config.hidden_size // config.num_attention_heads
    frequencies = config.rope_parameters["rope_theta"] ** (-torch.arange(0, width, 2) / width)
    before = torch.tensor([[sum(row[:column]) for column in range(len(row))] for row in dropped.tolist()])

    def hook(layer, args, kwargs):
        ids, cache = kwargs["position_ids"], cache_in(kwargs)
        past = cache.get_seq_length(layer.self_attn.layer_idx) if cache is not None else 0
        columns = torch.arange(past, past + args[0].shape[1])
        gone = torch.cat([before, dropped.sum(dim=1, keepdim=True).expand(-1, 99)], dim=1)[:, columns]
        angles = (ids - gone)[..., None].float() * torch.cat([frequencies, frequencies])
        pair = (angles.cos().to(args[0]), angles.sin().to(args[0]))
        return args, {**kwargs, "position_embeddings": pair}

    with hooked(decoder_of(model).layers[k:], hook):
        yield


@contextmanager
def hooked(modules, hook):
    handles = [module.register_forward_pre_hook(hook, with_kwargs=True) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def cuts_of(trace, input_ids: torch.Tensor, *tokens: int, weigh=None) -> list[tuple[int, torch.Tensor, torch.Tensor]]:
    """Of each cut its layer, all that is dropped from there on, and what it adds to the logarithms of the weights.

    weigh: from a token's number among its row's visual tokens to its weight; by default original / kept count.
    """
    visual, found = visual_of(input_ids, *tokens), []
    before = torch.zeros(visual.shape)
    for (layer, _), kept in zip(trace.kept_after_each_cut, trace.kept_by_cut, strict=True):
        dropped, logs = visual.clone(), torch.zeros(visual.shape)
        for row, positions in enumerate(kept.tolist()):
            positions, own = [one for one in positions if one >= 0], visual[row].nonzero()[:, 0].tolist()
            for position in positions:
                dropped[row, position] = False
                logs[row, position] = math.log(weigh(own.index(position)) if weigh else len(own) / len(positions))
        found.append((layer, dropped, logs - before))
        before = logs
    return found


@contextmanager
def cut_by_masking(model, cuts, rows=slice(None), proportional: bool = False, close: bool = False):
    """cuts: see ``cuts_of``; rows: those of them that the batch consists of."""
    with ExitStack() as stack:
        for layer, dropped, logs in cuts:
            if proportional:
                stack.enter_context(weighted(model, layer, logs[rows]))
            if close:
                stack.enter_context(renumbered(model, layer, dropped[rows]))
        for layer, dropped, _ in cuts:
            stack.enter_context(dropped_by_masking(model, layer, dropped[rows]))
        yield


def cuts_by_masking(model, trace, input_ids: torch.Tensor, *tokens: int):
    """What a trace lists as kept after each of several cuts, by masking."""
    return cut_by_masking(model, cuts_of(trace, input_ids, *tokens))


@contextmanager
def written(model, layer: int, change):
    """While the prompt is read, ``change(row, states)`` rewrites each row's states (n, width) on entering a layer.

    The prompt is what is longer than one token and stands at the beginning of the sequence.
    """
    decoder = decoder_of(model)

    def hook(module, args, kwargs):
        cache = cache_in(kwargs)
        past = cache.get_seq_length(module.self_attn.layer_idx) if cache is not None else 0
        if past:
            return None
        return (torch.stack([change(row, states.clone()) for row, states in enumerate(args[0])]), *args[1:]), kwargs

    with hooked(decoder.layers[layer : layer + 1], hook):
        yield


def dropped_by_attention(eager_model, inputs: dict, k: int, r: float, *tokens: int) -> torch.Tensor:
    """Which prompt positions FastV must drop, from the whole attention maps of a model loaded with eager attention."""
    with torch.no_grad():
        attention = eager_model(**inputs, output_attentions=True).attentions[k - 1]
    row = attention.float().mean(dim=1)[:, -1]
    dropped = torch.zeros(inputs["input_ids"].shape, dtype=torch.bool)
    for i, ids in enumerate(inputs["input_ids"]):
        visual = visual_of(ids, *tokens).nonzero()[:, 0]
        keep = round(len(visual) * (1 - r))
        dropped[i, visual[row[i, visual].argsort()[: len(visual) - keep]]] = True
    return dropped


def flash_stand_in(module, query, key, value, attention_mask, position_ids=None, **kwargs):
    """Keeps flash attention's contract: (batch, n) masks, and gaps in position_ids split a sequence."""
    batch, _, rows, _ = query.shape
    if position_ids is not None and batch == 1 and rows > 1:
        assert (position_ids.diff() == 1).all(), "the kernel would read this as several packed sequences"
    if attention_mask is not None:
        assert attention_mask.shape == (batch, key.shape[2])
        attention_mask = attention_mask.bool()
    attention_mask = sdpa_mask(batch, rows, key.shape[2], q_offset=key.shape[2] - rows, attention_mask=attention_mask)
    return AttentionInterface()["sdpa"](module, query, key, value, attention_mask, **kwargs)


AttentionInterface.register("flash_stand_in", flash_stand_in)
AttentionMaskInterface.register("flash_stand_in", flash_attention_mask)


def module_state(module: torch.nn.Module) -> list:
    hooks = (
        "_forward_hooks",
        "_forward_pre_hooks",
        "_forward_hooks_with_kwargs",
        "_forward_hooks_always_called",
        "_forward_pre_hooks_with_kwargs",
    )
    weights = [(name, id(weight), weight._version) for name, weight in module._parameters.items() if weight is not None]
    return [
        sorted(vars(module)),
        id(getattr(module, "config", None)),
        module.training,
        type(module),
        module.forward.__func__,
        weights,
        *(list(getattr(module, hook).items()) for hook in hooks),
    ]


def whole_state(model) -> dict:
    """All that a ``with`` could leave behind on a model. (transformers hangs hooks of its own in on the first run.)"""
    return {
        "config": copy.deepcopy(model.config.to_dict()),
        "kernel": decoder_of(model).config._attn_implementation,
        **{name: module_state(module) for name, module in model.named_modules()},
    }
