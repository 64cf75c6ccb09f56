"""The machine names itself, and the part of it that a measurement had."""

from __future__ import annotations

import torch

from fastv.measurement.machine import Machine


def test_the_machine_names_itself():
    here = Machine.here(torch.device("cpu"))
    assert here.device
    assert here.threads == torch.get_num_threads() and here.torch == torch.__version__


def test_the_share_names_cores_and_load():
    base = ("Some CPU", 2, "3.12", "2.8", "5.23")
    assert Machine(*base).share == ""
    assert Machine(*base, 2.0, 64, 0.01).share.startswith(", 2 of 64 cores; no ")
    assert " 1.3 cores" in Machine(*base, 1.5, 64, 1.26).share
