"""Which models can be chosen: two small ones that come with the project, real ones of the hub, or any folder or hub id.

What stands here is known before anything is downloaded. The revisions are commits of the hub, so that what was tried
is what is fetched; sizes come from the published configs.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from fastv.costs.memory import parameter_count
from fastv.errors import ModelLoadError
from fastv.families.config_reader import read_shape
from fastv.families.references import REFERENCE_CONFIGS
from fastv.paths import ASSETS

DEFAULT = "mini-7"
_EMBEDDED = ASSETS / "models"
_HUB_ID = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@([\w./-]+))?")
_VICUNA = "USER: {picture}\n{question} ASSISTANT:"
_QWEN = (
    "<|im_start|>user\n<|vision_start|>{picture}<|vision_end|>{question}<|im_end|>\n<|im_start|>assistant\n, "
    "after a system line"
)
_QWEN_SPAN = (
    "one token for every 28 x 28 pixels of the picture, between <|vision_start|> and <|vision_end|>: 1,369 "
    "for 1,024 x 1,024 pixels"
)
_MAINTAINED = "The maintained line of the paper's QwenVL-Chat, whose own code current transformers cannot load. "


@dataclass(frozen=True)
class ModelEntry:
    """A model one can choose. ``source`` is a folder or a hub id; ``embedded`` ones need neither network nor GPU.

    revision: a commit, branch or tag of the hub, "main" when none was asked for. prompt: the model's chat format, for
    people. visual_span: what a picture becomes in it. visual_tokens: how many visual tokens a usual prompt has, a
    picture's, or a video's where the model is for videos.
    """

    key: str
    name: str
    source: str
    description: str
    embedded: bool = False
    revision: str = "main"
    prompt: str = ""
    visual_span: str = ""
    visual_tokens: int = 576

    @property
    def repository(self) -> str:
        """The hub id without a revision."""
        return self.source.split("@")[0]

    @property
    def parameters(self) -> int | None:
        """Number of weights, by the model's published config; None where only its own files tell."""
        return parameter_count(read_shape(REFERENCE_CONFIGS[self.key])) if self.key in REFERENCE_CONFIGS else None

    @property
    def download_bytes(self) -> int | None:
        """Bytes of the weights on the hub, 16 bits each; None when not known beforehand, 0 when nothing is fetched."""
        return 0 if self.embedded else self.parameters and 2 * self.parameters


_REAL = (
    ModelEntry(
        "llava-1.5-7b",
        "LLaVA-1.5 7B",
        "llava-hf/llava-1.5-7b-hf",
        "The model of the FastV paper.",
        revision="b234b804b114d9e37bb655e11cbbb5f5e971b7a9",
        prompt=_VICUNA,
        visual_span="576 tokens for every picture, in place of <image>",
    ),
    ModelEntry(
        "llava-1.5-13b",
        "LLaVA-1.5 13B",
        "llava-hf/llava-1.5-13b-hf",
        "The paper's larger model.",
        revision="5dda2880bda009266dda7c4baff660b95ca64540",
        prompt=_VICUNA,
        visual_span="576 tokens for every picture, in place of <image>",
    ),
    ModelEntry(
        "video-llava-7b",
        "Video-LLaVA 7B",
        "LanguageBind/Video-LLaVA-7B-hf",
        "The paper's model for videos; it takes pictures too.",
        revision="4cf9d8cfc76a54f46a4cb43be5368b46b7f0d736",
        prompt=_VICUNA,
        visual_tokens=2_056,
        visual_span="256 tokens for a picture, in place of <image>; 2,056 for the 8 frames of a video, in place of "
        "<video>",
    ),
    ModelEntry(
        "qwen2-vl-2b",
        "Qwen2-VL 2B",
        "Qwen/Qwen2-VL-2B-Instruct",
        _MAINTAINED + "Small enough for a laptop.",
        revision="895c3a49bc3fa70a340399125c650a463535e71c",
        prompt=_QWEN,
        visual_span=_QWEN_SPAN,
        visual_tokens=1_369,
    ),
    ModelEntry(
        "qwen2-vl-7b",
        "Qwen2-VL 7B",
        "Qwen/Qwen2-VL-7B-Instruct",
        _MAINTAINED.strip(),
        revision="eed13092ef92e448dd6875b2a00151bd3f7db0ac",
        prompt=_QWEN,
        visual_span=_QWEN_SPAN,
        visual_tokens=1_369,
    ),
    ModelEntry(
        "qwen2.5-vl-3b",
        "Qwen2.5-VL 3B",
        "Qwen/Qwen2.5-VL-3B-Instruct",
        _MAINTAINED + "The successor of Qwen2-VL.",
        revision="66285546d2b821cf421d4f5eb2576359d3770cd3",
        prompt=_QWEN,
        visual_span=_QWEN_SPAN,
        visual_tokens=1_369,
    ),
    ModelEntry(
        "qwen2.5-vl-7b",
        "Qwen2.5-VL 7B",
        "Qwen/Qwen2.5-VL-7B-Instruct",
        _MAINTAINED + "The successor of Qwen2-VL.",
        revision="cc594898137f460bfe9f0759e9844b3ce807cfb5",
        prompt=_QWEN,
        visual_span=_QWEN_SPAN,
        visual_tokens=1_369,
    ),
)


def _catalogue() -> tuple[ModelEntry, ...]:
    span = "576 tokens for every picture, in place of <image>"
    embedded = (
        ModelEntry(
            "mini-7",
            "Mini 7",
            str(_EMBEDDED / "mini-7"),
            "A small LLaVA that comes with the project and knows "
            "its own drawn scenes. Runs on a laptop, without network.",
            embedded=True,
            prompt=_VICUNA,
            visual_span=span,
        ),
        ModelEntry(
            "mini-13",
            "Mini 13",
            str(_EMBEDDED / "mini-13"),
            "Its larger twin, as 13B is to 7B. Runs on a laptop, without network.",
            embedded=True,
            prompt=_VICUNA,
            visual_span=span,
        ),
    )
    return tuple(entry for entry in embedded if entry.key == DEFAULT or Path(entry.source).is_dir()) + _REAL


CATALOGUE = _catalogue()


def find(name: str | os.PathLike[str]) -> ModelEntry:
    """The entry for a catalogue key, a local folder or a hub id, "owner/name" or "owner/name@revision".

    Raises ModelLoadError when ``name`` is none of them. Whether the model can be loaded shows only in ``loading.load``.
    """
    name = os.fspath(name)
    for entry in CATALOGUE:
        if name in (entry.key, entry.source):
            return entry
    folder = Path(name)
    if name.strip() and folder.is_dir():
        return ModelEntry(name, folder.resolve().name, str(folder), "A model in a folder of this machine.")
    if (match := _HUB_ID.fullmatch(name)) and not folder.is_absolute():
        repository, revision = match.groups()
        return ModelEntry(
            name, repository.split("/")[1], name, "A model of the Hugging Face hub.", revision=revision or "main"
        )
    keys = ", ".join(entry.key for entry in CATALOGUE)
    raise ModelLoadError(
        f"There is no model “{name}”: choose one of {keys}, or give a model folder or a hub id (owner/name)."
    )
