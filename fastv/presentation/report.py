"""A finished comparison to take away: one HTML file that stands alone, and its numbers as CSV and JSON."""

from __future__ import annotations

import csv
import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup
from PIL import Image

from fastv.errors import ModelLoadError
from fastv.evidence.pair_quality import quality_of_sides
from fastv.families.catalogue import find
from fastv.formatting import budget, percent
from fastv.measurement.results import SIDES, Comparison, RunResult
from fastv.presentation.answers_html import EMPTY_ANSWER, answers
from fastv.presentation.cost_table import rows_of, table
from fastv.presentation.filmstrip import seen_strip
from fastv.presentation.html import render
from fastv.presentation.kept_html import kept
from fastv.presentation.overlay import description_of, dimmed, side_by_side
from fastv.presentation.palette import variables
from fastv.presentation.side_labels import SideLabel, config_of, option_words, side_labels
from fastv.presentation.verdict import verdict
from fastv.pruning.methods.registry import METHODS

_STYLE = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
# Nothing is fetched and nothing runs, whatever the texts in it say.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SPREADS = ("prefill_seconds", "decode_seconds_per_token", "total_seconds")
_COUNTS = (
    "peak_bytes",
    "kv_cache_bytes",
    "visual_tokens",
    "prompt_tokens",
    "answer_tokens",
    "prefill_flops",
    "total_flops",
)
_SETTINGS = ("date", "max_new_tokens", "repeats", "warmup")
_ABOUT = (
    "Pruning makes a vision-language model cheaper: on entering decoder layer K it drops a share R of the image's "
    "tokens, with FastV those that get the least attention. Time to first token is the wait until an answer begins. "
    "One question about one image shows the savings, but not the loss in quality."
)


def as_html(comparison: Comparison, *, expected: str | None = None, link: str | None = None) -> Markup:
    """The report as one page with its images inside, light or dark as the reader's system is.

    Parameters
    ----------
    comparison : Comparison
        A finished one.
    expected : str, optional
        The true answer, where it is known.
    link : str, optional
        The http(s) address that opens the app at these settings.
    """
    labels = side_labels(comparison.baseline.setup, comparison.fastv.setup)
    setup, link = comparison.fastv.setup, _web_address(link)
    heading, who_answered = _opening(comparison, labels)
    return render(
        "presentation/report",
        policy=_POLICY,
        style=style(),
        title=_short_title(comparison),
        heading=heading,
        who_answered=who_answered,
        verdict=verdict(comparison),
        about=_ABOUT,
        question=comparison.question,
        answers=answers(
            comparison.baseline.answer,
            comparison.fastv.answer,
            labels,
            expected=expected,
            placeholder=EMPTY_ANSWER,
            remarks=[quality_of_sides(setup, comparison.baseline.setup)],
        ),
        table=table(comparison),
        **_pictures(comparison, labels),
        **_bars(comparison, labels),
        settings=_settings(comparison, labels),
        link=link,
        link_is_local=link is not None and urlsplit(link).hostname in _LOOPBACK,
    )


def style() -> Markup:
    """CSS of reports that stand alone."""
    dark = f"@media (prefers-color-scheme: dark) {{:root {{{variables(1)}}}}}"
    return Markup(f":root {{{variables(0)}}} {dark}\n{_STYLE}")


def _opening(comparison: Comparison, labels: tuple[SideLabel, SideLabel]) -> tuple[str, str]:
    """The heading, and a sentence that says who answered."""
    baseline, candidate = comparison.baseline.setup, comparison.fastv.setup
    heading = f"{labels[1].label} vs. {labels[0].inline}"
    if baseline.model != candidate.model:
        sides = " and ".join(f"{label.label} ({label.detail})" for label in reversed(labels))
        return heading, f"{sides} answered one question."
    if labels[0].config is None and labels[1].config is not None:
        return heading, f"{candidate.model} answered one question {labels[0].inline} and {labels[1].inline}" + (
            f" ({labels[1].detail})." if labels[1].detail else "."
        )
    return heading, f"{candidate.model} answered one question twice."


def _short_title(comparison: Comparison) -> str:
    """Both sides in the fewest words, for a list of many reports."""
    sides = []
    for setup in (comparison.fastv.setup, comparison.baseline.setup):
        config = config_of(setup)
        sides.append(setup.model if config is None else f"{setup.model}, {budget(config.k, config.r)}")
    return " vs. ".join(sides)


