"""The sizes a config describes, whatever family it is of; the arithmetic of costs never looks at a config itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastv.families.config_fields import as_dict, reader_for
from fastv.families.decoders import DECODERS, DecoderReader
from fastv.families.registry import FAMILIES
from fastv.families.shapes import ModelShape


def read_shape(config: Any) -> ModelShape:
    """The sizes a config describes.

    Parameters
    ----------
    config
        A transformers config of a family's model or of a text part, the same as a dict, the short dict of a hub
        checkpoint, which lists only what differs from the defaults of its config class, or a ``ModelShape``, which is
        returned as it is.

    Raises
    ------
    UnsupportedModelError
        For a model type, or a kind of object, whose layers are not known here.
    """
    if isinstance(config, ModelShape):
        return config
    settings = as_dict(config, "the config")
    model_type = settings.get("model_type") or ("llava" if "text_config" in settings else None)
    if model_type is None and "hidden_size" in settings:
        model_type = "llama"
    readers: dict[str, Callable[[Mapping[str, Any]], ModelShape]] = {
        name: family.read_config for family in FAMILIES for name in family.model_types
    }
    decoders = DECODERS | {name: reader for family in FAMILIES for name, reader in family.decoder_types.items()}
    readers |= {name: _alone(reader) for name, reader in decoders.items()}
    return reader_for(readers, model_type, "model")(settings)


def _alone(reader: DecoderReader) -> Callable[[Mapping[str, Any]], ModelShape]:
    return lambda settings: ModelShape(reader(settings))
