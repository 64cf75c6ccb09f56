"""Tiny random-weight models with the real classes: what the tests run on in place of downloaded weights.

One file per family in ``family_standins``, and one line per model type in ``STANDINS``; the tests of all families go
through that.
"""

from __future__ import annotations

from pathlib import Path

from tests.support.family_standins.base import (
    END,
    IMAGE_TOKEN,
    PICTURE,
    QUESTION_WORDS,
    ROWS,
    START,
    VIDEO,
    VIDEO_TOKEN,
    VOCABULARY,
    WIDE,
    StandIn,
)
from tests.support.family_standins.deepseek_vl import DeepseekVLStandIn
from tests.support.family_standins.gemma3 import Gemma3StandIn
from tests.support.family_standins.gemma4 import Gemma4StandIn
from tests.support.family_standins.glm4v import Glm4vStandIn, Glm46VStandIn
from tests.support.family_standins.granite4_vision import Granite4VisionStandIn
from tests.support.family_standins.idefics3 import Idefics3StandIn, SmolVLMStandIn
from tests.support.family_standins.internvl import InternVLStandIn
from tests.support.family_standins.lfm2_vl import Lfm2VLStandIn
from tests.support.family_standins.llava import (
    PATCH,
    SIDE,
    VISUAL_TOKENS,
    LlavaStandIn,
    llava_config,
    llava_inputs,
    save_llava_checkpoint,
    tiny_llava,
)
from tests.support.family_standins.llava_next import LlavaNextStandIn, LlavaOnevisionStandIn
from tests.support.family_standins.mistral3 import Mistral3StandIn
from tests.support.family_standins.molmo2 import Molmo2StandIn
from tests.support.family_standins.ovis2 import Ovis2StandIn
from tests.support.family_standins.perception_lm import PerceptionLMStandIn
from tests.support.family_standins.qwen3_5 import Qwen3_5MoeStandIn, Qwen3_5StandIn
from tests.support.family_standins.qwen3_vl import Qwen3VLMoeStandIn, Qwen3VLStandIn
from tests.support.family_standins.qwen_vl import Qwen2_5VLStandIn, Qwen2VLStandIn
from tests.support.family_standins.video_llava import VideoLlavaStandIn

__all__ = [
    "ALL_STANDINS",
    "END",
    "FURTHER_STANDINS",
    "IMAGE_TOKEN",
    "PATCH",
    "PICTURE",
    "QUESTION_WORDS",
    "ROWS",
    "SIDE",
    "STANDINS",
    "START",
    "VIDEO",
    "VIDEO_TOKEN",
    "VISUAL_TOKENS",
    "VOCABULARY",
    "WIDE",
    "StandIn",
    "llava_config",
    "llava_inputs",
    "save_checkpoint",
    "save_llava_checkpoint",
    "tiny_llava",
]

#: What every test of all families runs on.
STANDINS: dict[str, StandIn] = {
    one.key: one for one in (LlavaStandIn(), VideoLlavaStandIn(), Qwen2VLStandIn(), Qwen2_5VLStandIn())
}
#: Families that share the engine's paths with those: the properties of ``tests/families/test_further_families.py``.
FURTHER_STANDINS: dict[str, StandIn] = {
    one.key: one
    for one in (
        Qwen3VLStandIn(),
        Qwen3VLMoeStandIn(),
        Qwen3_5StandIn(),
        Qwen3_5MoeStandIn(),
        InternVLStandIn(),
        Idefics3StandIn(),
        SmolVLMStandIn(),
        LlavaNextStandIn(),
        LlavaOnevisionStandIn(),
        Mistral3StandIn(),
        Glm4vStandIn(),
        Glm46VStandIn(),
        Gemma3StandIn(),
        Gemma4StandIn(),
        DeepseekVLStandIn(),
        Ovis2StandIn(),
        Lfm2VLStandIn(),
        Granite4VisionStandIn(),
        Molmo2StandIn(),
        PerceptionLMStandIn(),
    )
}
ALL_STANDINS = STANDINS | FURTHER_STANDINS


def save_checkpoint(key: str, folder: Path, **shape) -> None:
    """Model, tokenizer, picture processor and chat template of a model type's stand-in, in files."""
    ALL_STANDINS[key].save(folder, **shape)
