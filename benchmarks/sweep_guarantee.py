"""How often a sweep's recommendation breaks its promise, over synthetic sweeps whose true losses are known.

    python benchmarks/sweep_guarantee.py --record benchmarks/measured/sweep_guarantee.json

In each sweep settings of growing savings lose different amounts, some of them exactly what is accepted or a little
more. All are asked the same questions, some of which are hard for every setting. The sweep is looked at after every
window of questions, and settings that are out are asked no further. The recommendation is judged at the first look that
has one, where a test that does not expect looks would be wrong most often, and at the end of all questions. The promise
is broken where a setting passes that truly loses what is accepted or more.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from fastv.stats import Score, holm
from fastv.sweep.analysis.recommendation import LEVEL
from fastv.sweep.analysis.sequential_test import LossTest

TOLERANCES = (0.005, 0.01, 0.02, 0.05)
TRUE_LOSSES = (-0.5, 0.0, 0.25, 0.5, 0.9, 1.0, 1.0, 1.0, 1.02, 1.1, 1.25, 1.5, 2.0, 4.0)  # in tolerances


def one_sweep(rng: np.random.Generator, settings: argparse.Namespace) -> dict[str, Any]:
    """Whether it recommended something wrong, something at all, and after how many questions."""
    tolerance = float(rng.choice(TOLERANCES))
    losses = tolerance * rng.choice(TRUE_LOSSES, settings.settings)
    changes = np.abs(losses) + tolerance * rng.uniform(0, 4, settings.settings)  # answers right on one side alone
    tests, live = [LossTest(tolerance) for _ in losses], np.ones(len(losses), dtype=bool)
    first: set[int] | None = None
    passing: set[int] = set()
    asked = spent = 0
    while asked < settings.questions and live.any():
        hard = rng.random(settings.window)  # one draw a question, which all settings share in part
        for index in np.flatnonzero(live):
            own = np.where(rng.random(settings.window) < settings.alike, hard, rng.random(settings.window))
            down = (changes[index] + losses[index]) / 2
            tests[index].add(np.where(own < down, 1.0, np.where(own < changes[index], -1.0, 0.0)))
            spent += settings.window
        asked += settings.window
        live = np.array([test.p_above > LEVEL for test in tests])
        passing = {index for index, p in enumerate(holm([test.p_below for test in tests])) if p <= LEVEL}
        if first is None and passing:
            first = set(passing)
    too_much = set(np.flatnonzero(losses > tolerance - 1e-12))  # at the tolerance itself the test must hold as well
    return {
        "tolerance": tolerance,
        "broken_at_first": bool(first and first & too_much),
        "broken_at_the_end": bool(passing & too_much),
        "recommended": bool(passing),
        "safe_found": len(passing - too_much),
        "safe": settings.settings - len(too_much),
        "share_asked": spent / (settings.settings * settings.questions),
    }


def main() -> None:
    settings = arguments()
    rng = np.random.default_rng(settings.seed)
    sweeps = [one_sweep(rng, settings) for _ in range(settings.sweeps)]

    def share(name: str) -> dict[str, float]:
        score = Score.of([bool(one[name]) for one in sweeps])
        return {"count": int(score.right), "share": score.share, "low": score.low, "high": score.high}

    found = {
        "settings": {name: value for name, value in vars(settings).items() if name != "record"},
        "level": LEVEL,
        "broken_at_first_recommendation": share("broken_at_first"),
        "broken_at_the_end": share("broken_at_the_end"),
        "recommended": share("recommended"),
        "safe_settings_found": sum(one["safe_found"] for one in sweeps) / sum(one["safe"] for one in sweeps),
        "share_of_answers_asked": sum(one["share_asked"] for one in sweeps) / len(sweeps),
        "by_tolerance": {
            str(tolerance): {
                "sweeps": len(some),
                "broken": sum(one["broken_at_first"] or one["broken_at_the_end"] for one in some),
                "recommended": sum(one["recommended"] for one in some),
            }
            for tolerance in TOLERANCES
            if (some := [one for one in sweeps if one["tolerance"] == tolerance])
        },
    }
    print(json.dumps(found, indent=1))
    if settings.record:
        settings.record.write_text(json.dumps(found, indent=1) + "\n")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweeps", type=int, default=1_000)
    parser.add_argument("--settings", type=int, default=12, help="settings of each sweep")
    parser.add_argument("--questions", type=int, default=1_536, help="of each sweep")
    parser.add_argument("--window", type=int, default=32, help="questions between two looks")
    parser.add_argument("--alike", type=float, default=0.5, help="how far settings fail on the same questions, 0 to 1")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", type=Path, help="write the result to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
