"""Greedy answers to many questions, again and again with other budgets: what no budget changes is done once.

That is drawing and processing the pictures, the vision tower, the projector, and the prompts' tokens. Questions of one
batch have prompts of one length, so that nothing is padded; descriptions, the only long answers, keep to themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPooling

from fastv.loading.load import LoadedModel
from fastv.miniature.evaluation.dataset import Item
from fastv.pruning.config import PruningConfig
from fastv.pruning.methods.base import Method
from fastv.pruning.trace import Trace

BATCH, GPU_BATCH = 32, 256  # a GPU waits for the launch of many small operations
_LONGEST_ANSWER = 40  # tokens
_Piece = TypeVar("_Piece")


@dataclass(frozen=True)
class Answer:
    """``tokens``: how many were generated, the one that ends the answer included."""

    text: str
    tokens: int


class BatchedEvaluator:
    """The questions of ``items``, ready to be answered by one model. Holds the projector's output of every picture.

    ``pixels`` of the same questions saves preparing the pictures again. ``trace`` is that of the latest batch that was
    pruned.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        items: Sequence[Item],
        *,
        batch: int | None = None,
        pixels: PixelEvaluator | None = None,
    ):
        self.loaded, self.items = loaded, items
        self.trace: Trace | None = None
        self._seen: dict[int, Tensor] = {}  # a scene's seed -> what ``_encoded`` made of its pixels
        self._prompts: list[Tensor] = []
        batch = batch or (BATCH if loaded.device.type == "cpu" else GPU_BATCH)
        if pixels:
            self._prompts = pixels._prompts
            for seeds in _split(list(pixels._seen), batch):
                self._see(seeds, torch.stack([pixels._seen[seed] for seed in seeds]))
        else:
            for some in _split(items, batch):
                self._prepare(some)
        self.batches = _batches(
            [len(prompt) for prompt in self._prompts], [item.question.task == "describe" for item in items], batch
        )

    @property
    def prompt_lengths(self) -> list[int]:
        """Tokens of each prompt, the visual ones included."""
        return [len(prompt) for prompt in self._prompts]

    @property
    def visual_tokens(self) -> int:
        """Of one picture."""
        prompt = self._prompts[0]
        return int(self.loaded.family.visual_mask(self.loaded.model, prompt[None]).sum())

    def answers(self, pruning: PruningConfig | Method | None = None) -> list[Answer]:
        """One answer per item, in the items' order; ``pruning`` drops tokens.

        Where tokens are dropped at random, every batch draws anew, from the method's seed and the batch's number.
        """
        method = pruning.build() if isinstance(pruning, PruningConfig) else pruning
        found: dict[int, Answer] = {}
        for number, batch in enumerate(self.batches):
            drawn = method and replace(method, seed=method.seed + number)
            found |= zip(batch, self._answer(batch, drawn))
        return [found[index] for index in range(len(self.items))]

    def _prepare(self, some: Sequence[Item]) -> None:
        loaded = self.loaded
        texts = [loaded.family.prompt(loaded.processor, item.question.text) for item in some]
        made = loaded.processor(
            images=[item.scene.picture for item in some], text=texts, padding=True, return_tensors="pt"
        ).to(loaded.device, loaded.model.dtype)
        self._prompts += [ids[mask.bool()] for ids, mask in zip(made["input_ids"], made["attention_mask"])]
        new = {
            item.scene.seed: pixels
            for item, pixels in zip(some, made["pixel_values"])
            if item.scene.seed not in self._seen
        }
        if new:
            self._see(list(new), torch.stack(list(new.values())))

    @torch.inference_mode()
    def _see(self, seeds: Sequence[int], pixels: Tensor) -> None:
        self._seen |= zip(seeds, self._encoded(pixels))

    def _encoded(self, pixels: Tensor) -> Iterable[Tensor]:
        """What is kept of each of some pictures: their projected visual tokens (n, width)."""
        base: Any = self.loaded.model.base_model
        return base.get_image_features(pixel_values=pixels, return_dict=True).pooler_output

    @contextmanager
    def _pictures(self, seen: list[Tensor]) -> Iterator[Tensor]:
        """The model's ``pixel_values`` for a batch, by what is kept of its pictures."""
        with given(self.loaded.model, seen):
            yield seen[0].new_empty(len(seen), 0)  # the pictures are not looked at again: any tensor stands for them

    @torch.inference_mode()
    def _answer(self, batch: Sequence[int], method: Method | None) -> list[Answer]:
        loaded = self.loaded
        model: Any = loaded.model
        ids = torch.stack([self._prompts[index] for index in batch])
        seen = [self._seen[self.items[index].scene.seed] for index in batch]
        with self._pictures(seen) as pixels, method(loaded.model) if method else nullcontext() as trace:
            out = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                pixel_values=pixels,
                max_new_tokens=_LONGEST_ANSWER,
            )
        self.trace = trace or self.trace
        said = out[:, ids.shape[1] :]
        texts = loaded.processor.tokenizer.batch_decode(said, skip_special_tokens=True)
        ended = said == loaded.processor.tokenizer.eos_token_id
        counts = torch.where(ended.any(1), ended.int().argmax(1) + 1, said.shape[1])
        return [Answer(text.strip(), int(count)) for text, count in zip(texts, counts)]


class PixelEvaluator(BatchedEvaluator):
    """The same for methods that look into the vision tower, or change what it reads. Holds every picture's pixels."""

    def _encoded(self, pixels: Tensor) -> Iterable[Tensor]:
        return pixels

    @contextmanager
    def _pictures(self, seen: list[Tensor]) -> Iterator[Tensor]:
        yield torch.stack(seen)


def answers(
    loaded: LoadedModel, items: Sequence[Item], budget: PruningConfig | None = None, *, batch: int | None = None
) -> list[str]:
    """Greedy answers, one per item, in order; ``budget`` prunes."""
    return [answer.text for answer in BatchedEvaluator(loaded, items, batch=batch).answers(budget)]


@contextmanager
def given(model: nn.Module, seen: list[Tensor]) -> Iterator[None]:
    """While open, the model takes ``seen``, for each picture (visual tokens, width), for its pictures' features."""
    base: Any = model.base_model

    def get_image_features(pixel_values: Tensor | None = None, **_: Any) -> BaseModelOutputWithPooling:  # as theirs
        features: Any = seen  # a tensor for each picture, as theirs
        return BaseModelOutputWithPooling(pooler_output=features)

    base.get_image_features = get_image_features
    try:
        yield
    finally:
        del base.get_image_features


def _batches(lengths: Sequence[int], long: Sequence[bool], most: int) -> list[Sequence[int]]:
    """Indices in batches of at most ``most``: prompts of one length, with long answers or without."""
    groups: dict[tuple[bool, int], list[int]] = {}
    for index, kind in enumerate(zip(long, lengths)):
        groups.setdefault(kind, []).append(index)
    return [part for _, group in sorted(groups.items()) for part in _split(group, most)]


def _split(pieces: Sequence[_Piece], most: int) -> list[Sequence[_Piece]]:
    return [pieces[start : start + most] for start in range(0, len(pieces), most)]
