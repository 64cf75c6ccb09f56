"""Timed answers: the one place that times what is shown.

Seconds come from whole calls of ``generate`` in which nothing else happens. Work that a device still has queued is
waited for before the clock is read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from fastv.measurement.memory import cache_bytes
from fastv.measurement.timed import Pass, Spread, Timing
from fastv.pruning.transformers_compat import cache_in
from fastv.worker import OutOfTime

__all__ = ["Pass", "Spread", "Timing", "TokenTimes", "generate", "greedy", "interleaved", "now"]

Result = TypeVar("Result")

_SETTINGS = frozenset(GenerationConfig().to_dict()) - {"transformers_version"}
_TOKENS = ("_token_id", "suppress_tokens")  # a checkpoint's own: how it ends, and what it never says


def now(device: torch.device) -> float:
    """Seconds on a clock that only goes forward, after all work queued on the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def generate(
    model: Any,
    inputs: Mapping[str, torch.Tensor],
    *,
    max_new_tokens: int,
    on_token: Callable[[tuple[int, ...]], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Pass:
    """Answer one prompt greedily and time it.

    A checkpoint's own generation settings (sampling, beams, penalties, guidance, kind of cache) are overridden, so that
    both sides and all models are asked alike; the tokens that it ends with and those that it never says stay its own.

    Parameters
    ----------
    model
        A transformers model that generates.
    inputs
        The processor's tensors, one row, on the model's device.
    max_new_tokens
        The longest answer, in tokens.
    on_token
        Called after each token with all tokens of the answer so far. Leave it out of passes whose times matter.
    stopped
        Asked after each token whether to end the answer there.

    Returns
    -------
    Pass
    """
    device = inputs["input_ids"].device  # a model laid out over several places may call none of them its own
    steps = _Steps(inputs["input_ids"].shape[1], device, on_token, stopped)
    steps.start()
    output = model.generate(
        **inputs,
        **greedy(model),
        max_new_tokens=max_new_tokens,
        return_dict_in_generate=True,
        stopping_criteria=StoppingCriteriaList([steps]),
    )
    tokens = tuple(output.sequences[0, inputs["input_ids"].shape[1] :].tolist())
    return Pass(
        tokens=tokens,
        prefill_seconds=steps.prefill_seconds,
        total_seconds=steps.total_seconds,
        decode_seconds_per_token=steps.decode_seconds_per_token,
        kv_cache_bytes=cache_bytes(cache_in(output)),
    )


def greedy(model: Any) -> dict[str, Any]:
    """Arguments of ``generate`` by which the likeliest token follows, whatever the checkpoint's generation_config sets.

    Only the tokens that it ends with and those that it never says stay its own.
    """
    defaults = model.generation_config._get_default_generation_params()
    undone = {
        name: defaults.get(name)
        for name, value in model.generation_config.to_dict().items()
        if value is not None and name in _SETTINGS and not name.endswith(_TOKENS) and value != defaults.get(name)
    }
    return {**undone, "do_sample": False, "use_cache": True}


class TokenTimes(StoppingCriteria):
    """Called by ``generate`` after every token: notes the time, and ends nothing. ``start`` begins an answer."""

    def __init__(self, device: torch.device):
        self.device = device
        self.times: list[float] = []

    def start(self) -> None:
        """To be called right before ``generate``."""
        self.times = []
        self._begun = now(self.device)

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        self.times.append(now(self.device))
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)

    @property
    def prefill_seconds(self) -> float:
        """To the first token."""
        return self.times[0] - self._begun

    @property
    def total_seconds(self) -> float:
        """To the last token."""
        return self.times[-1] - self._begun

    @property
    def decode_seconds_per_token(self) -> float | None:
        """The mean over the tokens after the first; None where there is none."""
        later = len(self.times) - 1
        return (self.times[-1] - self.times[0]) / later if later else None


class _Steps(TokenTimes):
    """Notes the times, passes the tokens on, and ends the answer where that is wanted."""

    def __init__(
        self,
        prompt_length: int,
        device: torch.device,
        on_token: Callable[[tuple[int, ...]], None] | None,
        stopped: Callable[[], bool],
    ):
        super().__init__(device)
        self.prompt_length, self.on_token, self.stopped = prompt_length, on_token, stopped

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        super().__call__(input_ids, scores, **kwargs)
        if self.on_token:
            self.on_token(tuple(input_ids[0, self.prompt_length :].tolist()))
        return torch.full((input_ids.shape[0],), self.stopped(), dtype=torch.bool, device=input_ids.device)


def interleaved(sides: Sequence[Callable[[], Result]], *, repeats: int, warmup: int = 0) -> list[list[Result]]:
    """Run several sides in turn, each round in the reverse order of the one before (A B, B A, A B, ...).

    A machine that slows down then slows all sides alike, and a steady drift cancels over two rounds.

    Parameters
    ----------
    sides
        What to run. A side that raises ``OutOfTime`` ends all of it.
    repeats
        Rounds whose results are kept.
    warmup
        Rounds before them, whose results are dropped.

    Returns
    -------
    list of list
        For each side the results of its runs. Where time ran out they are those of the whole rounds, equally many for
        each side.

    Raises
    ------
    OutOfTime
        Where it came before a whole round was kept.
    """
    results: list[list[Result]] = [[] for _ in sides]
    for turn in range(warmup + repeats):
        order = range(len(sides)) if turn % 2 == 0 else reversed(range(len(sides)))
        try:
            fresh = {index: sides[index]() for index in order}
        except OutOfTime:
            if not results[0]:
                raise
            break
        if turn >= warmup:
            for index, kept in enumerate(results):
                kept.append(fresh[index])
    return results
