"""A picture or a clip and a question as a model's inputs, and where each frame stands among the visual tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fastv.errors import InvalidInputError
from fastv.families.frames import Frame
from fastv.inputs.frame_view import FrameView
from fastv.inputs.video import Clip, no_videos
from fastv.loading.load import LoadedModel

Shown = Image.Image | Sequence[Image.Image] | Clip


@dataclass(frozen=True)
class FrameSpan:
    """Where a picture, or a frame of a clip, stands among the visual tokens.

    Attributes
    ----------
    picture : PIL.Image.Image
        As the vision tower gets it; the grid lies on it.
    grid : tuple of int
        Rows and columns; its tokens stand row by row behind the leading ones.
    lead : int
        Leading tokens without a place in the grid.
    row_end : int
        Tokens without a place after each row.
    seconds : tuple of float
        As in ``FrameView``.
    """

    picture: Image.Image
    grid: tuple[int, int]
    lead: int = 0
    seconds: tuple[float, ...] = ()
    row_end: int = 0

    @property
    def tokens(self) -> int:
        return self.lead + self.grid[0] * (self.grid[1] + self.row_end)


@dataclass(frozen=True)
class Prompt:
    """One prompt about one picture, several, or a clip, on the model's device.

    Attributes
    ----------
    inputs : dict of Tensor
        The keyword arguments of ``generate``, one row each.
    visual : Tensor
        Boolean (n,) on the CPU, True at visual tokens.
    places : tuple of FrameSpan
        What those tokens show, in their order; a picture is one span.
    frames : int
        Of the clip; 0 for pictures.
    pictures : int
        0 for a clip.
    encoded_tokens : int, optional
        How many tokens the vision tower makes, where that is not as many as visual ones.
    """

    inputs: dict[str, Tensor]
    visual: Tensor
    places: tuple[FrameSpan, ...]
    frames: int = 0
    pictures: int = 1
    encoded_tokens: int | None = None

    @property
    def tokens(self) -> int:
        return len(self.visual)

    @property
    def visual_tokens(self) -> int:
        return int(self.visual.sum())

    def seen(self, positions: Tensor) -> tuple[FrameView, ...]:
        """What is kept of each span, given the prompt positions of the kept tokens (long, any order)."""
        marked = torch.zeros_like(self.visual).index_fill(0, positions.cpu(), True)[self.visual]
        return tuple(self._each(marked))

    def _each(self, marked: Tensor) -> Iterator[FrameView]:
        for place, tokens in zip(self.places, marked.split([place.tokens for place in self.places])):
            rows = tokens[place.lead :].view(place.grid[0], -1)
            placed, others = rows[:, : place.grid[1]], rows[:, place.grid[1] :]
            lead = (*tokens[: place.lead].tolist(), *others.flatten().tolist())
            yield FrameView(tuple(tuple(row) for row in placed.tolist()), place.picture, lead, place.seconds)


def check_reads(loaded: LoadedModel, shown: Shown) -> None:
    """Raises InvalidInputError for a clip where the model was made for pictures alone."""
    if isinstance(shown, Clip) and not loaded.family.videos:
        raise InvalidInputError(no_videos(loaded.entry.name))


def prompt_of(loaded: LoadedModel, shown: Shown, question: str, *, answer_tokens: int) -> Prompt:
    """Make the prompt for a checked picture (RGB), several or a clip and a checked question.

    Raises
    ------
    InvalidInputError
        Where the prompt and an answer of ``answer_tokens`` are longer than the model reads, and for a clip where it
        reads no videos.
    """
    check_reads(loaded, shown)
    clip = shown if isinstance(shown, Clip) else None
    pictures = 0 if clip else len(shown) if isinstance(shown, Sequence) else 1
    text = loaded.family.prompt(loaded.processor, question, "video" if clip else "image", pictures or 1)
    what = {"videos": [list(clip.frames)], "video_metadata": [clip.metadata]} if clip else {"images": shown}
    made = loaded.processor(**what, text=text, return_tensors="pt")
    inputs = dict(made.to(loaded.device, loaded.model.dtype))
    limit = loaded.model.config.get_text_config().max_position_embeddings
    if inputs["input_ids"].shape[1] + answer_tokens > limit:
        raise InvalidInputError(
            f"{'Clip' if clip else 'Picture'}, question and answer are more than the {limit:,} "
            "tokens this model reads: please shorten the question or the answer."
        )
    visual = loaded.family.visual_mask(loaded.model, inputs["input_ids"])[0].cpu()
    frames = loaded.family.frames(loaded.model.config, inputs)
    seconds = clip.seconds if clip else ()
    if frames:
        places = _places(loaded, frames, int(visual.sum()), seconds)
    else:  # where in the picture its tokens lie is not known
        first: Any = clip.frames[0] if clip else shown[0] if isinstance(shown, Sequence) else shown
        places = (FrameSpan(first, (1, int(visual.sum())), seconds=seconds),)
    encoded = loaded.family.encoded_tokens(loaded.model.config, inputs) if loaded.shape else None
    return Prompt(inputs, visual, places, len(clip.frames) if clip else 0, pictures, encoded)


def _places(
    loaded: LoadedModel, frames: Sequence[Frame], tokens: int, seconds: tuple[float, ...]
) -> tuple[FrameSpan, ...]:
    """One span for each frame; one for all tokens where the frames do not account for them."""
    pictures = loaded.processor.image_processor
    if sum(frame.tokens for frame in frames) != tokens:
        return (FrameSpan(_seen(pictures, frames[0].pixels), (1, tokens), seconds=seconds),)
    span = -(-len(seconds) // len(frames))  # models may take several frames together
    return tuple(
        FrameSpan(
            _seen(pictures, frame.pixels),
            frame.grid,
            frame.lead,
            seconds[span * index : span * (index + 1)],
            frame.row_end,
        )
        for index, frame in enumerate(frames)
    )


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
