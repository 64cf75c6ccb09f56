"""Reading pictures at a lower resolution by towers that get each as rows of patches, padded to one number of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fastv.families.reduced_pictures import Read, Size, Sizes, expanded, named, resized, wrapped
from fastv.families.visual_groups import VisualGroup

if TYPE_CHECKING:
    from torch import Tensor, nn


def picture_of(patches: Tensor, high: int, wide: int, side: int) -> Tensor:
    """The picture (3, height, width) that rows of patches (high * wide or more, side * side * 3) show."""
    cells = patches[: high * wide].view(high, wide, side, side, 3)
    return cells.permute(4, 0, 2, 1, 3).reshape(3, high * side, wide * side)


def padded_rows(pictures: Sequence[Tensor], side: int) -> tuple[Tensor, Tensor]:
    """Patches (pictures, most, side * side * 3), zero behind a picture's own, and the column and row of each, there -1:
    long (pictures, most, 2).
    """
    import torch
    from torch.nn.utils.rnn import pad_sequence

    rows, places = [], []
    for picture in pictures:
        high, wide = picture.shape[1] // side, picture.shape[2] // side
        cells = picture.view(3, high, side, wide, side).permute(1, 3, 2, 4, 0)
        rows.append(cells.reshape(high * wide, -1))
        down, across = torch.meshgrid(torch.arange(high), torch.arange(wide), indexing="ij")
        places.append(torch.stack([across, down], dim=-1).view(-1, 2))
    return pad_sequence(rows, batch_first=True), pad_sequence(places, batch_first=True, padding_value=-1)


@contextmanager
def rows_reduced(
    base: nn.Module, side: int, pooled: int, token: int, grids_of: Any, names: tuple[str, str], sizes: Sizes
) -> Iterator[None]:
    """While open, ``base.get_image_features`` reads its pictures at other sizes.

    Parameters
    ----------
    side, pooled : int
        Pixels of a patch's side, and patches along a visual token's.
    token : int
        What stands for pictures in ``input_ids``.
    grids_of : callable
        Rows and columns of each picture's visual tokens, from the places of its patches.
    names : tuple of str
        What the method calls patches and places.
    sizes : callable
        See ``Sizes``.
    """

    def reduced(read: Read, *args: Any, **kwargs: Any) -> Any:
        given = named(read, args, kwargs)
        patches, places = (given.get(name) for name in names)
        if patches is None or places is None:
            return read(*args, **kwargs)
        groups = [VisualGroup(1, *grid) for grid in grids_of(places)]
        wanted = sizes(token, groups)
        if wanted is None:
            return read(*args, **kwargs)
        small = [_small(rows, group, size, side, pooled) for rows, group, size in zip(patches, groups, wanted)]
        made, where = padded_rows(small, side)
        output = read(**{**given, names[0]: made, names[1]: where.to(places.device)})
        output.pooler_output = [
            expanded(each, group, size) for each, group, size in zip(output.pooler_output, groups, wanted)
        ]
        return output

    with wrapped(base, "get_image_features", reduced):
        yield


def _small(patches: Tensor, group: VisualGroup, size: Size, side: int, pooled: int) -> Tensor:
    picture = picture_of(patches, group.rows * pooled, group.columns * pooled, side)
    if size == (group.rows, group.columns):
        return picture
    return resized(picture, (size[0] * pooled * side, size[1] * pooled * side))
