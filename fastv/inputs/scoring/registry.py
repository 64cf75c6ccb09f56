"""The measures of answers. To add one: a module beside this one, and its class in ``MEASURES``."""

from __future__ import annotations

from fastv.errors import InvalidInputError
from fastv.inputs.scoring.anls import Anls
from fastv.inputs.scoring.base import Measure
from fastv.inputs.scoring.choice import MultipleChoice
from fastv.inputs.scoring.cider import CiderD
from fastv.inputs.scoring.exact import ExactMatch
from fastv.inputs.scoring.own_function import own_function
from fastv.inputs.scoring.rouge import RougeL
from fastv.inputs.scoring.vqa import VqaAccuracy

#: Name -> measure.
MEASURES: dict[str, Measure] = {
    measure.name: measure for measure in (ExactMatch(), MultipleChoice(), VqaAccuracy(), Anls(), CiderD(), RougeL())
}


def measure_of(name: str) -> Measure:
    """The measure of a name, or of a function of the user's own, ``module:function``.

    Raises
    ------
    InvalidInputError
        For other names, and functions that cannot be imported.
    """
    if name in MEASURES:
        return MEASURES[name]
    if ":" in name:
        return own_function(name)
    raise InvalidInputError(f"There is no measure “{name}”: choose of {', '.join(MEASURES)}, or write module:function.")
