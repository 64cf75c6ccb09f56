"""Where the app runs, as far as it matters: on one's own machine, or on a Hugging Face Space with or without a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from fastv.app.hosting.settings import Settings
from fastv.app.platforms import zerogpu as zero
from fastv.app.service.model_pool import ModelPool, Unavailable
from fastv.costs.flops import cost
from fastv.costs.memory import parameter_bytes
from fastv.families.catalogue import CATALOGUE, DEFAULT, REFERENCE_CONFIGS, ModelEntry
from fastv.families.config_reader import read_shape

_TEXT_TOKENS = 36  # of the prompt in the paper's examples


@dataclass(frozen=True)
class Platform:
    """space: whether it is one. gpu: whether it has a GPU all the time. zero: the way to one that comes and goes."""

    space: bool
    gpu: bool
    zero: zero.ZeroGpu | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Platform:
        if zero.is_zero(environment):
            return cls(space=True, gpu=False, zero=zero.ZeroGpu())
        return cls(space=environment.get("SYSTEM") == "spaces", gpu=torch.cuda.is_available())

    def adjusted(self, settings: Settings) -> Settings:
        """With what was left open decided."""
        proxies = int(self.space) if settings.trust_proxy is None else settings.trust_proxy
        return replace(settings, model=settings.model or DEFAULT, trust_proxy=proxies)

    def unavailable(self, settings: Settings) -> dict[str, Unavailable]:
        """Why a model of the catalogue cannot be had here, by key."""
        real = [entry for entry in CATALOGUE if not entry.embedded and entry.key != settings.model]
        if self.zero:
            return {
                entry.key: Unavailable(
                    "not on this Space",
                    f"{entry.name} is not offered on this Space, whose GPU is prepared for other models.",
                )
                for entry in real
                if entry.key != zero.MODEL or settings.real_models == "no"
            }
        lacking = settings.real_models == "auto" and self.space and not self.gpu
        if lacking or settings.real_models == "no" or settings.real_models == "auto" and settings.share:
            return {entry.key: too_dear(entry, lacking) for entry in real}
        return {}

    @property
    def begin(self) -> Callable[..., Iterator[Any]] | None:
        """See ``RunPolicy``."""
        return self.zero.begin if self.zero else None

    def ready(self, pool: ModelPool) -> None:
        """Called with the models before the page is built."""
        if self.zero:
            self.zero.ready(pool)


def too_dear(entry: ModelEntry, lacking: bool) -> Unavailable:
    """With what a real model would cost, for people who cannot have it here. lacking: a GPU, rather than the operator's leave."""
    mark, needs = (
        ("needs a GPU", "needs a GPU, and is not offered here")
        if lacking
        else ("not offered here", "is not offered here")
    )
    config = REFERENCE_CONFIGS.get(entry.key)
    if config is None:
        return Unavailable(mark, f"{entry.name} {needs}.")
    shape = read_shape(config)
    visual_tokens = shape.projector.tokens if shape.projector else 0
    prefill = cost(config, text_tokens=_TEXT_TOKENS, visual_tokens=visual_tokens, answer_tokens=1, k=None, r=0.0)
    return Unavailable(
        mark,
        f"{entry.name} {needs}: its weights are {_gigabytes(shape, 'float16')} in 16 bits or "
        f"{_gigabytes(shape, '4bit')} in 4, and reading one picture takes "
        f"{prefill.prefill_flops / 1e12:.1f} TFLOPs. The tab Explore shows what FastV would save of them.",
    )


def _gigabytes(shape: Any, dtype: str) -> str:
    return f"{parameter_bytes(shape, dtype) / 1e9:.1f} GB"
