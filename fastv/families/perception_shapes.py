"""Perception LM's tiles, its Perception Encoder by the name that timm gives it, and the projector that pools last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import floor
from typing import Any

from fastv.errors import UnsupportedModelError
from fastv.families.config_fields import as_dict, size
from fastv.families.shapes import ProjectorShape
from fastv.families.tiled_shapes import TiledVisionShape, area

#: Tiles of a picture at most, by the checkpoints' own processors.
MOST_TILES = 36
#: Towers by timm's name, without their last layers where a checkpoint leaves those out.
ENCODERS: dict[str, dict[str, Any]] = {
    "vit_pe_core_large_patch14_336": {"embed_dim": 1024, "depth": 24, "mlp_ratio": 4.0, "img_size": 336},
    "vit_pe_core_gigantic_patch14_448": {
        "embed_dim": 1536,
        "depth": 50,
        "mlp_ratio": 8960 / 1536,
        "img_size": 448,
        "class_token": False,
    },
}


@dataclass(frozen=True)
class PerceptionVisionShape(TiledVisionShape):
    """Tiles after an overview of one tile."""

    most_tiles: int = MOST_TILES

    def tiles(self, height: int, width: int) -> int:
        return area(tile_grid(height, width, self.side, self.most_tiles)) + 1


@dataclass(frozen=True)
class PooledLastProjectorShape(ProjectorShape):
    """Two linear layers that run on each patch, of which every ``pool`` become a visual token afterwards."""

    pool: int = 1

    def flops(self, width: int, tokens: int) -> float:
        return super().flops(width, tokens * self.pool)


def encoder_settings(tower: Any) -> dict[str, Any]:
    """A tower's sizes in timm's words, those of its architecture and what the checkpoint has otherwise.

    Parameters
    ----------
    tower
        Its config, or that as a dict.

    Raises
    ------
    UnsupportedModelError
        For an architecture that is not known, or one that pools its patches.
    """
    tower = as_dict(tower, "vision_config")
    name = tower.get("architecture")
    if tower.get("model_type", "timm_wrapper") != "timm_wrapper" or name not in ENCODERS:
        raise UnsupportedModelError(
            f"The cost of a vision tower with architecture {name!r} is not known; known: {', '.join(ENCODERS)}."
        )
    settings = {**ENCODERS[name], **as_dict(tower.get("model_args") or {}, "model_args")}
    if settings.get("global_pool", "map"):
        raise UnsupportedModelError("The cost of a vision tower that pools its patches (global_pool) is not known.")
    return settings


def perception_tower(tower: Mapping[str, Any], pooling: int) -> PerceptionVisionShape:
    """The tower's sizes; ``pooling`` x ``pooling`` patches become a visual token."""
    settings = encoder_settings(tower)
    width, patch, side = size(settings, "embed_dim"), size(settings, "patch_size", 14), image_side(settings)
    return PerceptionVisionShape(
        width=width,
        ffn_width=int(width * float(settings["mlp_ratio"])),
        layers=size(settings, "depth"),
        patches=(side // patch) ** 2,
        patch_size=patch,
        channels=size(settings, "in_chans", 3),
        tile_tokens=(side // patch // pooling) ** 2,
        class_tokens=int(settings.get("class_token", True)),
        outer_norms=1 + bool(settings.get("use_post_transformer_norm", True)),
        layer_scales=2 if settings.get("init_values") else 0,
        patch_bias=False,
        heads=size(settings, "num_heads", 16),
    )


def image_side(settings: Mapping[str, Any]) -> int:
    """Pixels of a side of the square pictures that a tower reads."""
    found = settings["img_size"]
    return size({"img_size": found[0] if isinstance(found, list | tuple) else found}, "img_size")


def tile_grid(height: int, width: int, side: int, most: int) -> tuple[int, int]:
    """Rows and columns of tiles of ``side`` pixels, at most ``most``, that a picture is scaled to.

    Of the grids that it fits into, the one where its shorter side gets longest, as the last of several in the order of
    ``_grids``; where it is larger than all of them, the largest of those with the next proportions towards a square.
    """
    best, longest = None, -1.0
    for rows, columns in (grid for grids in _grids(most).values() for grid in grids):
        if rows * side < height or columns * side < width:
            continue
        shorter = _shorter_side(height, width, rows * side, columns * side)
        if shorter >= longest:
            best, longest = (rows, columns), shorter
    if best:
        return best
    proportions = width / height
    if proportions >= 1:
        nearest = min((one for one in _grids(most) if one <= proportions), key=lambda one: abs(one - proportions))
        return max(_grids(most)[nearest], key=lambda grid: grid[1])
    nearest = min((one for one in _grids(most) if one > proportions), key=lambda one: abs(1 / one - 1 / proportions))
    return max(_grids(most)[nearest], key=lambda grid: grid[0])


def _shorter_side(height: int, width: int, rows: int, columns: int) -> float:
    """Of a picture scaled into so many pixels, with the original's roundings, which decide between equal grids."""
    scale, factor = width / height, min(columns / width, rows / height)
    if scale > 1:
        return floor(factor * width / scale)
    return floor(factor * height * scale) if scale < 1 else factor * height


@lru_cache
def _grids(most: int) -> dict[float, list[tuple[int, int]]]:
    """Columns / rows -> the grids of at most so many tiles with these proportions, in the order they are tried in."""
    found: dict[float, list[tuple[int, int]]] = {}
    for count in range(most, 0, -1):
        for columns in range(1, count + 1):
            if count % columns == 0:
                found.setdefault(columns / (count // columns), []).append((count // columns, columns))
    return found