def as_csv(comparison: Comparison) -> str:
    """One line per side under a heading: settings, question and answer, then seconds, bytes, FLOPs and tokens.

    Times are medians with their ``_low`` and ``_high``. A side without pruning has no method, K, R and seed.
    """
    text = StringIO()
    lines = [_csv_line(comparison, side) for side in SIDES]
    writer = csv.DictWriter(text, lines[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def as_json(comparison: Comparison, *, expected: str | None = None, link: str | None = None) -> str:
    """All of it but the pictures; seconds, bytes and FLOPs in base units."""
    return json.dumps({**comparison.to_dict(), "expected": expected, "link": link}, indent=1, ensure_ascii=False) + "\n"


def _csv_line(comparison: Comparison, side: str) -> dict[str, Any]:
    result: RunResult = getattr(comparison, side)
    line = {"side": side, **asdict(result.setup), **{name: getattr(comparison, name) for name in _SETTINGS}}
    line |= {"question": comparison.question, "answer": result.answer}
    for name in _SPREADS:
        spread = getattr(result.timing, name)
        line |= {
            name: spread and spread.median,
            f"{name}_low": spread and spread.low,
            f"{name}_high": spread and spread.high,
        }
    return line | {name: getattr(result, name) for name in _COUNTS}


def _pictures(comparison: Comparison, labels: tuple[SideLabel, SideLabel]) -> dict[str, Any]:
    """What the candidate saw, and what each pruned side kept, the candidate first."""
    pruned = [
        (label, result)
        for label, result in ((labels[1], comparison.fastv), (labels[0], comparison.baseline))
        if label.config is not None
    ]
    if comparison.fastv.is_clip:
        texts = [kept(result, label) for label, result in pruned]
        return {"clip_frames": seen_strip(comparison.fastv.seen), "kept_texts": texts, "figures": []}
    seen = side_by_side([view.picture for view in comparison.fastv.seen])
    figures = [_figure("As the model saw it", "The image as the model saw it.", seen, Markup())]
    for label, result in pruned:
        picture = side_by_side([dimmed(view.picture, view.kept) for view in result.seen])
        figures.append(_figure(f"Kept {label.inline}", description_of(result.seen), picture, kept(result, label)))
    return {"clip_frames": "", "kept_texts": [], "figures": figures}


def _figure(caption: str, alt: str, picture: Image.Image, text: Markup) -> dict[str, str]:
    file = BytesIO()
    picture.save(file, "PNG", optimize=True)
    source = f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"
    return {"caption": caption, "alt": alt, "source": source, "text": text}


def _bars(comparison: Comparison, labels: tuple[SideLabel, SideLabel]) -> dict[str, Any]:
    """The candidate's costs in percent of the baseline's; a line marks 100%."""
    ratios = [(row.title, row.relative) for row in rows_of(comparison)]
    known = [(title, relative) for title, relative in ratios if relative is not None]
    longest = max(1.0, *(relative.value for _, relative in known))
    return {
        "whole": f"{100 / longest:.1f}",
        "bars_caption": f"{labels[1].label}, in percent of {labels[0].inline}. Hatched: no significant difference.",
        "bars": [
            {
                "title": title,
                "width": f"{100 * relative.value / longest:.1f}",
                "undecided": not relative.is_decided,
                "text": percent(round(relative.value, 3)) if relative.is_decided else "undecided",
            }
            for title, relative in known
        ],
    }


def _settings(comparison: Comparison, labels: tuple[SideLabel, SideLabel]) -> list[tuple[str, str]]:
    """What the sentence under the table leaves out: (term, words)."""
    date = datetime.fromisoformat(comparison.date).strftime("%d %B %Y, %H:%M UTC").removeprefix("0")
    results = tuple(zip(labels, (comparison.baseline, comparison.fastv), strict=True))

    def per_side(line: Callable[[SideLabel, RunResult], str | None]) -> str:
        said = {label.label: words for label, result in results if (words := line(label, result)) is not None}
        if len(set(said.values())) < 2:
            return next(iter(said.values()), "")
        return "; ".join(f"{name}: {words}" for name, words in said.items())

    lines = [
        ("Run on", date),
        ("Model files", per_side(lambda _, result: _files(result))),
        ("Visual tokens chosen", per_side(lambda label, _: _choice(label))),
        ("Seed of random choices", per_side(lambda label, _: None if label.config is None else str(label.config.seed))),
        ("Prompt", per_side(lambda _, result: _prompt(result))),
        ("Longest answer", f"{comparison.max_new_tokens} tokens"),
        ("Decoding", "greedy"),
        ("FLOPs", "exact convention: 2 per multiply-add, attention counted for every pair of tokens"),
    ]
    return [(term, words) for term, words in lines if words]


def _files(result: RunResult) -> str | None:
    """Where a model of the hub came from; None for others, and for those that are not known here any more."""
    try:
        entry = find(result.setup.model)
    except ModelLoadError:
        return None
    return f"{entry.repository}, {entry.revision_words}" if entry.revision_words else None


def _choice(label: SideLabel) -> str | None:
    config = label.config
    if config is None:
        return None
    phrase = METHODS[config.chosen_by].phrase
    if config.chosen_by != config.method:
        phrase = f"{phrase}: there is no attention before layer 0"
    return ", ".join([phrase, *option_words(config)])


def _prompt(result: RunResult) -> str:
    words = f"{result.prompt_tokens:,} tokens, {result.prompt_visual_tokens:,} of them visual"
    return f"{words}, of {sum(len(frame.seconds) for frame in result.seen)} frames" if result.is_clip else words


def _web_address(link: str | None) -> str | None:
    return link if link and link.startswith(("http://", "https://")) else None
