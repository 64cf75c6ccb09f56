"""How many weights a checkpoint has, by its config alone: for models whose sizes no family's reader knows."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AutoModelForImageTextToText, PreTrainedConfig

from fastv.costs.memory import WeightCount
from fastv.families.base import Family


def count_weights(config: PreTrainedConfig, family: Family) -> WeightCount | None:
    """Lays the model out without memory for its weights, and counts them; None where its class cannot do that."""
    try:
        with torch.device("meta"):
            model: Any = AutoModelForImageTextToText.from_config(config, trust_remote_code=False)
        layers: Any = family.decoder(model).layers
    except Exception:  # models run code of their own when they are made, which may need real memory
        return None
    everything = sum(weight.numel() for weight in model.parameters())
    linear = sum(module.weight.numel() for module in layers.modules() if isinstance(module, nn.Linear))
    return WeightCount(linear, everything - linear)
