"""Reading pictures at a lower resolution.

The vision tower gets smaller ones, and what it makes of them stands at an even lattice of the places that the prompt
has for them, with zeros between. No torch at import.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import local
from typing import TYPE_CHECKING, Any

from fastv.errors import UnsupportedModelError
from fastv.families.visual_groups import VisualGroup

if TYPE_CHECKING:
    from torch import Tensor, nn

Size = tuple[int, int]

#: From the token that stands for them in input_ids, and the pictures or videos that a tower is about to read, in their
#: order: the rows and columns of visual tokens that each is to be read at. None to read all of them as they are.
Sizes = Callable[[int, Sequence[VisualGroup]], "Sequence[Size] | None"]
Read = Callable[..., Any]
_WITHIN = local()  # whether this thread is in such a method already


def lattice(full: Size, size: Size) -> list[int]:
    """Which cells of a grid of ``full`` rows and columns stand for the cells of a smaller one, row by row.

    Each is the one in which the middle of the smaller grid's cell lies.
    """
    lines = [[int((index + 0.5) * most / count) for index in range(count)] for most, count in zip(full, size)]
    return [row * full[1] + column for row in lines[0] for column in lines[1]]


@contextmanager
def wrapped(base: nn.Module, name: str, wrapper: Callable[..., Any]) -> Iterator[None]:
    """While open, ``base.name(...)`` is ``wrapper(original, ...)``, under the original's signature."""
    original = getattr(base, name)

    @functools.wraps(original)
    def replaced(*args: Any, **kwargs: Any) -> Any:
        if getattr(_WITHIN, "another", False):  # some models read videos by their method for pictures
            return original(*args, **kwargs)
        _WITHIN.another = True
        try:
            return wrapper(original, *args, **kwargs)
        finally:
            _WITHIN.another = False

    own = vars(base).get(name)  # of something else that wrapped it before
    setattr(base, name, replaced)
    try:
        yield
    finally:
        delattr(base, name)
        if own is not None:
            setattr(base, name, own)


def check_interpolates(tower: nn.Module) -> None:
    """Raise UnsupportedModelError for a tower that cannot stretch its position embeddings over a smaller picture."""
    if "interpolate_pos_encoding" not in inspect.signature(tower.forward).parameters:
        raise UnsupportedModelError(
            f"Images cannot be read at a lower resolution: {type(tower).__name__} takes one size alone. Use another "
            "method."
        )


def read_square_pictures(
    read: Read, argument: str, pixels: Tensor, group: VisualGroup, sizes: Sequence[Size], rest: Mapping[str, Any]
) -> Any:
    """What a ``get_image_features`` makes of pictures that are read at other sizes, with features for all their places.

    Parameters
    ----------
    read : callable
        The method itself, whose tower takes ``interpolate_pos_encoding``.
    argument : str
        What it calls the pictures.
    pixels : Tensor
        floating (pictures, 3, height, width), of videos (videos, frames, 3, height, width).
    group : VisualGroup
        Each of them.
    sizes : sequence
        Rows and columns of each.
    rest : mapping
        Its other arguments.

    Returns
    -------
    ModelOutput
        As ``read`` returns it, with ``pooler_output`` for the whole grids; its other entries are those of the first
        size.
    """
    import torch

    full = group.rows, group.columns
    features: dict[int, Tensor] = {}
    output: Any = None
    stacked = True
    for size in dict.fromkeys(sizes):
        numbers = [number for number, each in enumerate(sizes) if each == size]
        chosen = pixels if len(numbers) == len(sizes) else pixels[numbers]
        if size != full:
            cell = pixels.shape[-2] // full[0], pixels.shape[-1] // full[1]
            chosen = resized(chosen, (size[0] * cell[0], size[1] * cell[1]))
            made = read(**{**rest, argument: chosen, "interpolate_pos_encoding": True})
        else:
            made = read(**{**rest, argument: chosen})
        output = made if output is None else output
        stacked = isinstance(made.pooler_output, torch.Tensor)
        each = made.pooler_output if stacked else torch.stack(list(made.pooler_output))
        each = each.unflatten(0, (len(numbers), -1)).flatten(1, 2)  # a video's frames are rows of their own
        features |= dict(zip(numbers, expanded(each, group, size)))
    ordered = [features[number] for number in range(len(sizes))]
    if stacked:  # as it was: a row for each frame
        whole = torch.stack(ordered).flatten(0, 1)
        output.pooler_output = whole.unflatten(0, (len(sizes) * group.frames, -1))
    else:
        output.pooler_output = ordered
    return output


def expanded(features: Tensor, group: VisualGroup, size: Size) -> Tensor:
    """Features of a smaller grid at their places in the whole one, zero between.

    Parameters
    ----------
    features : Tensor
        floating (..., frames * (lead + rows * columns of size), width).
    group : VisualGroup
        The whole grid; frames have ``lead`` tokens before it.
    size : tuple of int
        Rows and columns of the smaller one.
    """
    import torch

    if size == (group.rows, group.columns):
        return features
    each = group.tokens // group.frames
    places = [*range(group.lead), *(group.lead + cell for cell in lattice((group.rows, group.columns), size))]
    index = [frame * each + place for frame in range(group.frames) for place in places]
    whole = features.new_zeros(*features.shape[:-2], group.tokens, features.shape[-1])
    return whole.index_copy(-2, torch.tensor(index, device=features.device), features)


def resized(pixels: Tensor, size: Size) -> Tensor:
    """Pictures (..., channels, height, width) brought to a height and width: bicubic, antialiased, in float32."""
    from torch.nn.functional import interpolate

    flat = pixels.float().flatten(0, -4) if pixels.dim() > 3 else pixels.float()[None]
    small = interpolate(flat, size=size, mode="bicubic", antialias=True, align_corners=False)
    return small.to(pixels.dtype).view(*pixels.shape[:-2], *size)


@contextmanager
def square_pictures_reduced(
    base: nn.Module,
    name: str,
    arguments: Sequence[str],
    tower: nn.Module,
    token: int,
    group_of: Callable[[Tensor], VisualGroup | None],
    sizes: Sizes,
) -> Iterator[None]:
    """While open, ``base``'s method ``name`` reads its pictures, of one size and one tower, at other sizes.

    Parameters
    ----------
    arguments : sequence of str
        What the method may be given the pictures as.
    token : int
        What stands for them in ``input_ids``.
    group_of : callable
        Each picture's visual tokens, from all pictures; None where that is not known.
    sizes : callable
        See ``Sizes``.

    Raises
    ------
    UnsupportedModelError
        For a tower that takes one size alone.
    """
    check_interpolates(tower)

    def reduced(read: Read, *args: Any, **kwargs: Any) -> Any:
        given = named(read, args, kwargs)
        argument = next((each for each in arguments if given.get(each) is not None), None)
        group = None if argument is None else group_of(given[argument])
        wanted = None if group is None or argument is None else sizes(token, [group] * len(given[argument]))
        if argument is None or group is None or wanted is None:
            return read(*args, **kwargs)
        return read_square_pictures(read, argument, given[argument], group, wanted, given)

    with wrapped(base, name, reduced):
        yield


def named(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments by their names."""
    return dict(zip(inspect.signature(function).parameters, args)) | kwargs
