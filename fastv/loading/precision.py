"""In which precision weights are held and on which devices they lie: the arguments of ``from_pretrained`` for it."""

from __future__ import annotations

import gc
import logging
import re
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from transformers import BitsAndBytesConfig, PreTrainedConfig, PreTrainedModel

from fastv.errors import ModelLoadError
from fastv.loading.machine_memory import RAM, MachineMemory
from fastv.loading.memory_fit import QUANTIZED, SPREAD_SPARE_BYTES, Placement

_PACKED_ROWS, _PACKED_COLUMNS = 32, 64  # bitsandbytes' fast 4-bit layout for CPUs takes multiples of these
# Said at every multiplication of a bfloat16 model in 8-bit, thousands of times an answer.
logging.getLogger("bitsandbytes.autograd._functions").addFilter(
    lambda record: not record.getMessage().startswith("MatMul8bitLt: inputs will be cast")
)


def own_dtype(config: PreTrainedConfig) -> str:
    """The 16-bit type a checkpoint is meant for: bfloat16 when it says so and the GPU computes in it."""
    meant = str(getattr(config, "dtype", None)).removeprefix("torch.")
    if meant == "bfloat16" and not (torch.cuda.is_available() and not torch.cuda.is_bf16_supported(False)):
        return "bfloat16"
    return "float16"


def quantized_dtype(config: PreTrainedConfig, name: str) -> str | None:
    """The precision a checkpoint's weights are quantized to already, "8bit" or "4bit"; None where they are not.

    Raises
    ------
    ModelLoadError
        For those quantized in another way than by bitsandbytes.
    """
    settings = getattr(config, "quantization_config", None)
    if settings is None:
        return None
    settings = settings if isinstance(settings, dict) else settings.to_dict()
    method = str(getattr(settings.get("quant_method"), "value", settings.get("quant_method")))
    if method != "bitsandbytes":
        raise ModelLoadError(
            f"The weights of {name} are quantized by “{method}”, which is not supported: choose a checkpoint "
            "of 16 bits, with the dtype 4bit if memory is short."
        )
    return "4bit" if settings.get("load_in_4bit") else "8bit"


def check_device(device: str) -> None:
    """Raises ModelLoadError for a device that is none, or not here."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise ModelLoadError(f"There is no device “{device}”: choose auto, cpu or cuda.")
    if device.startswith("cuda") and (torch.device(device).index or 0) >= torch.cuda.device_count():
        raise ModelLoadError(f"There is no GPU “{device}” that torch can use here: choose the device cpu or auto.")


def from_pretrained_arguments(
    dtype: str,
    placement: Placement,
    memory: MachineMemory,
    own_dtype: str,
    unquantized: Sequence[str],
    is_quantized: bool = False,
) -> dict[str, Any]:
    """The keywords of ``from_pretrained`` for precision and devices.

    Parameters
    ----------
    dtype
        How the weights are held, one of ``costs.memory.DTYPES``.
    placement
        Where they go.
    memory
        What is free now: several devices are filled up to that.
    own_dtype
        The 16-bit type for what quantization leaves alone, the modules ``unquantized``.
    is_quantized
        Whether the weights are in ``dtype`` already, as the checkpoint's own config says.
    """
    devices: dict[str, Any] = {}
    if placement.is_spread:
        most: dict[int | str, int] = {
            number: max(memory.gpus[number].free_bytes - SPREAD_SPARE_BYTES, 0) for number in placement.gpus
        }
        most["cpu"] = memory.free_ram_bytes if placement.offload else 0
        devices = {"device_map": "auto", "max_memory": most}
    elif placement.gpus:
        devices = {"device_map": {"": torch.device("cuda", placement.gpus[0])}}
    elif dtype in QUANTIZED:
        devices = {"device_map": {"": torch.device("cpu")}}
    if dtype not in QUANTIZED:
        return {"dtype": getattr(torch, dtype), **devices}
    kept = getattr(torch, own_dtype)
    if is_quantized:
        return {"dtype": kept, **devices}
    quantization = BitsAndBytesConfig(
        load_in_8bit=dtype == "8bit",
        load_in_4bit=dtype == "4bit",
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=kept,
        llm_int8_skip_modules=list(unquantized),
    )
    return {"dtype": kept, "quantization_config": quantization, **devices}


def use_plain_kernels(model: PreTrainedModel) -> None:
    """Keeps 4-bit layers whose sizes the fast kernel for CPUs cannot take off it: it would fail in the first call."""
    layers: Iterable[Any] = model.modules()
    for module in layers:
        if getattr(module, "support_avx512bf16_for_cpu", False) and (
            module.out_features % _PACKED_ROWS or module.in_features % _PACKED_COLUMNS
        ):
            module.support_avx512bf16_for_cpu = False


def input_device(model: PreTrainedModel) -> torch.device:
    """Where a model wants its inputs: its embeddings' device, also when they wait elsewhere until they are used."""
    embeddings: Any = model.get_input_embeddings()
    device = getattr(getattr(embeddings, "_hf_hook", None), "execution_device", None)
    if device is None:
        return embeddings.weight.device
    return torch.device("cuda", device) if isinstance(device, int) else torch.device(device)


def held_bytes(model: PreTrainedModel) -> dict[int | str, int]:
    """Bytes of a model's weights by place, which is RAM or a GPU's number."""
    held: dict[int | str, int] = {}
    for weight in {weight.data_ptr() or id(weight): weight for weight in model.parameters()}.values():
        where = (weight.device.index or 0) if weight.device.type == "cuda" else RAM
        held[where] = held.get(where, 0) + weight.nbytes
    return held


def free_memory(device: torch.device) -> None:
    """Gives back what no longer has an owner."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
