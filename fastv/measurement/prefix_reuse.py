"""One pass over a prompt, from which others branch off: pictures' features and the first layers are computed once.

Before its first cut a pruned pass computes what the pass without pruning computed. ``recording`` keeps that, and
``replaying`` gives it back: the model's own code and the pruning hooks run as always, but its vision tower is not asked
again, and a layer before the cut returns what it returned before and fills the cache as it did. Answers are those of a
pass of its own, bit for bit.

A layer, or a tower, that something else looks into (hooks on a module inside it, an observed attention kernel whose
inputs were not recorded) runs again in full, and so does everything where the inputs are not those recorded.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn
from transformers.cache_utils import DynamicLayer

from fastv.families.base import Family, base_of
from fastv.pruning.attention_tap import observer_of, observing
from fastv.pruning.transformers_compat import cache_in

_FEATURES = ("get_image_features", "get_video_features")  # the methods of transformers' models that run a tower


@dataclass
class _LayerRecord:
    """What one layer did to the prompt, and to the tokens that were generated after it.

    Attributes
    ----------
    prompt : int
        Columns of the first forward.
    given, output : list of Tensor
        (batch, columns, width), one of each forward; ``whole`` makes them one.
    filled : object
        The cache's layer.
    """

    prompt: int
    given: list[Tensor]
    output: list[Tensor]
    filled: Any
    keys: Tensor = field(default_factory=lambda: torch.empty(0))
    values: Tensor = field(default_factory=lambda: torch.empty(0))

    @property
    def length(self) -> int:
        return sum(part.shape[-2] for part in self.given)

    def whole(self) -> None:
        """The parts as one, and keys and values (batch, heads, columns, width) as they are now."""
        self.given, self.output = [torch.cat(self.given, dim=-2)], [torch.cat(self.output, dim=-2)]
        self.keys, self.values = (part[..., : self.length, :] for part in (self.filled.keys, self.filled.values))


@dataclass
class Prefix:
    """What a pass without pruning computed of one prompt, or one batch of prompts.

    Attributes
    ----------
    layers : list of _LayerRecord
        Of the first layers, as many as could be recorded.
    kernels : dict of int to tuple
        Layer -> query, key, mask and scaling of its attention kernel, where they were asked for.
    features : dict of str to tuple
        Method of the model -> what it was given, by name, and what it returned.
    towers : tuple of nn.Module
        All modules but those of the decoder.
    """

    layers: list[_LayerRecord] = field(default_factory=list)
    kernels: dict[int, tuple[Tensor, Tensor, Tensor | None, float]] = field(default_factory=dict)
    features: dict[str, tuple[dict[str, Any], Any]] = field(default_factory=dict)
    towers: tuple[nn.Module, ...] = ()


@dataclass
class Replay:
    """What a branch took over: how many layers, and whether the features of its pictures and videos."""

    layers: int = 0
    features: bool = False


@contextmanager
def recording(model: nn.Module, family: Family, depth: int, observed: Collection[int] = ()) -> Iterator[Prefix]:
    """Record what the towers, and what the first ``depth`` layers, make of a prompt and of what is generated after it.

    Parameters
    ----------
    model, family
        A model that nothing prunes meanwhile.
    depth
        The most layers that a branch takes over.
    observed
        Layers whose attention kernel's inputs are kept too, where they attend: those that methods rank by.

    Yields
    ------
    Prefix
        Filled in as the model runs; it holds tensors of all these layers.
    """
    decoder: Any = family.decoder(model)
    base, inside = base_of(model), set(decoder.modules())
    prefix = Prefix(towers=tuple(part for part in base.modules() if part is not base and part not in inside))
    with ExitStack() as stack:
        for number in observed:
            attention = family.attention(decoder.layers[number])
            if attention is not None:
                stack.enter_context(observing(attention, _keep_kernel(prefix, number)))
        for number, layer in enumerate(decoder.layers[:depth]):
            hook = layer.register_forward_hook(_keep_layer(prefix, number), with_kwargs=True)
            stack.callback(hook.remove)
        for name in _FEATURES:
            if callable(getattr(base, name, None)):
                stack.enter_context(_replaced(base, name, _keep_features(prefix, name, getattr(base, name))))
        yield prefix
    for record in prefix.layers:
        record.whole()


@contextmanager
def replaying(model: nn.Module, family: Family, prefix: Prefix, depth: int) -> Iterator[Replay]:
    """While open, forwards over the recorded prompt take over its features and what layers < ``depth`` did.

    They may read tokens of the recorded answer behind the prompt. Enter it before pruning: what the hooks of pruning
    look into is found out when the model runs.

    Yields
    ------
    Replay
        Filled in as the model runs.
    """
    decoder: Any = family.decoder(model)
    base, replay = base_of(model), Replay()
    with ExitStack() as stack:
        for name in prefix.features:
            stack.enter_context(_replaced(base, name, _features(prefix, name, getattr(base, name), replay)))
        follows = _Follows()
        for number, layer in enumerate(decoder.layers[: min(depth, len(prefix.layers))]):
            stack.enter_context(_replaced(layer, "forward", _layer(prefix, number, layer, follows, replay)))
        yield replay


# Recording


def _keep_kernel(prefix: Prefix, number: int) -> Callable[..., None]:
    def keep(query: Tensor, key: Tensor, mask: Tensor | None, scaling: float) -> None:
        prefix.kernels.setdefault(number, (query, key, mask, scaling))

    return keep


def _keep_layer(prefix: Prefix, number: int) -> Callable[..., None]:
    def keep(_layer: nn.Module, args: tuple, kwargs: dict[str, Any], output: Any) -> None:
        given, filled = (args[0] if args else kwargs.get("hidden_states")), _cache_layer(kwargs, number)
        if not isinstance(given, Tensor) or not isinstance(output, Tensor) or filled is None:
            return
        if number == len(prefix.layers) and filled.keys.shape[-2] == given.shape[-2]:
            prefix.layers.append(_LayerRecord(given.shape[-2], [given], [output], filled))
        elif number < len(prefix.layers):
            record = prefix.layers[number]
            if filled is record.filled and filled.keys.shape[-2] == record.length + given.shape[-2]:
                record.given.append(given)
                record.output.append(output)

    return keep


def _keep_features(prefix: Prefix, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)  # generate goes by its signature
    def keep(*args: Any, **kwargs: Any) -> Any:
        output = method(*args, **kwargs)
        prefix.features.setdefault(name, (_named(method, args, kwargs), output))
        return output

    return keep


# Replaying


class _Follows:
    """Whether the forward that is running has been one over the recorded prompt until now."""

    prompt = False


def _layer(prefix: Prefix, number: int, layer: Any, follows: _Follows, replay: Replay) -> Callable[..., Any]:
    record, plain = prefix.layers[number], layer.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        given, cache = (args[0] if args else kwargs.get("hidden_states")), cache_in(kwargs)
        if number == 0:
            follows.prompt = cache is not None and not cache.get_seq_length()
        length = given.shape[-2] if isinstance(given, Tensor) else 0
        known = record.prompt <= length <= record.length
        follows.prompt = follows.prompt and known and _same(given, _first(record.given[0], length))
        if not follows.prompt:
            return plain(*args, **kwargs)
        observer = observer_of(layer.self_attn)
        if _is_watched(layer) or (observer is not None and number not in prefix.kernels):
            return plain(*args, **kwargs)
        if observer is not None:
            observer(*prefix.kernels[number])
        cache.update(_first(record.keys, length), _first(record.values, length), number)
        replay.layers += 1
        return _first(record.output[0], length)

    return forward


def _features(prefix: Prefix, name: str, method: Callable[..., Any], replay: Replay) -> Callable[..., Any]:
    given, output = prefix.features[name]

    @wraps(method)
    def features(*args: Any, **kwargs: Any) -> Any:
        named = _named(method, args, kwargs)
        alike = named.keys() == given.keys() and all(_same(named[key], value) for key, value in given.items())
        if not alike or any(map(_is_looked_at, prefix.towers)):
            return method(*args, **kwargs)
        replay.features = True
        return output

    return features


def _first(tensor: Tensor, length: int) -> Tensor:
    """Its first columns (..., length, width): itself where these are all."""
    return tensor if tensor.shape[-2] == length else tensor[..., :length, :]


def _is_watched(layer: nn.Module) -> bool:
    """Whether a module inside the layer has hooks; those of the layer itself run anyway."""
    return any(_has_hooks(module) for module in layer.modules() if module is not layer)


def _is_looked_at(module: nn.Module) -> bool:
    return _has_hooks(module) or observer_of(module) is not None


def _has_hooks(module: nn.Module) -> bool:
    """Whether it has hooks of others: transformers' own ones only answer calls that ask for all layers' outputs."""
    hooks = (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
    return any(not getattr(hook, "__module__", "").startswith("transformers.") for hook in hooks)


def _cache_layer(kwargs: Mapping[str, Any], number: int) -> Any:
    """The cache's layer that this layer fills, where it holds plain tensors of the whole sequence; else None."""
    layers = getattr(cache_in(kwargs), "layers", ())
    filled = layers[number] if number < len(layers) else None
    return filled if type(filled) is DynamicLayer and isinstance(filled.keys, Tensor) else None


def _named(method: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
    """A call's arguments by name."""
    return dict(inspect.signature(method).bind(*args, **kwargs).arguments)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one is other or (one.shape == other.shape and torch.equal(one, other))
    if isinstance(one, dict) and isinstance(other, dict):  # further keyword arguments
        return one.keys() == other.keys() and all(_same(one[key], value) for key, value in other.items())
    return not isinstance(one, Tensor) and not isinstance(other, Tensor) and bool(one == other)


@contextmanager
def _replaced(owner: Any, name: str, value: Callable[..., Any]) -> Iterator[None]:
    """Put a function in an attribute's place, on this object alone."""
    own = vars(owner).get(name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if own is None:
            delattr(owner, name)
        else:
            setattr(owner, name, own)
