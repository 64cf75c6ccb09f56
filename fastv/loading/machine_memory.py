"""The memory a machine has, and what is free of it: RAM, as far as this program may use it, and GPUs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

RAM = "ram"  # beside GPU numbers, where bytes can lie

# Where Linux says what a container may use, uses, and uses for files it can drop: control groups 2, then 1.
_CGROUPS = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
)
#: Devices of GPUs beside /dev/nvidia0: containers that hide it, AMD, Windows' subsystem for Linux, NVIDIA Jetson.
_GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg", "/dev/nvmap")
_CGROUP_FOLDER = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Gpu:
    """One GPU's memory, in bytes."""

    name: str
    bytes: int
    free_bytes: int


@dataclass(frozen=True)
class MachineMemory:
    """A machine's memory, and what is free of it, in bytes."""

    ram_bytes: int
    free_ram_bytes: int
    gpus: tuple[Gpu, ...] = ()

    @classmethod
    def here(cls) -> MachineMemory:
        """This machine's memory now. Where it has no GPU, torch is not imported."""
        if not has_gpu_device():
            return cls(*_ram())
        import torch

        gpus = []
        for number in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(number)
            gpus.append(Gpu(torch.cuda.get_device_name(number), total, free))
        return cls(*_ram(), tuple(gpus))

    @property
    def emptied(self) -> MachineMemory:
        """The machine with nothing in its memory but what the system and the GPU's driver keep for themselves."""
        gpus = tuple(replace(gpu, free_bytes=max(gpu.free_bytes, int(gpu.bytes * 0.95))) for gpu in self.gpus)
        return replace(self, free_ram_bytes=max(self.free_ram_bytes, int(self.ram_bytes * 0.9)), gpus=gpus)

    def limited_to(self, device: str) -> MachineMemory:
        """What a model on ``device`` ("auto", "cpu", "cuda", "cuda:1", ...) may use; GPUs keep their numbers."""
        if device == "auto":
            return self
        if device == "cpu":
            return replace(self, gpus=())
        chosen = gpu_number(device)
        gpus = tuple(gpu if number == chosen else replace(gpu, free_bytes=0) for number, gpu in enumerate(self.gpus))
        return MachineMemory(0, 0, gpus)

    def with_freed(self, freed: Mapping[int | str, int]) -> MachineMemory:
        """The machine once these bytes are given back.

        Parameters
        ----------
        freed
            Bytes by place, which is RAM or a GPU's number.
        """
        gpus = tuple(
            replace(gpu, free_bytes=gpu.free_bytes + freed.get(number, 0)) for number, gpu in enumerate(self.gpus)
        )
        return replace(self, free_ram_bytes=self.free_ram_bytes + freed.get(RAM, 0), gpus=gpus)


def has_gpu_device() -> bool:
    """Whether this machine may have a GPU that torch can use: on Linux, whether a driver offers a device for one."""
    if sys.platform != "linux":
        return sys.platform != "darwin"
    return any(Path("/dev").glob("nvidia[0-9]*")) or any(Path(path).exists() for path in _GPU_DEVICES)


def gpu_number(device: str) -> int:
    """The GPU of a device "cuda" or "cuda:1"."""
    return int(device.partition(":")[2] or 0)


def _ram() -> tuple[int, int]:
    """Bytes of RAM and those free of it. In a container that is what the container may use, not what the host has."""
    ram = psutil.virtual_memory()
    total, free = ram.total, ram.available
    for limit_file, used_file, droppable in _CGROUPS:
        try:
            limit = int((_CGROUP_FOLDER / limit_file).read_text())
            used = int((_CGROUP_FOLDER / used_file).read_text())
            stat = (_CGROUP_FOLDER / limit_file).with_name("memory.stat").read_text().split()
            used -= int(stat[stat.index(droppable) + 1])
        except (OSError, ValueError):  # not there, or "max": no limit
            continue
        total, free = min(total, limit), min(free, max(limit - used, 0))
    return total, free
