"""What the table of models says, for machines of several kinds."""

from __future__ import annotations

import re

import pytest

from fastv.app.compare.models_table import models_table
from fastv.app.service.model_pool import ModelPool, Unavailable
from fastv.loading.load import load
from fastv.loading.machine_memory import Gpu, MachineMemory
from tests.support.standins import save_llava_checkpoint

GB = 10**9


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "<i>mine"
    save_llava_checkpoint(folder)
    return ModelPool(load(str(folder)), unavailable={"qwen2-vl-2b": Unavailable("never", "Not & never.")})


def test_every_model_of_the_shelf_has_its_line(pool):
    table = models_table(pool, MachineMemory(24 * GB, 20 * GB))
    assert table.count('<tr class="here">') == len(pool.entries)
    assert "&lt;i&gt;mine" in table and "<i>" not in table
    assert "Not &amp; never." in table
    assert (
        '<th scope="row">LLaVA-1.5 7B</th><td>14.1</td>' in table and table.count('<span class="unit">GB</span>') == 4
    )


def test_what_fits_follows_the_machine(pool):
    small, large = (
        models_table(pool, room)
        for room in (
            MachineMemory(8 * GB, 6 * GB),
            MachineMemory(256 * GB, 200 * GB, (Gpu("large", 80 * GB, 80 * GB),)),
        )
    )
    line = re.compile(r"LLaVA-1.5 13B in (\w+) needs")
    assert line.search(small).group(1) == "bfloat16" and "this machine has 8 GB of RAM and no GPU" in small
    assert line.search(large).group(1) == "float16" and "fits the GPU" in large
