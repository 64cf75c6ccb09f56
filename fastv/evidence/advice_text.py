"""Advice in sentences, the same for the page and the command line. No torch."""

from __future__ import annotations

from fastv.evidence.adviser import WORTH, Advice, Effect, KnownLoss
from fastv.formatting import budget, percent, sized
from fastv.pruning.methods.registry import METHODS


def sentences(name: str, advice: Advice, device: str, batch: int, may_lose: float) -> list[str]:
    """The answer first, then what it rests on.

    Parameters
    ----------
    name
        Of the model, for people.
    advice
        Of ``adviser.advise``.
    device
        Its name for people.
    batch
        Prompts at once.
    may_lose
        Points that may be lost.
    """
    loss, effect = advice.loss, advice.effect
    if advice.kind == "unknown":
        return [
            f"No setting can be named: nobody published, and this project did not measure, what pruning costs {name}.",
            "Measure it on questions of your own: fastv sweep MODEL questions.csv.",
        ]
    if loss is None or effect is None:
        return [
            f"Leave pruning off: each of the {advice.considered} settings measured or published for {name} may lose "
            f"more than {_points(may_lose)}."
        ]
    setting = f"{label(loss.method)} with {budget(loss.k, loss.r)}"
    first = (
        f"Use {setting}."
        if advice.kind == "use"
        else f"Leave pruning off: the best setting within {_points(may_lose)}, {setting}, saves less than "
        f"{percent(WORTH)} of an answer's time here."
    )
    return [first, loss_sentence(loss), *effect_sentences(effect, device, batch)]


def label(method: str) -> str:
    """A method's name for people; the name itself where it is not registered."""
    return METHODS[method].label if method in METHODS else method


def loss_sentence(loss: KnownLoss) -> str:
    """What it loses, how surely, and by whom that was measured."""
    shown = round(abs(loss.points), 1)
    lost = f"{shown} points {'lost' if loss.points > 0 else 'gained'}" if shown else "no change"
    if loss.most is None:
        return f"Quality: {lost} ({loss.source}; no interval was published)."
    return f"Quality: {lost}, at most {max(loss.most, 0.0):.1f} with 95% confidence ({loss.source})."


def effect_sentences(effect: Effect, device: str, batch: int) -> list[str]:
    """Time to the first token, time of the whole answer, and requests that fit."""
    told = [
        f"First token on {device}: {_pair(effect.first_token_seconds)} at best, {percent(effect.first_token_saving)} "
        "less" + _published(effect) + ".",
        f"Whole answer: {_pair(effect.answer_seconds)} at best, {percent(effect.answer_saving)} less; "
        f"{_rate(effect, batch)} answers a second at most.",
    ]
    before, after = effect.requests
    fits = f"{before:,} such prompts with their answers fit in its memory at once without pruning, {after:,} with it."
    return [*told, fits if before else f"The model does not fit on {device}."]


def _published(effect: Effect) -> str:
    if effect.published_first_token_seconds is None or effect.published_saving is None:
        return ""
    return f"; published: {_pair(effect.published_first_token_seconds)}, {percent(effect.published_saving)} less"


def _points(count: float) -> str:
    return f"{count:g} point{'' if count == 1 else 's'}"


def _pair(seconds: tuple[float, float]) -> str:
    before, after = seconds
    return f"{sized(before, 'seconds')} → {sized(after, 'seconds')}"


def _rate(effect: Effect, batch: int) -> str:
    before, after = (batch / seconds for seconds in effect.answer_seconds)
    return f"{before:,.1f} → {after:,.1f}"
