"""All generated blocks of the documentation: name -> the function that writes it from the project's own data."""

from __future__ import annotations

from collections.abc import Callable

from scripts import (
    exhibit_blocks,
    gpu_blocks,
    leaderboard_blocks,
    lmms_eval_blocks,
    method_grid_blocks,
    method_share_blocks,
    miniature_blocks,
    model_type_blocks,
    registry_blocks,
    service_blocks,
    speed_blocks,
    sweep_blocks,
)

BLOCKS: dict[str, Callable[[], str]] = {
    **exhibit_blocks.BLOCKS,
    **gpu_blocks.BLOCKS,
    **leaderboard_blocks.BLOCKS,
    "measured-methods": method_grid_blocks.measured_methods,
    **lmms_eval_blocks.BLOCKS,
    **method_share_blocks.BLOCKS,
    **model_type_blocks.BLOCKS,
    **registry_blocks.BLOCKS,
    **miniature_blocks.BLOCKS,
    **speed_blocks.BLOCKS,
    **service_blocks.BLOCKS,
    **sweep_blocks.BLOCKS,
}
