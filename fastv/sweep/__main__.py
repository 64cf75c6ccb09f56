"""``python -m fastv.sweep ...`` is ``fastv sweep ...``."""

import runpy
import sys

sys.argv[1:1] = ["sweep"]
runpy.run_module("fastv", run_name="__main__", alter_sys=True)
