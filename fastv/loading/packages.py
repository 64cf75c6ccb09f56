"""Python packages beyond this project's own that a model or its precision needs: looked for before the download."""

from __future__ import annotations

from importlib.util import find_spec

from fastv.errors import ModelLoadError
from fastv.families.base import Family
from fastv.loading.memory_fit import QUANTIZED, LoadPlan, smaller


def check_packages(name: str, plan: LoadPlan) -> None:
    """Raises ModelLoadError where the packages are missing that quantize a model or spread it over devices."""
    missing = [package for package in ("bitsandbytes", "accelerate") if find_spec(package) is None]
    if plan.dtype in QUANTIZED and missing:
        raise ModelLoadError(
            f"{plan.dtype} needs {' and '.join(missing)}: install that with pip, or choose the dtype auto."
        )
    if plan.placement.is_spread and "accelerate" in missing:
        raise ModelLoadError(
            f"{name} in {plan.dtype} fits no single device, and spreading it needs the package "
            f"accelerate: install it, or choose {smaller(plan.dtype)}."
        )


def check_family_packages(name: str, family: Family | None) -> None:
    """Raises ModelLoadError where a package is missing that this family of models needs."""
    missing = [package for package in (family.packages if family else ()) if find_spec(package) is None]
    if missing:
        raise ModelLoadError(
            f"{name} needs the package {' and '.join(missing)}, which is not installed: pip install "
            f"{' '.join(missing)}, or choose another model."
        )
