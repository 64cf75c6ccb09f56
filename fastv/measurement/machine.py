"""Where something was measured: processor, threads, versions, and the load from other processes."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from torch import device as Device  # the class has a field of the name torch

from fastv.measurement.system_load import OtherLoad, available_cores


@dataclass(frozen=True)
class Machine:
    """Where something was measured.

    Attributes
    ----------
    device : str
        The GPU's or the processor's name.
    threads : int
        Of torch, within an operation.
    python, torch, transformers : str
        Versions.
    cores, all_cores : float, int or None
        Cores that this process may use, and those there are; None where it was not recorded.
    others_busy_cores : float or None
        Cores that other processes kept busy on average meanwhile; None where it was not recorded.
    """

    device: str
    threads: int
    python: str
    torch: str
    transformers: str
    cores: float | None = None
    all_cores: int | None = None
    others_busy_cores: float | None = None

    @classmethod
    def here(cls, device: Device, others: OtherLoad | None = None) -> Machine:
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor_name()
        return cls(
            name,
            torch.get_num_threads(),
            platform.python_version(),
            torch.__version__,
            transformers.__version__,
            *available_cores(),
            others.busy_cores if others else None,
        )

    @property
    def share(self) -> str:
        """The part of the machine this process had, as the end of a sentence; empty where it was not recorded."""
        busy = self.others_busy_cores
        cores = "" if self.cores is None else f", {self.cores:g} of {self.all_cores} cores"
        if busy is None:
            return cores
        return cores + (
            f"; other processes used {busy:.1f} cores meanwhile" if busy >= 0.05 else "; no load from other processes"
        )


def _processor_name() -> str:
    """The processor's name where the system tells it."""
    try:
        names = [
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
