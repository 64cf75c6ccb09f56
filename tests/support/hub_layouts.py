"""Writes a model and its processor as a folder in the layout that hub checkpoints of its kind have.

Those were saved by earlier versions of transformers: other names for the weights, a config with other keys, processor
settings in three files, shards with an index. Loading has to convert all that.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from tests.support.standins import STANDINS


def old_name(name: str, model_type: str) -> str:
    """What a weight is called in a hub checkpoint."""
    for now, then in STANDINS[model_type].hub_names:
        if name.startswith(now):
            return then + name.removeprefix(now)
    return name


def write_as_on_hub(model, processor, folder: Path, *, shards: int = 3, dtype: torch.dtype = torch.float16) -> None:
    """model: of one of the families above. processor: its own, or None to leave its files out. The weights are written
    in ``dtype``, over ``shards`` files.
    """
    folder.mkdir(parents=True)
    kind = model.config.model_type
    weights = {
        old_name(name, kind): weight.detach().to(dtype).contiguous() for name, weight in model.named_parameters()
    }  # tied ones once
    names, where = list(weights), {}
    for number in range(shards):
        file = f"model-{number + 1:05}-of-{shards:05}.safetensors"
        part = names[number * len(names) // shards : (number + 1) * len(names) // shards]
        save_file({name: weights[name] for name in part}, folder / file, metadata={"format": "pt"})
        where |= dict.fromkeys(part, file)
    total = sum(weight.nbytes for weight in weights.values())
    _write(folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": where})
    _write(folder / "config.json", _old_config(model.config, dtype))
    _write(folder / "generation_config.json", {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0})
    if processor is not None:
        _write_processor(processor, folder, kind)


def change_config(folder: Path, **changes) -> None:
    """Changes settings of a LLaVA checkpoint's text part."""
    config = json.loads((folder / "config.json").read_text())
    config["text_config"].update(changes)
    _write(folder / "config.json", config)


def _old_config(config, dtype: torch.dtype) -> dict:
    settings = json.loads(config.to_json_string(use_diff=False))
    if STANDINS[config.model_type].flat_text:
        text = settings.pop("text_config")
        rope = text.pop("rope_parameters")
        text |= {
            "rope_theta": rope["rope_theta"],
            "rope_scaling": {"type": "mrope", "mrope_section": rope["mrope_section"]},
        }
        settings = {name: value for name, value in text.items() if name != "model_type"} | settings
    for part in (settings, settings.get("text_config", {}), settings.get("vision_config", {})):
        part.pop("dtype", None)
        part.pop("transformers_version", None)
        part["torch_dtype"] = str(dtype).removeprefix("torch.")
    if "image_token_id" in settings and config.model_type == "llava":
        settings["image_token_index"] = settings.pop("image_token_id")
    return settings | {
        "architectures": [config.architectures[0] if config.architectures else None],
        "transformers_version": "4.41.0",
    }


def _write_processor(processor, folder: Path, kind: str) -> None:
    """preprocessor_config.json, chat_template.json, the tokenizer's files, and for some processor_config.json."""
    processor.tokenizer.save_pretrained(folder)
    pictures = json.loads(processor.image_processor.to_json_string())
    if STANDINS[kind].flat_text:
        size = pictures.pop("size")
        pictures |= {"min_pixels": size["shortest_edge"], "max_pixels": size["longest_edge"]}
    name = type(processor.image_processor).__name__.removesuffix("Pil").removesuffix("Fast")
    _write(
        folder / "preprocessor_config.json",
        pictures | {"image_processor_type": name, "processor_class": type(processor).__name__},
    )
    own = {
        name: getattr(processor, name)
        for name in ("patch_size", "vision_feature_select_strategy", "num_additional_image_tokens", "image_token")
        if getattr(processor, name, None) is not None
    }
    if not STANDINS[kind].flat_text:
        _write(folder / "processor_config.json", own | {"processor_class": type(processor).__name__})
    _write(folder / "chat_template.json", {"chat_template": processor.chat_template})
    (folder / "chat_template.jinja").unlink(missing_ok=True)


def _write(path: Path, value) -> None:
    path.write_text(json.dumps(value, indent=2))
