"""A small task for lmms-eval: drawn scenes and one question, as its YAML, its functions and a Parquet file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fastv.miniature.world.scenes import scene

QUESTION = "What colour is the background?"
_YAML = """\
task: scenes
dataset_path: parquet
dataset_kwargs:
  data_files:
    test: {file}
test_split: test
output_type: generate_until
doc_to_visual: !function scenes_task.pictures
doc_to_text: !function scenes_task.question
doc_to_target: answer
process_results: !function scenes_task.right
generation_kwargs:
  max_new_tokens: 8
metric_list:
  - metric: right
    aggregation: mean
    higher_is_better: true
metadata:
  version: 1.0
"""
_FUNCTIONS = """\
def pictures(doc):
    return [doc["image"].convert("RGB")]


def question(doc, lmms_eval_specific_kwargs=None):
    return doc["question"]


def right(doc, results):
    return {"right": float(results[0].strip().rstrip(".").lower() == doc["answer"].lower())}
"""


def write_task(folder: Path, scenes: Iterable[int]) -> list[Path]:
    """Write the task "scenes" into a folder for ``--include_path``; returns its pictures. Needs ``datasets``."""
    import datasets

    pictures, rows = [], []
    for seed in scenes:
        made = scene(seed)
        pictures.append(folder / f"{seed}.png")
        made.picture.save(pictures[-1])
        rows.append({"image": str(pictures[-1]), "question": QUESTION, "answer": made.colour})
    table = datasets.Dataset.from_list(rows).cast_column("image", datasets.Image())
    table.to_parquet(folder / "scenes.parquet")
    (folder / "scenes.yaml").write_text(_YAML.format(file=folder / "scenes.parquet"))
    (folder / "scenes_task.py").write_text(_FUNCTIONS)
    return pictures
