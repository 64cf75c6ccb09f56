"""The tables of benchmarks in the README are what the runs on record give."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.benchmark_scripts import BENCHMARKS, script

README = " ".join((Path(__file__).parents[2] / "README.md").read_text().split())


def recorded(name):
    return json.loads((BENCHMARKS / "measured" / f"{name}.json").read_text())


def objects(part):
    return json.loads(json.dumps(part), object_hook=lambda names: SimpleNamespace(**names))


def words(text):
    return " ".join(text.split())


def test_the_table_of_small_machines():
    record = recorded("edge")
    rows = objects(record["rows"])
    with script("edge") as edge:
        assert len(rows) == 8 and edge.HEAD in README
        assert all(words(edge.line(row)) in README for row in rows)
    settings = record["settings"]
    stated = f"K={settings['k']}, R={settings['r']:.0%}; medians of {settings['repeats']} runs"
    assert stated in README and f"{settings['text']} text and 576 visual tokens" in README


def test_the_table_of_the_load():
    record = recorded("load")
    crowd = objects(record["crowd"])
    with script("load") as load:
        assert words(load.summary(crowd, record["soak"])) in README
        assert load.is_fine(crowd, record["soak"])


def test_how_long_a_visitor_of_a_space_waits():
    record = recorded("waiting")
    python, torch = (".".join(record[name].split(".")[:2]) for name in ("python", "torch"))
    assert f"a clean Python {python} with torch {torch}" in README
    assert f"first pair of answers {record['first_answer_seconds']:.0f} s after" in README
    pairs = [f"{pair['median_seconds']:.1f} s of `{model}`" for model, pair in record["pairs"].items()]
    assert f"a further pair takes {' and '.join(pairs)}" in README


def test_what_fastv_saves_of_reading_a_prompt():
    record = recorded("prefill")
    before, after = record["baseline"], record["fastv"]
    measured = before["seconds"]["median"] / after["seconds"]["median"]
    predicted = before["flops"] / after["flops"]
    assert (
        f"{measured:.2f} times as fast where the decoder's FLOPs predict {predicted:.2f} ({measured / predicted:.0%} "
        f"of it), {record['fastv_share']['median']:.1%} of the prefill spent ranking and gathering, and a peak "
        f"{(before['peak_bytes'] - after['peak_bytes']) / 2**20:.1f} MiB below the baseline's "
        f"{before['peak_bytes'] / 2**30:.2f} GiB"
    ) in README
    names = {"k": "-k", "r": "-r"}
    stated = " ".join(
        f"{names.get(name, f'--{name}')} {record['settings'][name]}"
        for name in ("width", "layers", "visual", "text", "k", "r", "threads")
    )
    assert f"python benchmarks/prefill.py {stated}`" in README


@pytest.mark.parametrize("name", sorted(path.stem for path in BENCHMARKS.glob("*.py")))
def test_every_benchmark_starts(name):
    with script(name) as module:
        assert callable(module.main) and f"python benchmarks/{name}.py" in module.__doc__
