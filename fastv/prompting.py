"""A picture and a question as the model gets them, and which part of the prompt, and of the picture, is where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fastv.errors import InvalidInputError
from fastv.models.loading import LoadedModel


@dataclass(frozen=True)
class Prompt:
    """One prompt of one picture, on the model's device.

    inputs: the keyword tensors of ``generate``, one row. visual: boolean (n,) on the CPU, True where a visual token
    stands. grid: rows and columns of the patches those tokens are, row by row; one row when they form no known grid.
    seen: the picture as the vision tower gets it, scaled and cropped, which is what the grid lies on.
    """

    inputs: dict[str, Tensor]
    visual: Tensor
    grid: tuple[int, int]
    seen: Image.Image

    @property
    def tokens(self) -> int:
        return len(self.visual)

    @property
    def visual_tokens(self) -> int:
        return int(self.visual.sum())

    def on_grid(self, positions: Tensor) -> tuple[tuple[bool, ...], ...]:
        """Rows of the patch grid, True for the visual tokens at these prompt positions (long, any order)."""
        marked = torch.zeros_like(self.visual).index_fill(0, positions.cpu(), True)[self.visual]
        return tuple(tuple(row) for row in marked.view(self.grid).tolist())


def prompt_of(loaded: LoadedModel, picture: Image.Image, question: str, *, answer_tokens: int) -> Prompt:
    """The prompt for a checked picture (RGB) and a checked question.

    Raises InvalidInputError when the prompt and an answer of ``answer_tokens`` are more than the model reads.
    """
    text = loaded.family.prompt(loaded.processor, question)
    made = loaded.processor(images=picture, text=text, return_tensors="pt")
    inputs = dict(made.to(loaded.device, loaded.model.dtype))
    limit = loaded.model.config.get_text_config().max_position_embeddings
    if inputs["input_ids"].shape[1] + answer_tokens > limit:
        raise InvalidInputError(f"Picture, question and answer are more than the {limit:,} tokens this model reads: "
                                "please shorten the question or the answer.")
    visual = loaded.family.visual_mask(loaded.model, inputs["input_ids"])[0].cpu()
    frame = loaded.family.frames(loaded.model.config, inputs)[0]
    grid = frame.grid if frame.tokens == visual.sum() and not frame.lead else (1, int(visual.sum()))
    return Prompt(inputs, visual, grid, _seen(loaded.processor.image_processor, frame.pixels))


def _seen(image_processor, pixels: Tensor) -> Image.Image:
    """Undoes the processor's normalization: (3, height, width) -> RGB."""
    picture = pixels.float().cpu().numpy().transpose(1, 2, 0)
    if image_processor.do_normalize:
        picture = picture * np.asarray(image_processor.image_std) + np.asarray(image_processor.image_mean)
    return Image.fromarray((picture * 255).round().clip(0, 255).astype(np.uint8))


def answer_text(loaded: LoadedModel, tokens: tuple[int, ...]) -> str:
    """An answer, perhaps unfinished: without special tokens, and without the first bytes of a character still to
    come.
    """
    return loaded.processor.tokenizer.decode(list(tokens), skip_special_tokens=True).strip().rstrip("\ufffd")
