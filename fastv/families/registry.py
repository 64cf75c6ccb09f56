"""The families of models that FastV knows. A new one is a module of this package and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastv.families.base import Family
from fastv.families.deepseek_vl import DeepseekVL
from fastv.families.gemma3 import Gemma3
from fastv.families.gemma4 import Gemma4
from fastv.families.generic import Generic
from fastv.families.glm4v import Glm4v
from fastv.families.granite4_vision import Granite4Vision
from fastv.families.idefics3 import Idefics3
from fastv.families.internvl import InternVL
from fastv.families.lfm2_vl import Lfm2VL
from fastv.families.llava import Llava
from fastv.families.llava_next import LlavaNext
from fastv.families.llava_onevision import LlavaOnevision
from fastv.families.mistral3 import Mistral3
from fastv.families.molmo2 import Molmo2
from fastv.families.ovis2 import Ovis2
from fastv.families.perception_lm import PerceptionLM
from fastv.families.qwen3_5 import Qwen3_5
from fastv.families.qwen3_vl import Qwen3VL
from fastv.families.qwen_vl import QwenVL
from fastv.families.video_llava import VideoLlava

if TYPE_CHECKING:
    from torch import nn

_DESCRIPTION = ("name", "model_types", "unquantized")


def registered(*families: Family) -> tuple[Family, ...]:
    """The families as they are. Raises TypeError, naming the class, where one lacks what it must tell, or tells what
    an earlier one does.
    """
    model_types: set[str] = set()
    for family in families:
        lacking = [attribute for attribute in _DESCRIPTION if not getattr(family, attribute, None)]
        if lacking:
            raise TypeError(f"{type(family).__name__} cannot be registered: it lacks {', '.join(lacking)}.")
        if taken := model_types.intersection(family.model_types):
            raise TypeError(f"{type(family).__name__} cannot be registered: {', '.join(sorted(taken))} is taken.")
        model_types.update(family.model_types)
    return families


FAMILIES = registered(
    Llava(),
    VideoLlava(),
    QwenVL(),
    Qwen3VL(),
    Qwen3_5(),
    InternVL(),
    Idefics3(),
    LlavaNext(),
    LlavaOnevision(),
    Mistral3(),
    Glm4v(),
    Gemma3(),
    Gemma4(),
    DeepseekVL(),
    Ovis2(),
    Lfm2VL(),
    Granite4Vision(),
    Molmo2(),
    PerceptionLM(),
)


def family_for(model_type: Any) -> Family | None:
    """The family of a ``config.model_type``, or None."""
    return next((family for family in FAMILIES if model_type in family.model_types), None)


def model_types() -> str:
    """The model types of all families, for a sentence: "llava, video_llava, ..."."""
    return ", ".join(name for family in FAMILIES for name in family.model_types)


def family_of(model: nn.Module) -> Family:
    """The family of a loaded model: one of ``FAMILIES``, or for other types what a look at the model finds.

    Raises UnsupportedModelError, with the reason, for a model that FastV cannot prune.
    """
    model_type = getattr(getattr(model, "config", None), "model_type", None)
    return family_for(model_type) or Generic(model)
