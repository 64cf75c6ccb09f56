"""What a comparison has to show, as HTML. All text that comes from a model, a file or a person is escaped here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from fastv.compare import Comparison
from fastv.formats import COUNT, FLOPS, MEMORY, TIME, Unit, change, number, percent, ratio, unit_for
from fastv.measure import Spread

_NOTHING = "–"
NO_WORDS = '<span class="no-words">no words at all</span>'


@dataclass(frozen=True)
class Row:
    """One line of the table: a quantity of both sides in the base unit, a Spread where it was measured repeatedly."""

    title: str
    note: str
    noun: str
    units: tuple[Unit, ...]
    baseline: float | Spread | None = None
    fastv: float | Spread | None = None

    @property
    def middles(self) -> tuple[float | None, float | None]:
        """Both sides' values, medians where there are several."""
        return _middle(self.baseline), _middle(self.fastv)


def answers(baseline: str, fastv: str, *, writing: str | None = None, budget: str = "", expected: str | None = None,
            empty: str = "") -> str:
    """Both answers side by side.

    writing: the side whose text is growing, "baseline" or "fastv". empty: HTML that stands for an answer of no words.
    """
    cards = (("baseline", "Without FastV", "", baseline), ("fastv", "With FastV", budget, fastv))
    html = "".join(
        f'<section class="answer {side}" aria-label="{title}"><h3>{title} <small>{escape(note)}</small></h3>'
        f'<p class="text{" writing" if writing == side else ""}" tabindex="0">{escape(text) or empty}</p></section>'
        for side, title, note, text in cards
    )
    truth = f"Expected: <b>{escape(expected)}</b>" if expected is not None else ""
    return f'<div class="answers">{html}</div><p class="expected">{truth}</p>'


def budget(k: int, r: float) -> str:
    return f"K={k}, R={percent(r)}"


def table(comparison: Comparison | None = None) -> str:
    """Baseline, FastV and their ratio, line by line; without a comparison the same table with its cells empty."""
    rows = "".join(_row(row) for row in rows_of(comparison))
    return (
        '<table class="costs"><caption class="hidden-words">What both runs took</caption><thead><tr>'
        '<th scope="col">Cost</th><th scope="col" class="baseline">Without</th>'
        '<th scope="col" class="fastv">With FastV</th><th scope="col">FastV takes</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>{_measured(comparison)}"
    )


def rows_of(comparison: Comparison | None) -> Iterator[Row]:
    """The lines of the table; without a comparison their values are None."""
    layers = f"layers {comparison.k} and up" if comparison else "layers K and up"
    tokens = _answer_lengths(comparison) if comparison else "to the last token"
    for title, note, noun, units, quantity in (
            ("First token", "prefill", "time", TIME, lambda run: run.timing.prefill_seconds),
            ("Per token", "after the first", "time", TIME, lambda run: run.timing.decode_seconds_per_token),
            ("Total", tokens, "time", TIME, lambda run: run.timing.total_seconds),
            ("Peak memory", "weights included", "memory", MEMORY, lambda run: run.peak_bytes),
            ("KV cache", "at the end", "memory", MEMORY, lambda run: run.kv_cache_bytes),
            ("Visual tokens", layers, "tokens", COUNT, lambda run: run.visual_tokens),
            ("Prefill FLOPs", "computed, exact", "FLOPs", FLOPS, lambda run: run.prefill_flops)):
        sides = (quantity(comparison.baseline), quantity(comparison.fastv)) if comparison else (None, None)
        yield Row(title, note, noun, units, *sides)


def _answer_lengths(comparison: Comparison) -> str:
    one, other = comparison.baseline.answer_tokens, comparison.fastv.answer_tokens
    return f"{one} token{'s' if one != 1 else ''}" if one == other else f"{one} and {other} tokens"


def _row(row: Row) -> str:
    amounts = [amount for amount in row.middles if amount is not None]
    unit = unit_for(amounts or [0], row.units)
    cells = "".join(f'<td class="{side}">{_cell(value, unit)}</td>'
                    for side, value in (("baseline", row.baseline), ("fastv", row.fastv)))
    name = f' <span class="unit">{unit.name}</span>' if unit.name and amounts else ""
    words = _compared(row, *row.middles) if len(amounts) == 2 else _NOTHING
    return (f'<tr><th scope="row">{row.title}{name}<small>{escape(row.note)}</small></th>{cells}'
            f'<td class="ratio">{words}</td></tr>')


def _compared(row: Row, baseline: float, fastv: float) -> str:
    words = ratio(baseline, fastv, row.noun)
    if isinstance(row.baseline, Spread) and overlap(row.baseline, row.fastv):
        return f"{words}<small>the spreads overlap</small>"
    return f"{words}<small>{change(baseline, fastv)}</small>"


def overlap(one: Spread, other: Spread) -> bool:
    """Whether the repeats leave it open which of the two is larger."""
    return one.low <= other.high and other.low <= one.high


def _middle(value: float | Spread | None) -> float | None:
    return value.median if isinstance(value, Spread) else value


def _cell(value: float | Spread | None, unit: Unit) -> str:
    if value is None:
        return _NOTHING
    if not isinstance(value, Spread):
        return number(value if unit.size == 1 else value / unit.size)
    low, high = number(value.low / unit.size), number(value.high / unit.size)
    return f"{number(value.median / unit.size)}<small>{low}–{high}</small>"


def _measured(comparison: Comparison | None) -> str:
    """How the numbers came about, in a few sentences."""
    if comparison is None:
        return '<p class="measured">Times are medians of repeated runs, with the lowest and highest below.</p>'
    machine, repeats = comparison.machine, comparison.repeats
    threads = f", {machine.threads} thread{'s' if machine.threads != 1 else ''}" if comparison.device == "cpu" else ""
    times = (
        f"medians of {repeats} runs of each side, taking turns, with the lowest and highest below"
        if repeats > 1
        else "a single run of each side: repeat to see how much they vary"
    )
    words = (
        f"{comparison.model} in {comparison.dtype} on {machine.device}{threads}{machine.share}. "
        f"Times: {times}; {comparison.warmup} "
        "untimed before. Peak memory: taken in an untimed run. FLOPs: by arithmetic, 2 per multiply-add, with vision "
        f"tower, projector and lm_head. PyTorch {machine.torch}, Transformers {machine.transformers}, "
        f"Python {machine.python}."
    )
    return f'<p class="measured">{escape(words)}</p>'


def kept_words(comparison: Comparison | None) -> str:
    """What the picture beside it shows."""
    if comparison is None:
        return (
            '<div class="kept"><h3>What FastV keeps</h3><p>After a run: the picture as the model saw it, with the '
            "patches that FastV dropped darkened.</p></div>"
        )
    some, all_ = comparison.fastv.visual_tokens, comparison.baseline.visual_tokens
    how = {
        "last_token": "the last token of the prompt looked at most",
        "mean": "all tokens looked at most, on average",
        "random": "chance picked",
    }["random" if comparison.k == 0 else comparison.rank]
    where = f"in layer {comparison.k - 1}" if comparison.k and comparison.rank != "random" else "whatever they show"
    last = comparison.k - 1
    before = {-1: "No layer sees", 0: "Layer 0 sees", 1: "Layers 0 and 1 see"}.get(last, f"Layers 0 to {last} see")
    return (
        f'<div class="kept"><h3>What FastV kept</h3><p><b>{some} of {all_}</b> visual tokens: those {how} {where}. '
        f"{before} the whole picture, the later ones only what is clear here.</p></div>"
    )
