"""The model ``fastv`` of lmms-eval: a checkpoint answered with pruned visual tokens, its times logged."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from statistics import fmean
from typing import Any

import torch
from accelerate import Accelerator
from lmms_eval import utils
from lmms_eval.api.instance import GenerationResult, Instance, TokenCounts
from lmms_eval.api.model import lmms
from lmms_eval.models.chat.huggingface import Huggingface
from lmms_eval.models.model_utils.gen_metrics import log_metrics
from lmms_eval.protocol import ChatMessages
from tqdm import tqdm
from transformers import StoppingCriteriaList

from fastv.costs.flops import check_pruning
from fastv.errors import InvalidInputError
from fastv.integrations.lmms_eval.messages import inputs_of
from fastv.loading.load import load
from fastv.measurement.results import layer_count
from fastv.measurement.timing import TokenTimes
from fastv.pruning.config import OPTIONS, PruningConfig

_DEFAULTS = {"max_new_tokens": 1024, "temperature": 0.0, "top_p": None, "num_beams": 1}
_UNPRUNED = ("none", "None", "", None)


class FastVModel(Huggingface):
    """A chat model of lmms-eval.

    Parameters
    ----------
    pretrained : str
        What ``fastv.loading.load.load`` takes: a catalogue key, a folder or a hub id.
    method : str
        A pruning method's name, or "none".
    k : int
        The decoder layer on entering which visual tokens are dropped.
    r : float
        The fraction dropped, 0 to 1; 0 runs without pruning.
    seed : int
        For methods that draw.
    per, positions : str
        Options of every method, see ``PruningConfig``.
    proportional : bool
        Likewise.
    dtype : str
        As ``load``'s.
    device : str
        "auto", "cpu", "cuda", ...; with several processes each has a GPU of its own.
    batch_size : int
        Prompts answered together, padded on the left. Times are of whole batches: for the times of an answer leave it
        at 1.
    system_prompt : str or None
        Put before each chat; a file's name stands for its text.
    """

    def __init__(
        self,
        pretrained: str = "llava-1.5-7b",
        method: str | None = "fastv",
        k: int = 2,
        r: float = 0.5,
        seed: int = 0,
        per: str = OPTIONS["per"],
        positions: str = OPTIONS["positions"],
        proportional: bool = OPTIONS["proportional"],
        dtype: str = "auto",
        device: str = "auto",
        batch_size: int | str = 1,
        system_prompt: str | None = None,
        **unknown: Any,
    ) -> None:
        lmms.__init__(self)  # the parent's would load the model in its own way
        unknown = {name: value for name, value in unknown.items() if name != "max_batch_size"}
        if unknown:
            raise InvalidInputError(f"The model fastv has no arguments {', '.join(unknown)}.")
        self.accelerator = Accelerator()
        self._rank, self._world_size = self.accelerator.process_index, self.accelerator.num_processes
        if self._world_size > 1 and torch.cuda.is_available():
            device = f"cuda:{self.accelerator.local_process_index}"
        options: dict[str, Any] = {"per": per, "positions": positions, "proportional": proportional}
        unpruned = method in _UNPRUNED or not r
        self.pruning = None if unpruned else PruningConfig(str(method), int(k), float(r), int(seed), **options)
        self.loaded = load(pretrained, dtype=dtype, device=device)
        if self.pruning:
            check_pruning(self.pruning.k, self.pruning.r, layer_count(self.loaded))
        self._model, self.processor = self.loaded.model, self.loaded.processor
        self._tokenizer, self._config = self.loaded.processor.tokenizer, self.loaded.model.config
        self._device, self._max_length = self.loaded.device, 2048
        self.batch_size_per_gpu = int(batch_size)
        self.system_prompt = self._resolve_system_prompt(system_prompt) if system_prompt else None

    def generate_until(self, requests: list[Instance]) -> list[GenerationResult]:
        """Answer the requests; logs ``ttft`` and ``tpot`` in seconds and how many visual tokens were kept."""
        ordered = utils.Collator(
            [request.args for request in requests],
            lambda one: (one[2], one[2]),
            group_fn=lambda one: one[2],
            grouping=True,
        )
        results: list[GenerationResult] = []
        batches: list[dict[str, float]] = []
        with tqdm(total=len(requests), disable=self.rank != 0, desc="Model responding") as bar:
            for chunk in ordered.get_batched(n=self.batch_size, batch_fn=None):
                answered, measured = self._batch(chunk)
                results += answered
                batches.append(measured)
                bar.update(len(answered))
        _log(batches)
        return ordered.get_original(results)

    def _batch(self, chunk: Iterable[tuple[Any, ...]]) -> tuple[list[GenerationResult], dict[str, float]]:
        contexts, to_messages, settings, documents, tasks, splits = zip(*chunk)
        chats = [
            make(self.task_dict[task][split][document])
            for make, task, split, document in zip(to_messages, tasks, splits, documents)
        ]
        if self.system_prompt:
            chats = [self._apply_system_prompt(chat, self.system_prompt) for chat in chats]
        inputs = inputs_of(self.loaded, [ChatMessages(messages=chat).to_hf_messages() for chat in chats])
        length = inputs["input_ids"].shape[1]
        times = TokenTimes(self.loaded.device)
        method = self.pruning.build() if self.pruning else None
        with method(self.model) if method else nullcontext() as trace, torch.inference_mode():
            times.start()
            made = self.model.generate(
                **inputs, **_generation(settings[0]), stopping_criteria=StoppingCriteriaList([times])
            )
        tokens = [row[length:] for row in made]
        texts = self.processor.batch_decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        texts = [_cut(text.strip(), settings[0].get("until")) for text in texts]
        counts = [_own_length(row, self.model.generation_config.eos_token_id) for row in tokens]
        for context, text in zip(contexts, texts):
            self.cache_hook.add_partial("generate_until", (context, settings[0]), text)
        visual = kept = self.loaded.family.visual_mask(self.model, inputs["input_ids"]).sum().item()
        if trace is not None and trace.kept is not None:
            kept = int((trace.kept >= 0).sum())
        measured = {
            "answers": len(texts),
            "tokens": sum(counts),
            "seconds": times.total_seconds,
            "ttft": times.prefill_seconds,
            "visual_tokens": visual,
            "kept_visual_tokens": kept,
        }
        if times.decode_seconds_per_token is not None:
            measured["tpot"] = times.decode_seconds_per_token
        answered = [
            GenerationResult(text=text, token_counts=TokenCounts(input_tokens=int(read), output_tokens=count))
            for text, count, read in zip(texts, counts, inputs["attention_mask"].sum(1))
        ]
        return answered, measured


def _generation(settings: dict[str, Any]) -> dict[str, Any]:
    """The task's settings as ``generate`` takes them: greedy unless it asks for a temperature."""
    chosen = _DEFAULTS | {name: value for name, value in settings.items() if name in _DEFAULTS}
    samples = bool(chosen["temperature"])
    return {
        **chosen,
        "do_sample": samples,
        "temperature": chosen["temperature"] if samples else None,
        "top_p": chosen["top_p"] if samples else None,
        "top_k": None,
        "use_cache": True,
    }


