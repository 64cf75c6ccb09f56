"""From a name to a model that is ready to run: one function for the embedded models, folders and the hub."""

from __future__ import annotations

import gc
import logging
import re
import threading
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psutil
import torch
from transformers import (AutoConfig, AutoModelForImageTextToText, BitsAndBytesConfig, PreTrainedConfig,
                          PreTrainedModel, ProcessorMixin)

from fastv.errors import ModelLoadError
from fastv.footprint import parameter_bytes
from fastv.models.catalogue import ModelEntry, find
from fastv.models.families import FAMILIES, Family, family_for, family_of
from fastv.models.processors import read_processor
from fastv.shapes import read_shape

logger = logging.getLogger(__name__)

DTYPES = ("auto", "float32", "bfloat16", "float16", "8bit", "4bit")


@dataclass(frozen=True)
class LoadedModel:
    """A model in eval mode with all that is needed to ask it something.

    dtype: how it was loaded, one of DTYPES but never "auto". lock: held by whoever runs the model.
    """

    entry: ModelEntry
    model: PreTrainedModel
    processor: ProcessorMixin
    family: Family
    device: torch.device
    dtype: str
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)


def load(name: str, dtype: str = "auto", device: str = "auto") -> LoadedModel:
    """Load a model by catalogue key, folder or hub id.

    dtype: one of DTYPES; "auto" is float32 on a CPU and float16 on a GPU. "8bit" and "4bit" (NF4) quantize the
    decoder and need the packages bitsandbytes and accelerate. device: "auto" (a CUDA GPU if there is one), "cpu",
    "cuda", "cuda:1", ... Raises ModelLoadError, with what to do about it; nothing half-loaded is left in memory then.
    """
    entry = find(name)
    if dtype not in DTYPES:
        raise ModelLoadError(f"There is no dtype “{dtype}”: choose one of {', '.join(DTYPES)}.")
    place = _device(device)
    if dtype == "auto":
        dtype = "float16" if place.type == "cuda" else "float32"
    try:
        return _load(entry, dtype, place)
    except ModelLoadError as error:
        problem = str(error)
    except Exception as error:  # whatever the libraries raise, a person needs a sentence
        logger.debug("loading %s failed", entry.source, exc_info=True)
        problem = _explanation(error, entry, dtype)
    # Outside the handlers: an error that is still held keeps its frames, and in them the weights loaded so far.
    free_memory(place)
    raise ModelLoadError(problem)


def _device(device: str) -> torch.device:
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise ModelLoadError(f"There is no device “{device}”: choose auto, cpu or cuda.")
    place = torch.device(device)
    if place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count():
        raise ModelLoadError(f"There is no GPU “{device}” that torch can use here: choose the device cpu or auto.")
    return place


def _load(entry: ModelEntry, dtype: str, device: torch.device) -> LoadedModel:
    if entry.embedded and not Path(entry.source).is_dir():
        raise ModelLoadError(f"The embedded model {entry.name} is missing from this copy of the project: fetch the "
                             f"files under assets/models/{entry.key} again, or choose another model.")
    if Path(entry.source).is_dir() and not Path(entry.source, "config.json").is_file():
        raise ModelLoadError(f"The folder {entry.source} holds no model: it has no config.json.")
    config = AutoConfig.from_pretrained(entry.source, trust_remote_code=False)
    family = family_for(config.model_type)
    if family is None:
        known = [kind for one in FAMILIES for kind in one.model_types]
        raise ModelLoadError(f"{entry.name} is a model of type “{config.model_type}”, which FastV does not know: "
                             f"choose one of type {', '.join(known)}.")
    _check_room(entry, config, dtype, device)
    processor = _processor(entry, config.model_type)
    model, found = AutoModelForImageTextToText.from_pretrained(
        entry.source, config=config, attn_implementation="sdpa", use_safetensors=True, output_loading_info=True,
        trust_remote_code=False, **_precision(dtype, device, family.unquantized))
    if found["missing_keys"]:
        names = sorted(found["missing_keys"])
        raise ModelLoadError(f"The checkpoint of {entry.name} lacks {len(names)} weights, {names[0]} for one: fetch it "
                             "again.")
    model.eval()
    if dtype in ("8bit", "4bit"):
        # What this processor or these sizes cannot do shows in the first call alone.
        with torch.inference_mode():
            model(input_ids=torch.zeros(1, 1, dtype=torch.long, device=device))
    return LoadedModel(entry, model, processor, family_of(model), device, dtype)


def _check_room(entry: ModelEntry, config: PreTrainedConfig, dtype: str, device: torch.device) -> None:
    """Refuses a model whose weights alone are more than is free: some systems would end the whole program instead."""
    needed = parameter_bytes(read_shape(config), dtype)
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    if needed > free:
        raise ModelLoadError(f"{entry.name} in {dtype} needs {needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB "
                             f"are free: choose {_smaller(dtype)}.")


def _processor(entry: ModelEntry, model_type: str) -> ProcessorMixin:
    advice = (f"The processor of {entry.name} cannot be loaded: the model folder needs its tokenizer and processor "
              "files too.")
    try:
        processor = read_processor(entry.source, model_type)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelLoadError(f"{advice} ({_first_line(error)})") from error
    if getattr(processor, "image_processor", None) is None or getattr(processor, "tokenizer", None) is None:
        raise ModelLoadError(advice)
    return processor


def _precision(dtype: str, device: torch.device, unquantized: tuple[str, ...]) -> dict:
    """The keywords of ``from_pretrained`` that say in which precision, and where."""
    if dtype not in ("8bit", "4bit"):
        where = {} if device.type == "cpu" else {"device_map": {"": device}}
        return {"dtype": getattr(torch, dtype), **where}
    missing = [package for package in ("bitsandbytes", "accelerate") if find_spec(package) is None]
    if missing:
        raise ModelLoadError(f"{dtype} needs the package {' and '.join(missing)}: install it, or choose the dtype "
                             "auto.")
    quantization = BitsAndBytesConfig(load_in_8bit=dtype == "8bit", load_in_4bit=dtype == "4bit",
                                      bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float16,
                                      llm_int8_skip_modules=list(unquantized))
    return {"dtype": torch.float16, "quantization_config": quantization, "device_map": {"": device}}


def free_memory(device: torch.device) -> None:
    """Gives back what no longer has an owner."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that a device, or the machine, had no memory left."""
    texts = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        isinstance(error, RuntimeError) and any(text in str(error).lower() for text in texts))


def _explanation(error: Exception, entry: ModelEntry, dtype: str) -> str:
    local = Path(entry.source).is_dir()
    if is_out_of_memory(error):
        return f"{entry.name} in {dtype} does not fit in memory: choose {_smaller(dtype)}."
    if type(error).__name__ == "SafetensorError":
        return f"The weights of {entry.name} are damaged or incomplete: fetch them again. ({_first_line(error)})"
    if isinstance(error, OSError) and local:
        return (f"The folder {entry.source} holds no complete model (config.json and safetensors). "
                f"({_first_line(error)})")
    if isinstance(error, OSError):
        return (f"{entry.source} is not on this machine and could not be fetched: check the name and the network, or "
                f"download it first with “hf download {entry.source}”. ({_first_line(error)})")
    if dtype in ("8bit", "4bit"):
        return f"{entry.name} in {dtype} does not work on this machine: choose the dtype auto. ({_first_line(error)})"
    return f"{entry.name} could not be loaded: fetch it again, or choose another model. ({_first_line(error)})"


def _smaller(dtype: str) -> str:
    return "a smaller model" if dtype == "4bit" else "the dtype 4bit, or a smaller model"


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:200] or type(error).__name__
