"""The scripts in benchmarks/, which are no package, as modules."""

import importlib.util
import sys
from contextlib import contextmanager
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@contextmanager
def script(name):
    """The module that benchmarks/<name>.py is; dataclasses in it need it among the loaded ones meanwhile."""
    spec = importlib.util.spec_from_file_location(f"{name}_script", BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(BENCHMARKS))  # as when it is run; one of them uses another
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(BENCHMARKS))
        del sys.modules[spec.name]
