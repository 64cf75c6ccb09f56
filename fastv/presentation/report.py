"""A finished comparison to take away: one HTML file that stands alone, and its numbers as CSV and JSON."""

from __future__ import annotations

import csv
import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from html import escape
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PIL import Image

from fastv.evidence.known_quality import known_quality
from fastv.formatting import budget, percent
from fastv.measurement.results import SIDES, Comparison, RunResult
from fastv.presentation import comparison_html
from fastv.presentation.filmstrip import seen_strip
from fastv.presentation.overlay import description, dimmed
from fastv.presentation.palette import variables
from fastv.presentation.side_labels import Title
from fastv.pruning.methods.registry import METHODS
from fastv.stats import Ratio

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
    "FastV makes a model that reads pictures cheaper: from decoder layer K on it drops a share R of the picture's tokens, "
    "those that get the least attention. The first token is the wait before an answer begins. One question about one "
    "picture shows well what is saved, and hardly what it costs in quality."
)


def as_html(comparison: Comparison, *, expected: str | None = None, link: str | None = None) -> str:
    """The report as one page: pictures inside, light or dark as the reader's system is, no script.

    expected: the true answer, where it is known. link: the http(s) address that opens the page at these settings.
    """
    baseline, fastv = comparison.baseline, comparison.fastv
    names = comparison_html.titles_of(comparison)
    setup, verdict = fastv.setup, comparison_html.verdict(comparison)
    answers = comparison_html.answers(
        baseline.answer,
        fastv.answer,
        names,
        expected=expected,
        empty=comparison_html.NO_WORDS,
        remarks=[known_quality(setup.model, setup.k, setup.r or 0.0, setup.method)],
    )
    heading, sentence = _opening(comparison, names)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" '
        f'content="light dark"><title>FastV report: {escape(_short(comparison))}</title>'
        f"<style>:root {{{variables(0)}}} @media (prefers-color-scheme: dark) {{:root {{{variables(1)}}}}}\n{_STYLE}"
        f"</style></head><body><main><header><h1>{escape(heading)}</h1><p>{escape(sentence)}</p>"
        f'<p class="verdict">{escape(verdict[0].upper() + verdict[1:])}</p><p class="about">{escape(_ABOUT)}</p></header>'
        f'<h2>Question</h2><p class="question">{escape(comparison.question)}</p>{_pictures(comparison, names)}'
        f'<h2>Answers</h2>{answers}<h2>Cost</h2><div class="wide">{comparison_html.table(comparison)}</div>'
        f"{_bars(comparison, names)}{_settings(comparison, names)}{_again(link)}</main></body></html>\n"
    )


def _opening(comparison: Comparison, names: tuple[Title, Title]) -> tuple[str, str]:
    """The heading, and a sentence that says who answered."""
    one, other = comparison.baseline.setup, comparison.fastv.setup
    if one.model != other.model:
        sides = [f"{title.text} ({title.note})" for title in names]
        return f"{names[1].text} beside {names[0].text}", f"{sides[1]} and {sides[0]} answered one question."
    if one.k is None and other.k is not None:
        return "With and without FastV", (
            f"{other.model} answered one question twice: as it is, and with FastV at {budget(other.k, other.r)}."
        )
    return f"{names[1].text} beside {names[0].text}", f"{other.model} answered one question twice."


def _short(comparison: Comparison) -> str:
    """Both sides in the fewest words, for a list of many reports."""
    sides = [
        side.model if side.k is None else f"{side.model}, {budget(side.k, side.r)}"
        for side in (comparison.fastv.setup, comparison.baseline.setup)
    ]
    return " beside ".join(sides)


