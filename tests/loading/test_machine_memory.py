"""What a machine has and what is free of it."""

from __future__ import annotations

import psutil
import pytest

from fastv.loading import machine_memory as module
from fastv.loading.machine_memory import RAM, Gpu, MachineMemory

GB = 10**9
LAPTOP = MachineMemory(24 * GB, 24 * GB)


def test_memory_is_what_is_free_and_can_be_freed():
    busy = MachineMemory(24 * GB, 5 * GB, (Gpu("a", 16 * GB, GB),))
    empty = busy.emptied
    assert busy.free_ram_bytes < empty.free_ram_bytes < busy.ram_bytes
    assert busy.gpus[0].free_bytes < empty.gpus[0].free_bytes < busy.gpus[0].bytes
    assert LAPTOP.emptied == LAPTOP
    freed = busy.with_freed({RAM: GB, 0: 2 * GB})
    assert freed.free_ram_bytes == 6 * GB and freed.gpus[0].free_bytes == 3 * GB
    here = MachineMemory.here()
    assert 0 < here.free_ram_bytes <= here.ram_bytes


def test_the_gpus_of_a_machine_are_asked(monkeypatch):
    monkeypatch.setattr("fastv.loading.machine_memory.has_gpu_device", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda number: (number * GB, 16 * GB))
    monkeypatch.setattr("torch.cuda.get_device_name", lambda number: f"gpu {number}")
    assert MachineMemory.here().gpus == (Gpu("gpu 0", 16 * GB, 0), Gpu("gpu 1", 16 * GB, GB))


@pytest.mark.parametrize(
    "limit, used, stat",
    [
        ("memory.max", "memory.current", "anon 5\ninactive_file 1000000\n"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "cache 9\ntotal_inactive_file 1000000\n"),
    ],
)
def test_in_a_container_its_limit_counts(monkeypatch, tmp_path, limit, used, stat):
    for name, text in ((limit, "50000000\n"), (used, "31000000\n")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / limit).with_name("memory.stat").write_text(stat)
    monkeypatch.setattr(module, "_CGROUP_FOLDER", tmp_path)
    here = MachineMemory.here()
    assert (here.ram_bytes, here.free_ram_bytes) == (50_000_000, 20_000_000)


def test_a_container_without_a_limit_has_what_the_machine_has(monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("31000000\n")
    monkeypatch.setattr(module, "_CGROUP_FOLDER", tmp_path)
    assert MachineMemory.here().ram_bytes == psutil.virtual_memory().total


def test_a_device_limits_what_may_be_used():
    memory = MachineMemory(64 * GB, 60 * GB, (Gpu("a", 16 * GB, 15 * GB), Gpu("b", 8 * GB, 7 * GB)))
    assert memory.limited_to("auto") == memory
    assert memory.limited_to("cpu") == MachineMemory(64 * GB, 60 * GB)
    first, second = memory.limited_to("cuda"), memory.limited_to("cuda:1")
    assert [gpu.free_bytes for gpu in first.gpus] == [15 * GB, 0] and first.free_ram_bytes == 0
    assert [gpu.free_bytes for gpu in second.gpus] == [0, 7 * GB] and second.free_ram_bytes == 0
