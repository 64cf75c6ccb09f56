"""An example scene with its recorded answers, as the page shows it: at one setting, and at all of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from markupsafe import Markup

from fastv.app.shared.example_scenes import example, true_answer
from fastv.costs.flops import cost
from fastv.evidence.example_answers import ExampleAnswers, ExampleRun, example_answers
from fastv.evidence.many_questions import first_token_seconds, many_questions
from fastv.evidence.measurements import measured
from fastv.families.catalogue import known_shape
from fastv.families.entry import ModelEntry
from fastv.formatting import budget, day
from fastv.measurement.results import Setup
from fastv.miniature.world.captions import check_caption
from fastv.presentation.answers_html import answers, checked_body
from fastv.presentation.html import render
from fastv.presentation.seen_html import seen_picture
from fastv.presentation.side_labels import SideLabel, method_words, side_labels
from fastv.presentation.tiles_html import KINDS, NOTHING, Tile, tile, tiles
from fastv.pruning.config import PruningConfig

_TASK = "describe"


@dataclass(frozen=True)
class Shown:
    """The parts of the page at one setting, as HTML."""

    kept: Markup
    answers: Markup
    tiles: Markup
    remark: Markup


@dataclass(frozen=True)
class RecordedScene:
    """What was recorded of a model about one example scene.

    Attributes
    ----------
    entry
        The model.
    seed
        The scene's.
    record
        All that was recorded of the model.
    """

    entry: ModelEntry
    seed: int
    record: ExampleAnswers

    @property
    def source(self) -> str:
        """Where the answers come from, for people."""
        return f"Recorded on {day(self.record.date)}; press Run for your own."

    def nearest_step(self, r: float) -> int:
        """The number of the recorded R that is nearest."""
        return min(range(len(self.record.rs)), key=lambda step: abs(self.record.rs[step] - r))

    def shown(self, pruning: PruningConfig) -> Shown | None:
        """The page's parts at the recorded R nearest to a setting; None for a method or K that was not recorded."""
        run = self.record.of_scene(self.seed).get((pruning.method, pruning.k))
        if run is None:
            return None
        step = self.nearest_step(pruning.r)
        r, mask = self.record.rs[step], run.kept(step)
        labels = self._labels(pruning.method, pruning.k, r)
        rows, columns = self.record.grid
        grid = tuple(tuple(mask[row * columns : (row + 1) * columns]) for row in range(rows))
        made = example(self.seed)
        return Shown(
            seen_picture(made.picture, grid, labels[1]),
            answers(
                run.answers[0],
                run.answers[step],
                labels,
                question=self.record.question,
                source=self.source,
                check=partial(check_caption, truth=self._truth),
            ),
            tiles(self._tiles(pruning.method, pruning.k, r)),
            self._remark(pruning.method, pruning.k, r),
        )

    def data(self) -> dict[str, Any]:
        """All settings, in JSON's types, for ``scrubber.js``."""
        runs = self.record.of_scene(self.seed)
        said = list(dict.fromkeys(text for run in runs.values() for text in run.answers))
        remarks: dict[str, int] = {}
        checked = (check_caption(text, self._truth) for text in said)
        return {
            "percents": [round(100 * r, 1) for r in self.record.rs],
            "columns": self.record.grid[1],
            "source": self.source,
            "said": [checked_body(one) if one is not None else "" for one in checked],
            "names": {method: self._labels(method, 1, 0.5)[1].label for method, _ in runs},
            "runs": {
                f"{method} {k}": self._run_data(method, k, run, said, remarks) for (method, k), run in runs.items()
            },
            "remarks": list(remarks),
        }

    def _run_data(
        self, method: str, k: int, run: ExampleRun, said: list[str], remarks: dict[str, int]
    ) -> dict[str, Any]:
        return {
            "levels": run.levels,
            "said": [said.index(text) for text in run.answers],
            "tiles": [[_plain(one) for one in self._tiles(method, k, r)] for r in self.record.rs],
            "remarks": [remarks.setdefault(self._remark(method, k, r), len(remarks)) for r in self.record.rs],
        }

    @property
    def _truth(self) -> str:
        return true_answer(example(self.seed).answers, self.record.question) or ""

    def _labels(self, method: str, k: int, r: float) -> tuple[SideLabel, SideLabel]:
        plain = Setup(self.entry.key, self.entry.name, "float32", "cpu")
        return side_labels(plain, Setup(self.entry.key, self.entry.name, "float32", "cpu", k, r, method, 0))

    def _tiles(self, method: str, k: int, r: float) -> list[Tile]:
        """Work and memory by arithmetic, after reading the prompt; waiting as it was measured over the grid."""
        shape, visual = known_shape(self.entry), self.record.grid[0] * self.record.grid[1]
        sizes: dict[str, Any] = {
            "text_tokens": self.record.text_tokens,
            "visual_tokens": visual,
            "answer_tokens": 1,
        }
        whole, pruned = (
            cost(shape, **sizes, k=at, r=r if at else 0.0, convention="exact", dtype="float32") for at in (None, k)
        )
        work, memory, wait = KINDS
        return [
            tile(work, whole.prefill_flops, pruned.prefill_flops),
            tile(memory, whole.kv_cache_bytes, pruned.kv_cache_bytes),
            self._wait(wait, method, k, r),
        ]

    def _wait(self, kind: Any, method: str, k: int, r: float) -> Tile:
        found = measured(self.entry.key)
        timed = found and first_token_seconds(found, method, k, r)
        if not found or not timed:
            return NOTHING
        made = tile(kind, found.seconds(found.unpruned), timed[0])
        if timed[1]:
            return made
        return Tile(f"≈ {made.headline}", made.bars, "between measured R")

    def _remark(self, method: str, k: int, r: float) -> Markup:
        found = many_questions(self.entry.key, method, k, r, _TASK)
        if found is None:
            return Markup()
        how = f"with {method_words(PruningConfig(method, k, r))} at {budget(k, found.r)}" if found.r else ""
        return render("app/compare/scrubber/many_questions", name=self.entry.name, found=found, how=how)


def _plain(one: Tile) -> list[Any]:
    first, second = one.bars or (0, 0)
    return [one.headline, round(first, 1), round(second, 1), one.amounts]


@lru_cache(maxsize=32)
def recorded_scene(entry: ModelEntry, seed: int | None, question: str) -> RecordedScene | None:
    """What was recorded of a model about a scene and a question; None where nothing was."""
    record = example_answers(entry.key) if entry.embedded and seed is not None else None
    if record is None or seed is None or not record.of_scene(seed):
        return None
    if question.strip().rstrip(".?! ").lower() != record.question.rstrip(".").lower():
        return None
    return RecordedScene(entry, seed, record)
