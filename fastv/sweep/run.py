"""What FastV costs in quality, and what it saves, on your own pictures and questions.

    python -m fastv.sweep llava-1.5-7b questions.csv -k 2 3 -r 0.5 0.75

questions.csv names a picture and a question in each line and, where it is known, the answer; its first line is
``picture,question,answer``. An answer is right as a whole or not at all, so ask for short ones. Each question is answered
without FastV and in turn at each (K, R), greedily. What comes of it is written to a file line by line: the same command goes
on where it was ended. In the end a table says at each (K, R) how many answers stayed the same, how many are right, and what
time and FLOPs they took of those without FastV.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from fastv.costs.flops import check_budget, cost
from fastv.errors import FastVError, InvalidInputError
from fastv.families.config_reader import read_shape
from fastv.formatting import budget, percent, points, times
from fastv.inputs.answer_matching import is_match, matches_any
from fastv.inputs.image import check_question, open_picture
from fastv.inputs.prompt import answer_text, prompt_of
from fastv.inputs.question_csv import Item, read_questions
from fastv.loading.load import LoadedModel, free_memory, is_out_of_memory, load
from fastv.measurement.machine import Machine
from fastv.measurement.timing import generate
from fastv.pruning.config import PruningConfig
from fastv.pruning.methods.registry import METHODS, method_name, with_method
from fastv.stats import Change, Ratio, Score


@dataclass(frozen=True)
class Row:
    """One (K, R, ranking) over all questions, against the same model without FastV (``k`` None: that itself).

    same: answers that say what they said without FastV. right, change: where the right answers are known. first_token,
    whole_answer: seconds, question by question. flops: the whole answers' share of those without FastV.
    """

    k: int | None
    r: float
    method: str | None
    same: Score
    right: Score | None
    change: Change | None
    first_token: Ratio
    whole_answer: Ratio
    flops: float


def sweep(
    loaded: LoadedModel,
    items: Sequence[Item],
    budgets: Sequence[PruningConfig],
    path: Path,
    *,
    answer_tokens: int = 32,
    tell: Callable[[int], None] = lambda done: None,
) -> list[dict[str, Any]]:
    """Asks what ``path`` does not hold yet; returns a record for each question: its answers, without FastV first.

    A record has ``answers``, ``tokens``, ``prefill_seconds``, ``total_seconds`` and ``flops`` (exact, prompt and answer) of
    all sides, or a ``problem`` where the question could not be asked. tell: called with the number of records there are.
    Raises InvalidBudgetError for a layer the model does not have, and InvalidInputError where the file is of another sweep.
    """
    read_shape(loaded.model.config)  # what cannot be costed is refused before it is answered
    for one in budgets:
        check_budget(one.k, one.r, len(loaded.family.decoder(loaded.model).layers))
    header = _header(loaded, items, budgets, answer_tokens)
    records = _resumed(path, header)
    fresh = path.with_name(f"{path.name}.new")  # the file is either the old one or the new one, whatever happens
    fresh.write_text("".join(_line(record) for record in (header, *records)), encoding="utf-8")
    os.replace(fresh, path)
    with path.open("a", encoding="utf-8") as file:
        warm = False
        for item in items[len(records) :]:
            file.flush()
            tell(len(records))
            try:
                if not warm:  # the first passes of a process are slow
                    _asked(loaded, item, budgets, answer_tokens)
                records.append(_asked(loaded, item, budgets, answer_tokens))
                warm = True
            except InvalidInputError as error:
                records.append({"problem": str(error)})
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                records.append(
                    {"problem": "the memory ran out: a smaller picture, a shorter answer or the dtype 4bit may do."}
                )
            if "problem" in records[-1]:
                free_memory(loaded.device)
            file.write(_line(records[-1]))
    tell(len(records))
    return records


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"


def _asked(loaded: LoadedModel, item: Item, budgets: Sequence[PruningConfig], answer_tokens: int) -> dict[str, Any]:
    question = check_question(item.question, loaded.processor.tokenizer)
    prompt = prompt_of(loaded, open_picture(item.picture), question, answer_tokens=answer_tokens)
    record: dict[str, list] = {name: [] for name in ("answers", "tokens", "prefill_seconds", "total_seconds", "flops")}
    for one in (None, *budgets):
        with loaded.lock, one.build()(loaded.model) if one else nullcontext():
            found = generate(loaded.model, prompt.inputs, max_new_tokens=answer_tokens)
        spent = cost(
            loaded.model.config,
            text_tokens=prompt.tokens - prompt.visual_tokens,
            visual_tokens=prompt.visual_tokens,
            answer_tokens=len(found.tokens),
            k=one and one.k,
            r=one.r if one else 0.0,
            convention="exact",
        )
        for name, value in (
            ("answers", answer_text(loaded, found.tokens)),
            ("tokens", len(found.tokens)),
            ("prefill_seconds", found.prefill_seconds),
            ("total_seconds", found.total_seconds),
            ("flops", spent.total_flops),
        ):
            record[name].append(value)
    return record


def _header(
    loaded: LoadedModel, items: Sequence[Item], budgets: Sequence[PruningConfig], answer_tokens: int
) -> dict[str, Any]:
    digest = hashlib.sha256()
    for item in items:
        digest.update(json.dumps([item.question, item.answers]).encode() + item.picture.read_bytes())
    return {
        "model": loaded.entry.key,
        "dtype": loaded.dtype,
        "questions": digest.hexdigest()[:16],
        "answer_tokens": answer_tokens,
        "budgets": [one.to_dict() for one in budgets],
        "machine": asdict(Machine.here(loaded.device)),
    }


def _resumed(path: Path, header: dict[str, Any]) -> list[dict[str, Any]]:
    """What is there of the same sweep; a last line that was cut off is asked again."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    try:
        before, *records = map(json.loads, lines)
        if isinstance(before.get("budgets"), list):  # older versions wrote ``rank``
            before["budgets"] = [with_method(one) for one in before["budgets"]]
        other = [name for name in header if before.get(name) != header[name]]
    except (ValueError, AttributeError) as error:
        raise InvalidInputError(f"{path} holds no sweep: remove it, or write to another file.") from error
    if other:
        raise InvalidInputError(
            f"{path} is of another sweep, as its {other[0]} tells: remove it, or write to another file."
        )
    return records


