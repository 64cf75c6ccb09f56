"""What an example scene shows, by visual token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastv.miniature.world.scenes import scene

if TYPE_CHECKING:
    from fastv.presentation.attention_payload import KnownThings


def things_of(seed: int | None, visual_tokens: int) -> KnownThings | None:
    """The things of the scene of a seed; None for another picture, or for a model with another grid of patches."""
    if seed is None:
        return None
    from fastv.presentation.attention_payload import KnownThings  # imports torch: the page is up sooner

    made = scene(seed, held_out=True)
    if made.owners.size != visual_tokens:
        return None
    names = tuple(f"{thing.name} {thing.number}" if thing.number else thing.name for thing in made.things)
    return KnownThings(names, made.owners.reshape(-1))
