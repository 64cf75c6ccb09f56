"""What the page tells of a model, whether or not its weights are in memory. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastv.errors import ModelLoadError
from fastv.families.base import Family
from fastv.families.catalogue import ModelEntry, known_settings, known_shape
from fastv.families.registry import family_for

if TYPE_CHECKING:
    from fastv.loading.load import LoadedModel


@dataclass(frozen=True)
class ModelOutline:
    """A model without its weights.

    Attributes
    ----------
    entry
        What it is in the catalogue.
    family
        What its family does differently.
    config
        A config, or the sizes read from it, that costs can be computed of.
    layers
        Decoder layers.
    ranked_from
        The least K above 0 at which attention can rank: that after the first layer that attends.
    """

    entry: ModelEntry
    family: Family
    config: Any
    layers: int
    ranked_from: int = 1

    @classmethod
    def of_loaded(cls, loaded: LoadedModel) -> ModelOutline:
        layers: Any = loaded.family.decoder(loaded.model).layers
        attends = [loaded.family.attention(layer) is not None for layer in layers]
        return cls(loaded.entry, loaded.family, loaded.model.config, len(layers), attends.index(True) + 1)

    @classmethod
    def of_folder(cls, entry: ModelEntry) -> ModelOutline:
        """From the config in a model's folder. Raises ModelLoadError where it does not tell."""
        shape, family = known_shape(entry), family_for((known_settings(entry) or {}).get("model_type"))
        if shape is None or family is None:
            raise ModelLoadError(f"The config of {entry.name} does not state a supported model type.")
        decoder = shape.decoder
        attending = (layer for layer in range(decoder.layers) if not decoder.layer(layer).recurrent)
        return cls(entry, family, shape, decoder.layers, next(attending, 0) + 1)
