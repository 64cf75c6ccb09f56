"""However many threads there are, there are few heaps."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from fastv.app.hosting.malloc import limit_arenas, trim

ROOT = Path(__file__).resolve().parents[3]
_SCRIPT = """
import ctypes, os, sys, threading
from fastv.app.hosting.malloc import limit_arenas
limit_arenas(os.environ)
together = threading.Barrier(12)
def work():
    kept = [bytes(3_000 + number) for number in range(200)]
    together.wait()
threads = [threading.Thread(target=work) for _ in range(12)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
c = ctypes.CDLL(None)
c.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(c.fopen(sys.argv[1].encode(), b"w"))
c.malloc_info(0, file)
c.fclose(file)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="the C library is not glibc")
@pytest.mark.parametrize("said, heaps", [(None, 2), ("5", 5)])
def test_threads_share_heaps(tmp_path, said, heaps):
    environment = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    environment |= {"MALLOC_ARENA_MAX": said} if said else {}
    subprocess.run([sys.executable, "-c", _SCRIPT, str(tmp_path / "info")], cwd=ROOT, check=True, env=environment)
    assert 1 < (tmp_path / "info").read_text().count("<heap ") <= heaps


def test_without_glibc_nothing_happens(monkeypatch):
    monkeypatch.setattr(ctypes, "pythonapi", object())
    limit_arenas({})
    trim()


def test_freed_memory_is_returned():
    before = psutil.Process().memory_info().rss
    kept = [bytes(100_000) for _ in range(1_000)]
    last = bytes(100_000)  # on top of the others, so that they cannot go by themselves
    del kept
    trim()
    assert len(last) and psutil.Process().memory_info().rss - before < 20e6