def as_csv(comparison: Comparison) -> str:
    """One line for each side, with a heading: settings, then numbers in seconds, bytes, FLOPs and tokens.

    Times are medians with their ``_low`` and ``_high``. A side without FastV has no K, R, method nor seed.
    """
    text = StringIO()
    lines = [_numbers(comparison, side) for side in SIDES]
    writer = csv.DictWriter(text, lines[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def as_json(comparison: Comparison, *, expected: str | None = None, link: str | None = None) -> str:
    """All of it but the picture; seconds, bytes and FLOPs in base units."""
    return json.dumps({**comparison.to_dict(), "expected": expected, "link": link}, indent=1, ensure_ascii=False) + "\n"


def _numbers(comparison: Comparison, side: str) -> dict[str, Any]:
    run: RunResult = getattr(comparison, side)
    line = {"side": side, **asdict(run.setup), **{name: getattr(comparison, name) for name in _SETTINGS}}
    for name in _SPREADS:
        spread = getattr(run.timing, name)
        line |= {
            name: spread and spread.median,
            f"{name}_low": spread and spread.low,
            f"{name}_high": spread and spread.high,
        }
    return line | {name: getattr(run, name) for name in _COUNTS}


def _pictures(comparison: Comparison, names: tuple[Title, Title]) -> str:
    """What the candidate saw, and beside it what each side with FastV kept."""
    kept = [
        (title, side, run)
        for title, side in reversed(list(zip(names, SIDES)))
        if (run := getattr(comparison, side)).setup.k is not None
    ]
    if comparison.fastv.is_clip:
        return f"<h2>The clip as the model saw it</h2>{seen_strip(comparison.fastv.seen)}" + "".join(
            comparison_html.kept_words(run, title, side) for title, side, run in kept
        )
    seen = comparison.fastv.seen[0].picture
    shown = [("As the model saw it", "The picture as the model saw it.", seen, "")]
    shown += [
        (
            f"What FastV kept{title.place}",
            description(run.kept),
            dimmed(run.seen[0].picture, run.kept),
            comparison_html.kept_words(run, title, side),
        )
        for title, side, run in kept
    ]
    return (
        '<div class="pictures">'
        + "".join(
            f'<figure><img src="{_inline(picture)}" alt="{escape(alt)}"><figcaption>{escape(title)}</figcaption>'
            f"</figure>{words}"
            for title, alt, picture, words in shown
        )
        + "</div>"
    )


def _inline(picture: Image.Image) -> str:
    file = BytesIO()
    picture.save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"


def _bars(comparison: Comparison, names: tuple[Title, Title]) -> str:
    """What the candidate takes of what the baseline takes, as bars; the line marks as much as the baseline."""
    shares = list(_shares(comparison))
    longest = max(1.0, *(share for _, share in shares))
    bars = "".join(
        f'<tr><th scope="row">{title}</th><td><div class="bar" style="width: {100 * share / longest:.1f}%">'
        f"</div></td><td>{percent(round(share, 3))}</td></tr>"
        for title, share in shares
    )
    return (
        f'<table class="bars" style="--whole: {100 / longest:.1f}%"><caption>{escape(names[1].subject)} takes, '
        f"of what {escape(names[0].subject)} takes</caption><tbody>{bars}</tbody></table>"
    )


def _shares(comparison: Comparison) -> Iterator[tuple[str, float]]:
    for row in comparison_html.rows_of(comparison):
        if row.share is not None:
            yield row.title, row.share.share if isinstance(row.share, Ratio) else row.share


def _settings(comparison: Comparison, names: tuple[Title, Title]) -> str:
    """What the sentence under the table leaves out."""
    lines = {"Run on": datetime.fromisoformat(comparison.date).strftime("%d %B %Y, %H:%M UTC").removeprefix("0")}
    for title, line in (("Visual tokens chosen", _choice), ("Seed of random choices", _seed), ("Prompt", _prompt)):
        said = {
            name.text: words
            for name, run in zip(names, (comparison.baseline, comparison.fastv))
            if (words := line(run)) is not None
        }
        each = [f"{name}: {words}" for name, words in said.items()]
        lines[title] = "; ".join(dict.fromkeys(said.values()) if len(set(said.values())) < 2 else each)
    lines |= {
        "Longest answer": f"{comparison.max_new_tokens} tokens",
        "Decoding": "greedy",
        "FLOPs": "convention “exact”: two per multiply-add, attention counted for every pair of tokens",
    }
    terms = "".join(f"<dt>{title}</dt><dd>{escape(words)}</dd>" for title, words in lines.items() if words)
    return f"<h2>How it was run</h2><dl>{terms}</dl>"


def _choice(run: RunResult) -> str | None:
    setup = run.setup
    if setup.method is None:
        return None
    if setup.k == 0 and METHODS[setup.method].signals:
        return f"{METHODS['random'].phrase}: before layer 0 there is no attention to rank by"
    return METHODS[setup.method].phrase


def _seed(run: RunResult) -> str | None:
    return None if run.setup.seed is None else str(run.setup.seed)


def _prompt(run: RunResult) -> str:
    words = f"{run.prompt_tokens:,} tokens, {run.prompt_visual_tokens:,} of them visual"
    return f"{words}, of {sum(len(one.seconds) for one in run.seen)} frames" if run.is_clip else words


def _again(link: str | None) -> str:
    if not link or not link.startswith(("http://", "https://")):
        return ""
    there = (
        ""
        if urlsplit(link).hostname not in _LOOPBACK
        else "<p>It was run on somebody's own machine: start the app there, and this opens it at these settings.</p>"
    )
    return (
        f'<h2>Run it again</h2>{there}<p class="link"><a href="{escape(link)}" rel="noreferrer">{escape(link)}</a></p>'
    )
