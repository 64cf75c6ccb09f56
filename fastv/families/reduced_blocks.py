"""Reading pictures at a lower resolution by towers that take any size, and patches as the rows of one matrix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fastv.families.reduced_pictures import Read, Size, Sizes, expanded, named, resized, wrapped
from fastv.families.visual_groups import VisualGroup

if TYPE_CHECKING:
    from torch import Tensor, nn


def reduced_blocks(patches: Tensor, vision: Any, grid: Sequence[int], size: Size) -> Tensor:
    """The patches of one picture or video of Qwen-VL's kind, put together, resized, and cut again.

    Parameters
    ----------
    patches : Tensor
        floating (moments * rows * columns, channels * frames * side * side), block by block.
    vision : config
        Of the tower: its patch sizes.
    grid : sequence of int
        Moments, rows and columns, in patches.
    size : tuple of int
        Rows and columns to read it at, in visual tokens.

    Returns
    -------
    Tensor
        Alike, with ``size`` times the block's side rows and columns.
    """
    side, block, together = vision.patch_size, vision.spatial_merge_size, vision.temporal_patch_size
    moments, rows, columns = grid
    cells = patches.view(moments, rows // block, columns // block, block, block, -1, together, side, side)
    # moment, frame, channel, then row and column of a pixel, each: block, patch in it, pixel in that
    pictures = cells.permute(0, 6, 5, 1, 3, 7, 2, 4, 8).reshape(moments, together, -1, rows * side, columns * side)
    small = resized(pictures, (size[0] * block * side, size[1] * block * side))
    cells = small.view(moments, together, -1, size[0], block, side, size[1], block, side)
    return cells.permute(0, 3, 6, 4, 7, 2, 1, 5, 8).reshape(moments * size[0] * size[1] * block**2, -1)


def read_blocks(
    read: Read, names: tuple[str, str], vision: Any, sizes: Sequence[Size], arguments: Mapping[str, Any]
) -> Any:
    """What a ``get_image_features`` of Qwen-VL's kind makes of pictures that are read at other sizes.

    Parameters
    ----------
    read : callable
        The method itself.
    names : tuple of str
        What it calls the patches and the grids.
    vision : config
        Of the tower.
    sizes : sequence
        Rows and columns of each picture or video, in visual tokens.
    arguments : mapping
        What it was given.

    Returns
    -------
    ModelOutput
        With features for all places.
    """
    import torch

    patches, grids = (arguments[name] for name in names)
    block = vision.spatial_merge_size
    listed = [tuple(grid) for grid in grids.tolist()]
    parts = patches.split([moments * rows * columns for moments, rows, columns in listed])
    small = [
        part if size == (grid[1] // block, grid[2] // block) else reduced_blocks(part, vision, grid, size)
        for part, grid, size in zip(parts, listed, sizes)
    ]
    grids = grids.new_tensor(
        [[moments, rows * block, columns * block] for (moments, *_), (rows, columns) in zip(listed, sizes)]
    )
    # Tensors that a processor computed for the sizes that it made do not fit these.
    rest = {name: value for name, value in arguments.items() if not isinstance(value, torch.Tensor)}
    output = read(**{**rest, names[0]: torch.cat(small), names[1]: grids})
    groups = [VisualGroup(moments, rows // block, columns // block) for moments, rows, columns in listed]

    def whole(features: Sequence[Tensor]) -> list[Tensor]:
        return [expanded(each, group, size) for each, group, size in zip(features, groups, sizes)]

    output.pooler_output = whole(output.pooler_output)
    if getattr(output, "deepstack_features", None):
        output.deepstack_features = [whole(level) for level in output.deepstack_features]
    return output


@contextmanager
def blocks_reduced(
    base: nn.Module, name: str, names: tuple[str, str], vision: Any, token: int, sizes: Sizes
) -> Iterator[None]:
    """The same for a tower that takes any size, and patches as the rows of one matrix; see ``read_blocks``."""
    block = vision.spatial_merge_size

    def reduced(read: Read, *args: Any, **kwargs: Any) -> Any:
        given = named(read, args, kwargs)
        grids = given.get(names[1])
        if given.get(names[0]) is None or grids is None:
            return read(*args, **kwargs)
        listed = grids.tolist()
        wanted = sizes(
            token, [VisualGroup(frames, rows // block, columns // block) for frames, rows, columns in listed]
        )
        if wanted is None:
            return read(*args, **kwargs)
        return read_blocks(read, names, vision, wanted, given)

    with wrapped(base, name, reduced):
        yield
