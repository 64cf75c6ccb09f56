"""In which precision weights are held and on which devices they lie: the keywords of ``from_pretrained`` for it."""

from __future__ import annotations

import gc
import logging
import re
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import torch
from transformers import BitsAndBytesConfig, PreTrainedConfig, PreTrainedModel

from fastv.errors import ModelLoadError
from fastv.families.catalogue import ModelEntry
from fastv.families.shapes import ModelShape
from fastv.loading.machine_memory import RAM, Room
from fastv.loading.memory_fit import SPREAD_SPARE_BYTES, Place, gb, need, place, smaller

QUANTIZED = ("8bit", "4bit")
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


def held_in(config: PreTrainedConfig, name: str) -> str | None:
    """The precision a checkpoint's weights are quantized to already, "8bit" or "4bit"; None where they are not.

    Raises ModelLoadError for those quantized in another way than by bitsandbytes.
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


def check_packages(dtype: str) -> None:
    """Raises ModelLoadError when quantizing to ``dtype`` lacks its packages."""
    missing = [package for package in ("bitsandbytes", "accelerate") if find_spec(package) is None]
    if dtype in QUANTIZED and missing:
        raise ModelLoadError(f"{dtype} needs {' and '.join(missing)}: install that with pip, or choose the dtype auto.")


def placed(entry: ModelEntry, dtype: str, device: str, room: Room, shape: ModelShape | None) -> Place:
    """Where the weights go; "auto" takes the fastest place there is.

    Raises ModelLoadError for what does not fit: some systems would end the whole program instead.
    """
    needed = need(entry, dtype, shape)
    if device == "cpu":
        allowed, asked = Room(room.ram_bytes, room.free_ram_bytes), Place()
    elif device == "auto":
        allowed, asked = room, Place(tuple(range(len(room.gpus)))[:1])
    else:
        number = torch.device(device).index or 0
        allowed, asked = Room(0, 0, room.gpus[number : number + 1]), Place((number,))
    if needed is None:
        return asked
    found = place(needed, allowed, quantized=dtype in QUANTIZED)
    if found is None:
        free = max(allowed.free_ram_bytes, sum(gpu.free_bytes for gpu in allowed.gpus))
        lower = place(need(entry, "4bit", shape), allowed, quantized=True) is not None
        raise ModelLoadError(
            f"{entry.name} in {dtype} needs {gb(needed)} of memory and {gb(free)} are free: choose "
            f"{smaller(dtype, lower)}."
        )
    if (len(found.gpus) > 1 or found.offload) and find_spec("accelerate") is None:
        raise ModelLoadError(
            f"{entry.name} in {dtype} fits no single device, and spreading it needs the package "
            f"accelerate: install it, or choose {smaller(dtype)}."
        )
    return found if device == "auto" else asked


def keywords(
    dtype: str, where: Place, room: Room, own: str, unquantized: Sequence[str], held: bool = False
) -> dict[str, Any]:
    """What ``from_pretrained`` is given. own: the 16-bit type for what quantization leaves alone, the modules
    ``unquantized``. held: whether the weights are in ``dtype`` already, as the checkpoint's own config says.
    """
    if len(where.gpus) > 1 or where.offload:
        memory: dict[int | str, int] = {
            number: max(room.gpus[number].free_bytes - SPREAD_SPARE_BYTES, 0) for number in where.gpus
        }
        devices = {"device_map": "auto", "max_memory": memory | {"cpu": room.free_ram_bytes if where.offload else 0}}
    elif where.gpus:
        devices = {"device_map": {"": torch.device("cuda", where.gpus[0])}}
    else:
        devices = {"device_map": {"": torch.device("cpu")}} if dtype in QUANTIZED else {}
    if dtype not in QUANTIZED:
        return {"dtype": getattr(torch, dtype), **devices}
    kept = getattr(torch, own)
    if held:
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
    for module in model.modules():
        if getattr(module, "support_avx512bf16_for_cpu", False) and (
            module.out_features % _PACKED_ROWS or module.in_features % _PACKED_COLUMNS
        ):
            module.support_avx512bf16_for_cpu = False


def entry_device(model: PreTrainedModel) -> torch.device:
    """Where a model wants its inputs: its embeddings' device, also when they wait elsewhere until they are used."""
    embeddings = model.get_input_embeddings()
    device = getattr(getattr(embeddings, "_hf_hook", None), "execution_device", None)
    if device is None:
        return embeddings.weight.device
    return torch.device("cuda", device) if isinstance(device, int) else torch.device(device)


def held_bytes(model: PreTrainedModel) -> dict[int | str, int]:
    """Bytes of the weights by place, as ``fitting.must_free`` takes them."""
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
