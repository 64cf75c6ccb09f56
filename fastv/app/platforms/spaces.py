"""Where the app runs: on a local machine, or on a Hugging Face Space with or without a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fastv.app.hosting.settings import Settings
from fastv.app.platforms import zerogpu as zero
from fastv.app.service.model_pool import ModelPool, Unavailable
from fastv.app.service.run_policy import Executor
from fastv.costs.flops import cost
from fastv.costs.memory import parameter_bytes
from fastv.families.catalogue import CATALOGUE, DEFAULT, REFERENCE_CONFIGS, ModelEntry
from fastv.families.config_reader import read_shape
from fastv.families.shapes import ModelShape
from fastv.loading.machine_memory import has_gpu_device

_TEXT_TOKENS = 36  # of the prompt in the paper's examples


@dataclass(frozen=True)
class Platform:
    """Where the app runs.

    Attributes
    ----------
    space
        Whether this is a Space.
    gpu
        Whether a GPU is attached all the time.
    zero
        ZeroGPU, where the Space has it.
    """

    space: bool
    gpu: bool
    zero: zero.ZeroGpu | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Platform:
        if zero.is_zero(environment):
            return cls(space=True, gpu=False, zero=zero.ZeroGpu())
        return cls(space=environment.get("SYSTEM") == "spaces", gpu=has_gpu())

    def adjusted(self, settings: Settings) -> Settings:
        """The settings with what was left open decided."""
        proxies = int(self.space) if settings.trust_proxy is None else settings.trust_proxy
        return replace(settings, model=settings.model or DEFAULT, trust_proxy=proxies)

    def unavailable(self, settings: Settings) -> dict[str, Unavailable]:
        """The models of the catalogue that are not offered here, by key."""
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
            return {entry.key: unavailable_with_costs(entry, lacking) for entry in real}
        return {}

    @property
    def execute(self) -> Executor | None:
        """Where comparisons run; None is in this process."""
        return self.zero.execute if self.zero else None

    def prepare(self, pool: ModelPool) -> None:
        """Called once, before the page is built."""
        if self.zero:
            self.zero.prepare(pool)


def unavailable_with_costs(entry: ModelEntry, lacking: bool) -> Unavailable:
    """Why a real model is not offered, with what it would cost. lacking: whether for want of a GPU."""
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
        f"{_gigabytes(shape, '4bit')} in 4 bits, and prefill of one image takes "
        f"{prefill.prefill_flops / 1e12:.1f} TFLOPs. The tab Explore shows what FastV would save.",
    )


def _gigabytes(shape: ModelShape, dtype: str) -> str:
    return f"{parameter_bytes(shape, dtype) / 1e9:.1f} GB"


def has_gpu() -> bool:
    """Whether torch can use a GPU here. Torch, which takes seconds to import, is only asked where there may be one."""
    if not has_gpu_device():
        return False
    import torch

    return bool(torch.cuda.is_available())
