"""One untimed answer of a side, for a slider that is being moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from PIL import Image

from fastv.app.service.model_pool import ModelPool
from fastv.app.service.request import ChosenSide, Request
from fastv.app.service.run_policy import RunPolicy
from fastv.errors import InvalidInputError

if TYPE_CHECKING:
    from fastv.measurement.single_pass import SinglePass


def quick_answers(request: Request, sides: list[ChosenSide], pool: ModelPool, policy: RunPolicy) -> list[SinglePass]:
    """Answers of some of a request's sides, one pass each. Counts as a run.

    Raises
    ------
    FastVError
        For a request that is invalid or over a limit, and where comparisons run elsewhere or the question is about a
        clip: a slider asks for neither.
    """
    from fastv.measurement.results import Side
    from fastv.measurement.single_pass import answer_once

    if policy.execute is not None or request.video:
        raise InvalidInputError("Press Run to see this setting.")
    policy.admit(policy.visitor())
    checked = policy.checked(request)
    return [
        answer_once(
            Side(pool.load(side.model), side.pruning),
            cast("Image.Image", checked.media),
            checked.question,
            max_new_tokens=checked.max_new_tokens,
        )
        for side in sides
    ]
