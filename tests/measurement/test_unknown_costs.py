"""LLaVA on towers and decoders that the cost model does not know: they run, and their FLOPs are not known."""

from __future__ import annotations

import json

import pytest
from PIL import Image
from transformers import (
    Dinov2Config,
    GemmaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    Phi3Config,
    SiglipVisionConfig,
)

from fastv.app.page import build
from fastv.app.service.model_outline import ModelOutline
from fastv.app.service.model_pool import ModelPool
from fastv.app.shared.preset_choices import choices
from fastv.cli.compare import _text
from fastv.loading.load import load
from fastv.presentation import cost_table, report
from fastv.presentation.verdict import verdict
from fastv.pruning.config import PruningConfig
from fastv.sweep.analysis.table import table
from fastv.sweep.analysis.table_text import as_markdown
from fastv.sweep.datasets.base import Sample
from fastv.sweep.run import sweep
from tests.support.compare_sides import compare
from tests.support.standins import IMAGE_TOKEN, VISUAL_TOKENS, llava_config, save_llava_checkpoint

pytestmark = pytest.mark.slow  # seconds each

_SIZES = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "max_position_embeddings",
    "pad_token_id",
)
_SMALL_TOWER = dict(
    hidden_size=24, intermediate_size=48, num_hidden_layers=3, num_attention_heads=2, image_size=56, patch_size=14
)
TEXT = {name: getattr(llava_config().text_config, name) for name in _SIZES}
PARTS = {
    "gemma": dict(text_config=GemmaConfig(**TEXT, head_dim=8)),
    "phi3": dict(text_config=Phi3Config(**TEXT)),
    "siglip": dict(vision_config=SiglipVisionConfig(**_SMALL_TOWER), vision_feature_select_strategy="full"),
    "dinov2": dict(vision_config=Dinov2Config(**_SMALL_TOWER)),
}
PICTURE = Image.effect_noise((80, 60), 90).convert("RGB")


UNKNOWN_DECODER_AND_TOWER = pytest.mark.parametrize("loaded", ["gemma", "dinov2"], indirect=True)


@pytest.fixture(scope="module", params=PARTS)
def loaded(request, tmp_path_factory):
    folder, base = tmp_path_factory.mktemp(request.param), llava_config()
    save_llava_checkpoint(folder)
    settings = dict(
        vision_config=base.vision_config,
        text_config=base.text_config,
        image_token_index=IMAGE_TOKEN,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
    )
    config = LlavaConfig(**settings | PARTS[request.param])
    LlavaForConditionalGeneration._from_config(config).save_pretrained(folder)
    return load(folder)


def test_it_is_compared_without_flops(loaded):
    assert loaded.shape is None
    *_, found = compare(loaded, PICTURE, "what ?", k=2, r=0.5, max_new_tokens=2, repeats=1)
    assert (found.baseline.visual_tokens, found.fastv.visual_tokens) == (VISUAL_TOKENS, VISUAL_TOKENS // 2)
    assert found.fastv.prefill_flops is found.fastv.total_flops is None
    assert json.loads(report.as_json(found))["fastv"]["prefill_flops"] is None
    assert "FLOPs" not in verdict(found)
    assert "not known" in cost_table.table(found) and "not known" in _text(found)
    assert report.as_html(found) and report.as_csv(found)
    (seen,) = found.baseline.seen  # the grid of its picture is known
    assert (len(seen.kept), len(seen.kept[0]), seen.lead) == (4, 4, ())


@UNKNOWN_DECODER_AND_TOWER
def test_it_is_swept_without_flops(loaded, tmp_path):
    PICTURE.save(tmp_path / "picture.png")
    samples, configs = [Sample(tmp_path / "picture.png", "what ?")], [PruningConfig(k=2, r=0.5)]
    rows = table(sweep(loaded, samples, configs, tmp_path / "records.jsonl", answer_tokens=2, timed=1), configs)
    assert [row.flops_ratio for row in rows] == [None, None]
    assert "not known" in as_markdown(rows)


@UNKNOWN_DECODER_AND_TOWER
def test_presets_that_need_no_costs_are_offered(loaded):
    offered = choices(ModelOutline.of_loaded(loaded))
    assert PruningConfig(k=2, r=0.5) in [choice.pruning for choice in offered]


@UNKNOWN_DECODER_AND_TOWER
def test_the_page_is_laid_out(loaded):
    assert build(ModelPool(loaded))
