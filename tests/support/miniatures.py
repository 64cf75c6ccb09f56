"""mini-13 as it is before any training: the real shape, on mini-7's vision tower, with answers that mean nothing."""

from __future__ import annotations

from pathlib import Path

from fastv.families.catalogue import CATALOGUE, ModelEntry
from fastv.loading.load import load
from fastv.miniature.model.architecture import DECODERS, llava_config, tower_config
from fastv.miniature.model.checkpoint import save
from fastv.miniature.training.decoder_stage import new_model


def mini_13(folder: Path) -> ModelEntry:
    """The entry of a mini-13 in ``folder``, of which only the config is there."""
    config = llava_config(DECODERS["mini-13"], tower_config(), vocabulary=1024, image_token=3, bos=1, eos=2, pad=0)
    config.save_pretrained(folder / "mini-13")
    return ModelEntry("mini-13", "mini-13", str(folder / "mini-13"), "The larger twin.", embedded=True)


def untrained_mini_13(folder: Path) -> ModelEntry:
    """The same with weights and processor: it can be loaded and run."""
    small = load("mini-7")
    model = new_model("mini-13", small.model.model.vision_tower, small.processor.tokenizer)
    entry = mini_13(folder)
    save(model, small.processor, folder / "mini-13")
    return entry


def catalogue_with(entry: ModelEntry) -> tuple[ModelEntry, ...]:
    """The catalogue, with the entry where it belongs."""
    others = [other for other in CATALOGUE if other.key != entry.key]
    return (others[0], entry, *others[1:])