def table(items: Sequence[Item], budgets: Sequence[PruningConfig], records: Sequence[dict[str, Any]]) -> list[Row]:
    """A row for the model without FastV, then one for each budget, over the questions that could be asked.

    Raises InvalidInputError where there is none.
    """
    asked = [(item, record) for item, record in zip(items, records) if "answers" in record]
    if not asked:
        raise InvalidInputError("No question could be asked. " + next((record["problem"] for record in records), ""))
    return [_row(asked, one, number) for number, one in enumerate((None, *budgets))]


def _row(asked: Sequence[tuple[Item, dict[str, Any]]], one: PruningConfig | None, number: int) -> Row:
    def both(name: str) -> tuple[list, list]:
        return tuple([record[name][side] for _, record in asked] for side in (0, number))

    said, flops = both("answers"), both("flops")
    known = [(item, record["answers"]) for item, record in asked if item.answers]
    before, after = ([matches_any(answers[side], item.answers) for item, answers in known] for side in (0, number))
    return Row(
        one and one.k,
        one.r if one else 0.0,
        one and one.chosen_by,
        Score.of([is_match(text, first) for first, text in zip(*said)]),
        Score.of(after) if known else None,
        Change.of(before, after) if known and one else None,
        Ratio.of(*both("prefill_seconds")),
        Ratio.of(*both("total_seconds")),
        sum(flops[1]) / sum(flops[0]),
    )


def as_markdown(rows: Sequence[Row]) -> str:
    """The rows as people read them, with their 95% intervals."""
    lines = [
        "| | same answer | right | change, points | first token | whole answer | FLOPs |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        name = (
            "without FastV"
            if row.k is None
            else budget(row.k, row.r) + ("" if row.method == "fastv" else f", {row.method}")
        )
        cells = [
            _scored(row.same),
            _scored(row.right),
            _changed(row.change),
            _taken(row.first_token),
            _taken(row.whole_answer),
            percent(row.flops),
        ]
        if row.k is None:  # against itself all but what is right goes without saying
            cells = ["", cells[1], "", "", "", ""]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _scored(score: Score | None) -> str:
    return "" if score is None else f"{percent(score.share)} ({percent(score.low)} to {percent(score.high)})"


def _changed(found: Change | None) -> str:
    return "" if found is None else f"{points(found.share)} ({points(found.low)} to {points(found.high)})"


def _taken(found: Ratio) -> str:
    return times(found.share) + (f" ({found.low:.2f} to {found.high:.2f})" if found.rounds > 1 else "")


def _told(items: Sequence[Item], records: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What the table leaves out."""
    problems = [(item, record["problem"]) for item, record in zip(items, records) if "problem" in record]
    known = sum(bool(item.answers) for item in items)
    yield (
        f"{len(records) - len(problems):,} questions, the right answer of {known:,} known. In brackets 95% intervals; time "
        "and FLOPs of what the model takes without FastV, time as the median over the questions."
    )
    for item, problem in problems:
        yield f"Not asked: {item.picture.name}, “{item.question}”: {problem}"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m fastv.sweep", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="a name of the catalogue, a folder, or a hub id")
    parser.add_argument("questions", type=Path, help="the CSV file")
    parser.add_argument(
        "-k", type=int, nargs="+", default=[2], help="drop on entering these decoder layers (default: 2)"
    )
    parser.add_argument(
        "-r", type=float, nargs="+", default=[0.5, 0.75], help="drop these fractions (default: 0.5 0.75)"
    )
    parser.add_argument(
        "--method",
        "--rank",
        type=method_name,
        choices=METHODS,
        default="fastv",
        help="what chooses the tokens that are kept (default: fastv)",
    )
    parser.add_argument("--dtype", default="auto", help="auto, float32, bfloat16, float16, 8bit or 4bit")
    parser.add_argument("--answer-tokens", type=int, default=32, help="the longest answer (default: 32)")
    parser.add_argument(
        "--output", type=Path, help="where it is written (default: here, named after the questions and the model)"
    )
    settings = parser.parse_args()
    name = re.sub(r"[^A-Za-z0-9.]+", "-", settings.model).strip("-")
    output = settings.output or Path(f"{settings.questions.stem}.{name}.jsonl")
    try:
        items = read_questions(settings.questions)
        budgets = [PruningConfig(settings.method, k, r) for k in settings.k for r in settings.r]
        with tqdm(total=len(items), unit="question", dynamic_ncols=True) as bar:
            loaded = load(settings.model, dtype=settings.dtype, report=lambda at: bar.set_postfix_str(at.sentence))
            bar.set_postfix_str("")
            records = sweep(
                loaded,
                items,
                budgets,
                output,
                answer_tokens=settings.answer_tokens,
                tell=lambda done: bar.update(done - bar.n),
            )
        print(as_markdown(table(items, budgets, records)))
        print("\n" + "\n".join(_told(items, records)) + f"\nAll answers: {output}")
    except FastVError as error:
        raise SystemExit(str(error)) from None
    except OSError as error:
        raise SystemExit(f"{output} cannot be written: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(f"Stopped. The same command goes on from {output}.") from None
