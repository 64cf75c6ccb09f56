"""What pruning costs, and on what: every group of questions under many prunings, into one record.

The record holds which questions are right (a bit each, as ``fastv.evidence.measurements.packed`` writes them), so that
any two prunings, of the same model or of two models, can be compared question by question.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

from fastv.evidence.measurements import packed
from fastv.miniature.evaluation.caption_scores import caption_f1, cider
from fastv.miniature.next.evaluation.dataset import benchmark
from fastv.miniature.next.evaluation.probe import Prober, Pruning
from fastv.miniature.next.world.question_templates import GROUPS, TASKS
from fastv.miniature.next.world.rendering import parameters, render
from fastv.miniature.next.world.scenes import GRID, MOST_THINGS

FIRST_SCENE = 100_000  # scenes from here on are asked about


class Exhibit:
    """The groups' question sets for some models on one tower."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        count: int,
        *,
        first: int = FIRST_SCENE,
        groups: Sequence[str] = GROUPS,
    ):
        self.tokenizer = tokenizer
        self.items = {group: benchmark(group, count, first=first) for group in groups}
        self._features: dict[str, Tensor] = {}

    def probers(self, model: LlavaForConditionalGeneration, batch: int = 128) -> dict[str, Prober]:
        """One prober a group. All models must have the same tower."""
        probers = {}
        for group, items in self.items.items():
            probers[group] = Prober(model, self.tokenizer, items, batch=batch, features=self._features.get(group))
            self._features[group] = probers[group].features
        return probers

    def questions(self) -> dict[str, Any]:
        """What was asked: for each group the tasks' numbers, and what of each question training had seen."""
        return {
            "tasks": list(TASKS),
            "groups": {
                group: {
                    "task": [TASKS.index(item.question.task) for item in items],
                    "phrasing_seen": packed([item.question.seen for item in items]),
                    "fact_seen": packed([item.question.fact_seen for item in items]),
                    "layout_seen": packed([not item.held_out for item in items]),
                }
                for group, items in self.items.items()
            },
        }

    def point(self, probers: dict[str, Prober], pruning: Pruning | None, *, soft: bool) -> dict[str, Any]:
        """One pruning's record; ``soft`` adds F1 and CIDEr of captions, for which wrong ones are generated."""
        record: dict[str, Any] = {"pruning": pruning and asdict(pruning), "right": {}, "share": {}}
        for group, prober in probers.items():
            answers = prober.run(pruning)
            record["right"][group] = packed(answers.right.tolist())
            record["share"][group] = round(float(answers.right.float().mean()), 4)
            if soft and group == "captions":
                truths = [item.question.answer for item in prober.items]
                said = list(truths)
                wrong = [index for index, right in enumerate(answers.right.tolist()) if not right]
                for index, text in zip(wrong, prober.generate(wrong, pruning), strict=True):
                    said[index] = text
                scores = [caption_f1(answer, truth) for answer, truth in zip(said, truths, strict=True)]
                record["caption_f1"] = [round(score, 3) for score in scores]
                record["cider"] = round(fmean(cider(said, truths)), 4)
                record["share"]["caption F1"] = round(fmean(scores), 4)
        return record

    def kept_by_content(self, prober: Prober, pruning: Pruning) -> dict[str, float]:
        """Which share is kept of the patches of large and small things, of background near and far from things.

        ``fixed`` is how much of what is kept are the patches that the whole set keeps most often: 1 if the picture
        decides nothing, ``1 - pruning.r`` if it decides all.
        """
        kept = prober.kept(pruning)
        owners = render(parameters([item.scene for item in prober.items]).to("cpu"))[1]
        large = torch.tensor(
            [
                [thing.large for thing in item.scene.things] + [False] * (MOST_THINGS - len(item.scene.things))
                for item in prober.items
            ]
        )
        thing = owners >= 0
        is_large = thing & large.gather(1, owners.clamp(min=0))
        around = max_pool2d(thing.float().view(-1, 1, GRID, GRID), 5, 1, 2).flatten(1) > 0
        parts = {"large": is_large, "small": thing & ~is_large, "near": around & ~thing, "far": ~around}
        often = kept.float().mean(0).topk(pruning.keep).indices
        shares = {name: round(float(kept[part].float().mean()), 3) for name, part in parts.items()}
        return {**shares, "fixed": round(float(kept[:, often].float().mean()), 3)}

    def reading_order(self, prober: Prober, pruning: Pruning, most: int = 3) -> list[float]:
        """The share kept of the 1st, 2nd and 3rd large thing's patches, in captions of pictures with three of them."""
        kept = prober.kept(pruning)
        sums = torch.zeros(most, 2)
        for row, item in enumerate(prober.items):
            large = [index for index, thing in enumerate(item.scene.things) if thing.large]
            if len(large) != most:
                continue
            owners = render(parameters([item.scene]).to("cpu"))[1][0]
            for place, index in enumerate(large):
                own = owners == index
                sums[place] += torch.tensor([float(kept[row][own].sum()), float(own.sum())])
        return [round(float(part / whole), 3) for part, whole in sums]


def measure(
    exhibit: Exhibit,
    model: LlavaForConditionalGeneration,
    prunings: Iterable[Pruning | None],
    *,
    soft: Sequence[Pruning | None] = (None,),
    until: float = float("inf"),
    batch: int = 128,
) -> dict[str, Any]:
    """All ``prunings`` in order, as far as time (``time.perf_counter()`` < ``until``) allows, and the attention shares
    by layer.
    """
    probers = exhibit.probers(model, batch)
    record: dict[str, Any] = {
        "layers": len(model.model.language_model.layers),
        "attention": {
            group: [[round(part, 4) for part in layer] for layer in prober.shares()]
            for group, prober in probers.items()
        },
        "points": [],
    }
    for pruning in prunings:
        if time.perf_counter() > until:
            break
        record["points"].append(exhibit.point(probers, pruning, soft=pruning in soft))
    return record
