"""A finished comparison to take away: one HTML file that stands alone, and its numbers as CSV and JSON."""

from __future__ import annotations

import csv
import json
from base64 import b64encode
from collections.abc import Iterator
from html import escape
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

from PIL import Image

from fastv import outcome
from fastv.colours import variables
from fastv.compare import Comparison, RunResult
from fastv.dimming import description, dimmed
from fastv.formats import percent

_STYLE = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
# Nothing is fetched and nothing runs, whatever the texts in it say.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_SPREADS = ("prefill_seconds", "decode_seconds_per_token", "total_seconds")
_COUNTS = ("peak_bytes", "kv_cache_bytes", "visual_tokens", "prompt_tokens", "answer_tokens", "prefill_flops",
           "total_flops")
_SETTINGS = ("model", "dtype", "device", "k", "r", "rank", "seed", "max_new_tokens", "repeats", "warmup")


def as_html(comparison: Comparison, *, expected: str | None = None, link: str | None = None) -> str:
    """The report as one page: pictures inside, light or dark as the reader's system is, no script.

    expected: the true answer, where it is known. link: the http(s) address that opens the page at these settings.
    """
    baseline, fastv = comparison.baseline, comparison.fastv
    budget = outcome.budget(comparison.k, comparison.r)
    answers = outcome.answers(baseline.answer, fastv.answer, budget=budget, expected=expected, empty=outcome.NO_WORDS)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" '
        f'content="light dark"><title>FastV report: {escape(comparison.model)}, {budget}</title>'
        f"<style>:root {{{variables(0)}}} @media (prefers-color-scheme: dark) {{:root {{{variables(1)}}}}}\n{_STYLE}"
        f"</style></head><body><main><header><h1>With and without FastV</h1><p>{escape(comparison.model)} answered one "
        f"question twice: as it is, and with FastV at {budget}.</p></header>"
        f'<h2>Question</h2><p class="question">{escape(comparison.question)}</p>{_pictures(comparison)}'
        f"<h2>Answers</h2>{answers}<h2>Cost</h2><div class=\"wide\">{outcome.table(comparison)}</div>"
        f"{_bars(comparison)}{_settings(comparison)}{_again(link)}</main></body></html>\n"
    )


def as_csv(comparison: Comparison) -> str:
    """One line for each side, with a heading: settings, then numbers in seconds, bytes, FLOPs and tokens.

    Times are medians with their ``_low`` and ``_high``. The baseline has no K, R, rank nor seed.
    """
    text = StringIO()
    lines = [_numbers(comparison, side) for side in ("baseline", "fastv")]
    writer = csv.DictWriter(text, lines[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def as_json(comparison: Comparison, *, expected: str | None = None, link: str | None = None) -> str:
    """All of it but the picture; seconds, bytes and FLOPs in base units."""
    return json.dumps({**comparison.to_dict(), "expected": expected, "link": link}, indent=1, ensure_ascii=False) + "\n"


def _numbers(comparison: Comparison, side: str) -> dict[str, Any]:
    run: RunResult = getattr(comparison, side)
    settings = {name: getattr(comparison, name) for name in _SETTINGS}
    if side == "baseline":
        settings |= dict.fromkeys(("k", "r", "rank", "seed"), "")
    line = {"side": side, **settings}
    for name in _SPREADS:
        spread = getattr(run.timing, name)
        line |= {name: spread and spread.median, f"{name}_low": spread and spread.low,
                 f"{name}_high": spread and spread.high}
    return line | {name: getattr(run, name) for name in _COUNTS}


def _pictures(comparison: Comparison) -> str:
    shown = (("As the model saw it", "The picture as the model saw it.", comparison.seen),
             ("What FastV kept", description(comparison.kept), dimmed(comparison.seen, comparison.kept)))
    figures = "".join(f'<figure><img src="{_inline(picture)}" alt="{escape(alt)}"><figcaption>{title}</figcaption>'
                      "</figure>" for title, alt, picture in shown)
    return f'<div class="pictures">{figures}{outcome.kept_words(comparison)}</div>'


def _inline(picture: Image.Image) -> str:
    file = BytesIO()
    picture.save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"


def _bars(comparison: Comparison) -> str:
    """What FastV takes of what the baseline takes, as bars; the line marks as much as the baseline."""
    shares = list(_shares(comparison))
    longest = max(1.0, *(share for _, share in shares))
    bars = "".join(f'<tr><th scope="row">{title}</th><td><div class="bar" style="width: {100 * share / longest:.1f}%">'
                   f"</div></td><td>{percent(round(share, 3))}</td></tr>" for title, share in shares)
    return (f'<table class="bars" style="--whole: {100 / longest:.1f}%"><caption>FastV takes, of what the run without '
            f"it takes</caption><tbody>{bars}</tbody></table>")


def _shares(comparison: Comparison) -> Iterator[tuple[str, float]]:
    for row in outcome.rows_of(comparison):
        baseline, fastv = row.middles
        if baseline and fastv is not None:
            yield row.title, fastv / baseline


def _settings(comparison: Comparison) -> str:
    """What the sentence under the table leaves out."""
    prompt, visual = comparison.baseline.prompt_tokens, comparison.baseline.visual_tokens
    lines = {"Ranked by": comparison.rank if comparison.k else "chance: before layer 0 there is nothing to rank by",
             "Seed of random choices": comparison.seed,
             "Longest answer": f"{comparison.max_new_tokens} tokens", "Decoding": "greedy",
             "Prompt": f"{prompt:,} tokens, {visual:,} of them visual",
             "FLOPs": "convention “exact”: two per multiply-add, attention as the whole square, as fastv.cost counts"}
    terms = "".join(f"<dt>{title}</dt><dd>{escape(str(value))}</dd>" for title, value in lines.items())
    return f"<h2>How it was run</h2><dl>{terms}</dl>"


def _again(link: str | None) -> str:
    if not link or not link.startswith(("http://", "https://")):
        return ""
    return f'<h2>Again</h2><p class="link"><a href="{escape(link)}" rel="noreferrer">{escape(link)}</a></p>'
