"""What a comparison has to show, as HTML. All text that comes from a model, a file or a person is escaped here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from html import escape

from fastv.formatting import COUNT, FLOPS, MEMORY, TIME, Unit, change, number, times, unit_for
from fastv.inputs.answer_matching import is_match
from fastv.measurement.results import Comparison, RunResult
from fastv.measurement.timing import Spread
from fastv.presentation.filmstrip import kept_strip, where_most
from fastv.presentation.side_labels import USUAL, Title, titles
from fastv.pruning.methods.base import ATTENTION
from fastv.pruning.methods.registry import METHODS
from fastv.stats import Ratio

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

    @property
    def share(self) -> float | Ratio | None:
        """What the candidate takes of what the baseline takes, a Ratio where both were measured repeatedly."""
        if isinstance(self.baseline, Spread) and isinstance(self.fastv, Spread):
            return Ratio.of(self.baseline.runs, self.fastv.runs)
        baseline, fastv = self.middles
        return fastv / baseline if baseline and fastv is not None else None


def titles_of(comparison: Comparison) -> tuple[Title, Title]:
    return titles(comparison.baseline.setup, comparison.fastv.setup)


def verdict(comparison: Comparison) -> str:
    """In a sentence: whether the answers differ, which side was sooner at its first token, and what is certain."""
    baseline, fastv = comparison.baseline, comparison.fastv
    same = "the same answer" if baseline.answer == fastv.answer else "different answers"
    first, second = titles_of(comparison)
    found = Ratio.of(baseline.timing.prefill_seconds.runs, fastv.timing.prefill_seconds.runs)
    rounds = f"{found.low:.2f} to {found.high:.2f} in {found.rounds} rounds" if found.rounds > 1 else "a single round"
    if found.is_clear:
        sooner = (
            f"{second.subject} reached its first token in {times(found.share)} the time of {first.subject} ({rounds})"
        )
    else:
        sooner = f"which reached its first token sooner cannot be told ({times(found.share)} the time, {rounds})"
    flops = change(baseline.prefill_flops, fastv.prefill_flops)
    return f"{same}; {sooner}{f'; prefill FLOPs {flops}' if flops else ''}."


def answers(
    baseline: str,
    fastv: str,
    names: tuple[Title, Title] = USUAL,
    *,
    writing: str | None = None,
    expected: str | None = None,
    empty: str = "",
    question: str = "",
    remarks: Sequence[str] = (),
) -> str:
    """Both answers side by side, below the question they answer, where one is given.

    writing: the side whose text is growing, "baseline" or "fastv". empty: HTML that stands for an answer of no words.
    remarks: plain sentences that belong to both answers.
    """
    shown = (
        [escape(text) for text in (baseline, fastv)]
        if writing or not (baseline and fastv)
        else _marked(baseline, fastv)
    )
    html = "".join(
        f'<section class="answer {side}" aria-label="{escape(title.text)}"><h3>{escape(title.text)} '
        f"<small>{escape(title.note)}</small></h3>"
        f'<p class="text{" writing" if writing == side else ""}" tabindex="0">{text or empty}</p></section>'
        for side, title, text in zip(("baseline", "fastv"), names, shown)
    )
    truth = _expected(expected, names, (baseline, fastv)) if expected is not None else ""
    asked = f'<p class="asked">{escape(question)}</p>' if question else ""
    below = "".join(f'<p class="remark">{escape(remark)}</p>' for remark in remarks if remark)
    return f'{asked}<div class="answers">{html}</div><p class="expected">{truth}</p>{below}'


def _marked(*texts: str) -> list[str]:
    """Both texts as HTML, with the words marked that only one of them has at that place."""
    parts = [re.findall(r"\s+|[^\s]+", text) for text in texts]
    made: tuple[list[str], list[str]] = ([], [])
    for kind, *spans in SequenceMatcher(None, *parts, autojunk=False).get_opcodes():
        for out, words, start, end in zip(made, parts, spans[::2], spans[1::2]):
            piece = escape("".join(words[start:end]))
            out.append(piece if kind == "equal" or not piece.strip() else f"<mark>{piece}</mark>")
    return ["".join(out) for out in made]


def _expected(expected: str, names: tuple[Title, Title], texts: tuple[str, str]) -> str:
    """The true answer, and which side gave it."""
    right = [title.text for title, text in zip(names, texts) if is_match(text, expected)]
    who = ("Neither is right", f"Only “{escape(''.join(right))}” is right", "Both are right")[len(right)]
    return f"Expected: <b>{escape(expected)}</b>. {who}."


def table(comparison: Comparison | None = None, names: tuple[Title, Title] = USUAL) -> str:
    """Both sides and their ratio, line by line; without a comparison the same table with its cells empty.

    names: the sides' titles as long as there is no comparison.
    """
    rows = "".join(_row(row) for row in rows_of(comparison))
    baseline, fastv = titles_of(comparison) if comparison else names
    usual = (baseline.text, fastv.short) == (USUAL[0].text, USUAL[1].short)  # there it goes without saying
    of = "" if usual else f"<small>of what {escape(baseline.short)} takes</small>"
    return (
        '<table class="costs"><caption class="hidden-words">What both runs took</caption><thead><tr>'
        f'<th scope="col">Cost</th><th scope="col" class="baseline">{escape(baseline.text)}</th>'
        f'<th scope="col" class="fastv">{escape(fastv.text)}</th>'
        f'<th scope="col">{escape(fastv.short[0].upper() + fastv.short[1:])} takes{of}</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>{_measured(comparison)}"
    )


def rows_of(comparison: Comparison | None) -> Iterator[Row]:
    """The lines of the table; without a comparison their values are None."""
    layers = _pruned_layers(comparison) if comparison else "layers K and up"
    tokens = _answer_lengths(comparison) if comparison else "to the last token"
    for title, note, noun, units, quantity in (
        ("First token", "prefill", "time", TIME, lambda run: run.timing.prefill_seconds),
        ("Per token", "after the first", "time", TIME, lambda run: run.timing.decode_seconds_per_token),
        ("Total", tokens, "time", TIME, lambda run: run.timing.total_seconds),
        ("Peak memory", "weights included", "memory", MEMORY, lambda run: run.peak_bytes),
        ("KV cache", "at the end", "memory", MEMORY, lambda run: run.kv_cache_bytes),
        ("Visual tokens", layers, "tokens", COUNT, lambda run: run.visual_tokens),
        ("Prefill FLOPs", "computed, exact", "FLOPs", FLOPS, lambda run: run.prefill_flops),
    ):
        sides = (quantity(comparison.baseline), quantity(comparison.fastv)) if comparison else (None, None)
        yield Row(title, note, noun, units, *sides)


def _pruned_layers(comparison: Comparison) -> str:
    """Where the sides see as many visual tokens as the table says."""
    ks = dict.fromkeys(side.setup.k for side in (comparison.baseline, comparison.fastv) if side.setup.k is not None)
    return f"layers {' or '.join(map(str, ks))} and up" if ks else "all layers"


def _answer_lengths(comparison: Comparison) -> str:
    one, other = comparison.baseline.answer_tokens, comparison.fastv.answer_tokens
    return f"{one} token{'s' if one != 1 else ''}" if one == other else f"{one} and {other} tokens"


def _row(row: Row) -> str:
    amounts = [amount for amount in row.middles if amount is not None]
    unit = unit_for(amounts or [0], row.units)
    cells = "".join(
        f'<td class="{side}">{_cell(value, unit)}</td>'
        for side, value in (("baseline", row.baseline), ("fastv", row.fastv))
    )
    name = f' <span class="unit">{unit.name}</span>' if unit.name and amounts else ""
    return (
        f'<tr><th scope="row">{row.title}{name}<small>{escape(row.note)}</small></th>{cells}'
        f'<td class="ratio">{_compared(row)}</td></tr>'
    )


def _compared(row: Row) -> str:
    share = row.share
    if share is None:
        return _NOTHING
    noun = f'<span class="noun"> the {row.noun}</span>'
    if isinstance(share, Ratio):
        between = f"{share.low:.2f}–{share.high:.2f}×" if share.rounds > 1 else "a single round"
        if share.is_clear:
            return f"{times(share.share)}{noun}<small>{between}</small>"
        return f'<span class="open">{times(share.share)}{noun}</span><small>{between}: undecided</small>'
    if share == 1:
        return f"the same{noun.replace(' the ', ' ')}"
    return f"{times(share)}{noun}<small>{change(*row.middles)}</small>"


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
    baseline, fastv = comparison.baseline.setup, comparison.fastv.setup
    threads = f", {machine.threads} thread{'s' if machine.threads != 1 else ''}" if fastv.device == "cpu" else ""
    models = " and ".join(dict.fromkeys(f"{side.model} in {side.dtype}" for side in (baseline, fastv)))
    weights = "" if baseline.model == fastv.model else ", of each model with its own weights"
    how_timed = (
        f"medians of {repeats} rounds in which the sides take turns, with the lowest and highest below; their ratios: "
        "round by round, their 95% interval below"
        if repeats > 1
        else "a single run of each side: repeat to see how much they vary"
    )
    words = (
        f"{models} on {machine.device}{threads}{machine.share}. Times: {how_timed}, after {comparison.warmup} "
        f"untimed. Peak memory: taken in an untimed run{weights}. FLOPs: by arithmetic, 2 per multiply-add, "
        f"with vision tower, projector and lm_head. PyTorch {machine.torch}, Transformers {machine.transformers}, "
        f"Python {machine.python}."
    )
    return f'<p class="measured">{escape(words)}</p>'


NOTHING_KEPT = (
    '<div class="kept"><h3>What FastV keeps</h3><p>After a run: the picture as the model saw it, with the patches that '
    "FastV dropped darkened.</p></div>"
)


def kept_words(run: RunResult, title: Title, side: str) -> str:
    """What FastV kept on this side, "baseline" or "fastv", as HTML: of a picture the words that go beside it, of a clip
    its frames too.
    """
    return (
        f'<div class="kept {side}"><h3>What FastV kept{escape(title.place)}</h3><p>{_kept_sentences(run)}</p>'
        f"{kept_strip(run.seen) if run.is_clip else ''}</div>"
    )


def _kept_sentences(run: RunResult) -> str:
    """How many visual tokens were kept, which they are, and which layers see what."""
    some, all_ = sum(one.kept_tokens for one in run.seen), run.prompt_visual_tokens
    k, method = run.setup.k, run.setup.method
    share = f"<b>{some:,} of {all_:,}</b> visual tokens"
    whole = "all of every frame" if run.is_clip else "the whole picture"
    if some == all_:
        return f"{share}: nothing was dropped, all layers see {whole}."
    before = {1: "Layer 0 sees", 2: "Layers 0 and 1 see"}.get(k, f"Layers 0 to {k - 1} see")
    rest = "nothing of the picture" if some == 0 else "only what is clear here"
    seen = f"{before} {whole}, the later ones {rest}." if k else f"All layers see {rest}."
    if some == 0:
        return f"{share}: all were dropped. {seen}"
    drawn = METHODS["random"]
    chosen_by = drawn if k == 0 and METHODS[method].signals else METHODS[method]
    where = f" in layer {k - 1}" if ATTENTION in chosen_by.signals else ""
    spread = f" {where_most(run.seen)}" if run.is_clip else ""
    return f"{share} were kept, chosen {escape(chosen_by.phrase)}{where}.{spread} {seen}"
