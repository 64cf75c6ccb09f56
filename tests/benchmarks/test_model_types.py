"""The table of model types: whole, of this or another release, and what its command finds again."""

from __future__ import annotations

import json

import pytest
import transformers
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

from fastv.families.registry import FAMILIES
from fastv.paths import ASSETS
from tests.support.benchmark_scripts import script

RECORD = json.loads((ASSETS / "measured" / "model_types" / "exactness.json").read_text(encoding="utf-8"))
ROWS = {row["model_type"]: row for row in RECORD["types"]}
SAMPLE = ("internvl", "molmo2", "qwen3_vl", "gemma4_unified", "mllama", "idefics2", "lfm2_vl")


def test_the_table_covers_the_installed_release_or_says_it_is_of_another():
    if RECORD["transformers"] == transformers.__version__:
        assert set(ROWS) == set(MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES)
    assert len(ROWS) == len(RECORD["types"]) >= 90


def test_every_row_says_what_was_found():
    for row in ROWS.values():
        assert row["status"] in ("exact", "refused", "differs", "not run")
        assert row["difference"] < 1e-4 if row["status"] == "exact" else row["reason"]


def test_named_families_are_exact():
    named = {name for family in FAMILIES for name in family.model_types}
    assert {name for name in named if ROWS[name]["status"] != "exact"} == set()


@pytest.mark.slow
def test_a_sample_is_found_as_it_stands_in_the_table():
    with script("model_types") as module:
        for model_type in SAMPLE:
            if model_type not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
                continue
            row = module.checked(model_type)
            assert (row["status"], row.get("limit")) == (ROWS[model_type]["status"], ROWS[model_type].get("limit"))