def _cut(text: str, until: Any) -> str:
    """The text before the first of the strings that end an answer."""
    for end in [until] if isinstance(until, str) else until or ():
        text = text.split(end)[0] if end.strip() else text
    return text.strip()


def _own_length(tokens: torch.Tensor, ends: int | list[int] | None) -> int:
    """Tokens of one row up to its end token, which counts; what follows in a batch is padding."""
    several = set(ends if isinstance(ends, list) else [ends])
    return next((place for place, token in enumerate(tokens.tolist(), 1) if token in several), len(tokens))


def _log(batches: list[dict[str, float]]) -> None:
    """Hand totals and means to lmms-eval, which prints them and writes them into its results."""
    if not batches:
        return
    seconds, tokens = sum(one["seconds"] for one in batches), sum(int(one["tokens"]) for one in batches)
    answers = sum(one["answers"] for one in batches)
    later = [one["tpot"] for one in batches if "tpot" in one]
    log_metrics(
        total_elapsed_time=seconds,
        total_gen_tokens=tokens,
        avg_speed=tokens / seconds,
        additional_metrics={
            "total_requests": answers,
            "ttft": fmean(one["ttft"] for one in batches),
            **({"tpot": fmean(later)} if later else {}),
            "visual_tokens": sum(one["visual_tokens"] for one in batches) / answers,
            "kept_visual_tokens": sum(one["kept_visual_tokens"] for one in batches) / answers,
        },
    )
