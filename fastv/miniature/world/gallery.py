"""The scenes that the page shows as examples, by seed; their layouts were held out of the miniatures' training."""

from __future__ import annotations

from functools import cache

from fastv.miniature.world.scenes import Scene, scene

GALLERY_SEEDS = (61, 15, 56, 35, 7, 41)


@cache
def gallery_scene(seed: int) -> Scene:
    """A scene as the page draws it, drawn once."""
    return scene(seed, held_out=True)
