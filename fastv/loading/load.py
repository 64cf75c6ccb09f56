"""From a name to a model that is ready to run: one function for the embedded models, folders and the hub."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoConfig, AutoModelForImageTextToText, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as IMAGE_TEXT_TYPES

from fastv.costs.memory import DTYPES as _DTYPES
from fastv.errors import ModelLoadError, UnsupportedModelError
from fastv.families.base import Family, Processor
from fastv.families.catalogue import ModelEntry, find
from fastv.families.config_reader import read_shape
from fastv.families.registry import family_for, family_of, model_types
from fastv.families.shapes import ModelShape
from fastv.loading.error_messages import first_line, is_out_of_memory, load_error_message
from fastv.loading.hub import fetch_config, fetch_files
from fastv.loading.machine_memory import MachineMemory
from fastv.loading.memory_fit import QUANTIZED, HeldBytes, plan_load
from fastv.loading.packages import check_family_packages, check_packages
from fastv.loading.precision import (
    check_device,
    free_memory,
    from_pretrained_arguments,
    input_device,
    own_dtype,
    quantized_dtype,
    use_plain_kernels,
)
from fastv.loading.progress import LoadObserver, LoadProgress
from fastv.loading.weight_count import count_weights
from fastv.worker import Stopped

__all__ = ["DTYPES", "LoadProgress", "LoadedModel", "free_memory", "is_out_of_memory", "load"]

logger = logging.getLogger(__name__)

DTYPES = ("auto", *_DTYPES)
_ONE_AT_A_TIME = threading.Lock()  # two loads at once would both count on the same free memory


@dataclass(frozen=True)
class LoadedModel:
    """A model in eval mode with all that is needed to ask it something.

    Parameters
    ----------
    entry
        What it is in the catalogue.
    model, processor, family
        The model, what prepares its inputs, and what its family does differently.
    device
        Where its inputs go.
    dtype
        How it was loaded, one of DTYPES but never "auto".
    lock
        Held while the model runs.
    """

    entry: ModelEntry
    model: PreTrainedModel
    processor: Processor
    family: Family
    device: torch.device
    dtype: str
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @cached_property  # reading it takes milliseconds, and every answer is costed
    def shape(self) -> ModelShape | None:
        """The sizes that its costs are computed from; None where its tower or decoder is of a kind not known."""
        return _shape(self.model.config)


def load(
    name: str | PathLike[str],
    dtype: str = "auto",
    device: str | torch.device = "auto",
    *,
    report: Callable[[LoadProgress], None] | None = None,
    stopped: Callable[[], bool] | None = None,
    held: HeldBytes | None = None,
    evict: Callable[[tuple[str, ...]], None] | None = None,
) -> LoadedModel:
    """Load a model by catalogue key, folder or hub id, fetching what is not on this machine yet.

    Parameters
    ----------
    name
        A key of the catalogue, a folder, or a hub id, "owner/name" or "owner/name@revision".
    dtype
        One of DTYPES; "auto" is the checkpoint's own 16-bit type on a GPU, and on a CPU float32, or bfloat16 where only
        that fits. "8bit" and "4bit" (NF4) quantize the decoder's layers and need the packages bitsandbytes and
        accelerate.
    device
        "auto" (a CUDA GPU if there is one, several or GPU and RAM together when one is too small), "cpu", "cuda",
        "cuda:1", ...
    report
        Told how far it is, from any thread, in place of progress bars on stderr.
    stopped
        Asked all along whether to end; what has arrived stays on the disk.
    held
        What other models in memory hold, by name; those are dropped where this one needs their memory.
    evict
        Called with the names of those that have to go, once all files are there and before weights are read.

    Returns
    -------
    LoadedModel

    Raises
    ------
    ModelLoadError
        With what to do about it. Nothing half-loaded is left in memory then.
    Stopped
        When ``stopped`` said so.
    """
    entry = find(name)
    if dtype not in DTYPES:
        raise ModelLoadError(f"There is no dtype “{dtype}”: choose one of {', '.join(DTYPES)}.")
    check_device(device := str(device))
    observer = LoadObserver(report, stopped)
    problem: Exception
    try:
        with _turn(observer):
            return _Load(entry, dtype, device, observer, held or {}, evict).run()
    except ModelLoadError as error:
        problem = ModelLoadError(str(error))
    except Exception as error:  # whatever the libraries raise, a person needs a sentence
        logger.debug("loading %s failed", entry.source, exc_info=True)
        if isinstance(error, Stopped) or (stopped and stopped()):  # a transfer cut off fails in its own way
            problem = Stopped(f"Loading {entry.name} was stopped. Files downloaded so far are kept.")
        else:
            problem = ModelLoadError(load_error_message(error, entry, dtype))
    # Outside the handlers: an error that is still held keeps its frames, and in them the weights loaded so far.
    free_memory(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    raise problem


@contextmanager
def _turn(observer: LoadObserver) -> Iterator[None]:
    """Waits for other loads to end. Raises Stopped."""
    while not _ONE_AT_A_TIME.acquire(timeout=0.1):
        observer.check_stopped()
    try:
        yield
    finally:
        _ONE_AT_A_TIME.release()


@dataclass(frozen=True)
class _Load:
    """One call of ``load``: what was asked for."""

    entry: ModelEntry
    dtype: str
    device: str
    observer: LoadObserver
    held: HeldBytes
    evict: Callable[[tuple[str, ...]], None] | None

    def run(self) -> LoadedModel:
        config, family = self._config(fetch_config(self.entry))
        own, quantized = own_dtype(config), quantized_dtype(config, self.entry.name)
        if quantized and self.dtype not in ("auto", quantized):
            raise ModelLoadError(f"The weights of {self.entry.name} are in {quantized} already: choose the dtype auto.")
        shape = _shape(config)
        plan = plan_load(
            self.entry,
            quantized or self.dtype,
            MachineMemory.here(),
            device=self.device,
            shape=shape,
            weights=count_weights(config, family) if shape is None else None,
            own_dtype=own,
            held=self.held,
        )
        check_packages(self.entry.name, plan)
        folder = fetch_files(self.entry, self.observer)
        processor = self._processor(folder, config, family)
        self._check_inputs(processor, config, family)
        if plan.evict and self.evict:
            self.evict(plan.evict)
        arguments = from_pretrained_arguments(
            plan.dtype, plan.placement, MachineMemory.here(), own, family.unquantized, bool(quantized)
        )
        with self.observer.reading_weights():
            loaded: Any = AutoModelForImageTextToText.from_pretrained(
                folder,
                config=config,
                attn_implementation=family.kernels,
                use_safetensors=True,
                output_loading_info=True,
                trust_remote_code=False,
                **arguments,
            )
        model, found = loaded
        if found["missing_keys"]:
            names = sorted(found["missing_keys"])
            raise ModelLoadError(
                f"The checkpoint of {self.entry.name} lacks {len(names)} weights, such as {names[0]}: fetch it again."
            )
        model.eval()
        device = input_device(model)
        if plan.dtype in QUANTIZED:
            use_plain_kernels(model)
            # What this processor or these sizes cannot do shows in the first call alone.
            with torch.inference_mode():
                model(input_ids=torch.zeros(1, 1, dtype=torch.long, device=device))
        return LoadedModel(self.entry, model, processor, family_of(model), device, plan.dtype)

    def _config(self, folder: Path) -> tuple[PreTrainedConfig, Family]:
        settings, _ = PreTrainedConfig.get_config_dict(folder)
        family = family_for(model_type := settings.get("model_type"))
        if family is None and model_type not in IMAGE_TEXT_TYPES:
            raise ModelLoadError(
                f"{self.entry.name} is a model of type “{model_type}”, which is not supported: choose "
                f"one of type {model_types()}, or another that answers questions about images."
            )
        check_family_packages(self.entry.name, family)
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        return config, family or self._family_by_looking(config)

    def _family_by_looking(self, config: PreTrainedConfig) -> Family:
        """Of a model without weights, so that one that cannot be pruned is refused before they are fetched."""
        try:
            with torch.device("meta"):
                return family_of(AutoModelForImageTextToText.from_config(config))
        except UnsupportedModelError as error:
            raise ModelLoadError(f"{self.entry.name} is not supported. {error}") from error

    def _processor(self, folder: Path, config: PreTrainedConfig, family: Family) -> Processor:
        advice = (
            f"The processor of {self.entry.name} cannot be loaded: the model folder needs its tokenizer and "
            "processor files too."
        )
        try:
            processor = family.read_processor(folder, config)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelLoadError(f"{advice} ({first_line(error).replace(str(folder), self.entry.name)})") from error
        if getattr(processor, "image_processor", None) is None or getattr(processor, "tokenizer", None) is None:
            raise ModelLoadError(advice)
        return processor

    def _check_inputs(self, processor: Processor, config: PreTrainedConfig, family: Family) -> None:
        """Prepares one small picture and a question: what does not work then never will."""
        problem, text = "has no image placeholder", ""
        try:
            text = family.prompt(processor, "What is it?")
        except Exception as error:  # templates are programs of the checkpoint's own
            problem = f"cannot be used ({first_line(error)})"
        if (token := getattr(processor, "image_token", None)) and token not in text:
            raise ModelLoadError(
                f"The chat template of {self.entry.name} {problem}: the model folder needs the "
                "chat_template.jinja of a checkpoint for transformers."
            )
        try:
            inputs = processor(images=Image.new("RGB", (64, 48)), text=text, return_tensors="pt")
            unfit = family.input_problem(config, inputs)
        except Exception as error:  # settings that are missing or do not fit each other fail in many ways
            unfit = f"cannot prepare an image ({first_line(error)})"
        if unfit:
            raise ModelLoadError(
                f"The processor of {self.entry.name} {unfit}: the model folder needs the processor files of the "
                "same checkpoint."
            )


def _shape(config: PreTrainedConfig) -> ModelShape | None:
    """The sizes, where costs can be computed for this kind of model."""
    try:
        return read_shape(config)
    except UnsupportedModelError:
        return None
