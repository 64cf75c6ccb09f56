"""What a choice asks for, before it starts: answers, limits, and about how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastv.app.hosting.settings import Settings
from fastv.app.sweep.choice import DRAWN, EXAMPLE, MOST_QUESTIONS, SweepChoice

if TYPE_CHECKING:
    from fastv.sweep.estimate import Estimate


def plan_words(choice: SweepChoice, settings: Settings) -> str:
    """How many answers a choice asks for, and the limits of this page. Raises InvalidInputError for an invalid one."""
    configs, controls = choice.configs, choice.control_configs
    cells = 1 + len(configs) + len(controls)
    what = f"{len(configs)} {'setting' if len(configs) == 1 else 'settings'}"
    if controls:
        what += f" and {len(controls)} controls"
    if choice.data == DRAWN:
        asked = (
            f"{choice.questions:,} questions, each without pruning and at {what}: {choice.questions * cells:,} answers."
        )
    elif choice.data == EXAMPLE:
        asked = f"The questions of the example file, each without pruning and at {what}."
    else:
        asked = f"The first {choice.questions:,} questions of the file, each without pruning and at {what}."
    return f"{asked} {_limits(settings)}"


def estimate_words(found: Estimate, settings: Settings) -> str:
    """How long a sweep will take."""
    if not found.answers and not found.timed_passes:
        return "All of this is answered already: Start shows it."
    told = f"About {duration(found.seconds)}: {found.answers:,} answers, then {found.timed_passes:,} timed passes."
    if settings.run_seconds and found.seconds > settings.run_seconds:
        told += f" It ends after {duration(settings.run_seconds)}; Start then goes on."
    return told


def duration(seconds: float) -> str:
    """For people: seconds, or minutes from two on."""
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{max(1, round(seconds))} s"


def _limits(settings: Settings) -> str:
    limit = f"At most {MOST_QUESTIONS} questions here"
    if settings.run_seconds:
        limit += f", and {duration(settings.run_seconds)} at a time: Start goes on with what is left"
    return f"{limit}."
