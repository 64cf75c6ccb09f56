"""lmms-eval's chat messages as a model's inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from fastv.errors import InvalidInputError
from fastv.inputs.image import opaque, open_picture
from fastv.inputs.video import Clip, no_videos, open_video
from fastv.loading.load import LoadedModel


def inputs_of(loaded: LoadedModel, chats: Sequence[Sequence[dict[str, Any]]]) -> dict[str, Any]:
    """The processor's tensors for several chats, padded on the left, on the model's device.

    Parameters
    ----------
    loaded
        The model.
    chats
        Each a list of messages as ``ChatMessages.to_hf_messages`` gives them: pictures as PIL images or paths, videos
        as paths.

    Raises
    ------
    InvalidInputError
        For videos where the model reads none, for sound, and for chats of several turns where the checkpoint has no
        chat template.
    """
    pictures: list[Image.Image] = []
    clips: list[Clip] = []
    for part in (part for chat in chats for message in chat for part in message["content"]):
        if part["type"] == "image":
            pictures.append(_picture(part["image"]))
        elif part["type"] == "video":
            clips.append(_clip(loaded, part["video"]))
        elif part["type"] != "text":
            raise InvalidInputError(f"{loaded.entry.name} reads text, images and videos, not “{part['type']}”.")
    shown: dict[str, Any] = {"images": pictures} if pictures else {}
    if clips:
        shown |= {"videos": [list(clip.frames) for clip in clips], "video_metadata": [clip.metadata for clip in clips]}
    texts = [_text(loaded, chat) for chat in chats]
    made = loaded.processor(text=texts, **shown, padding=True, padding_side="left", return_tensors="pt")
    return dict(made.to(loaded.device, loaded.model.dtype))


def _text(loaded: LoadedModel, chat: Sequence[dict[str, Any]]) -> str:
    """By the checkpoint's own template, otherwise the family's format of one turn."""
    if loaded.processor.chat_template:
        return loaded.processor.apply_chat_template(list(chat), tokenize=False, add_generation_prompt=True)
    parts = [part for message in chat for part in message["content"]]
    kinds = [part["type"] for part in parts if part["type"] != "text"]
    if len(chat) > 1 or len(set(kinds)) > 1:
        raise InvalidInputError(f"{loaded.entry.name} has no chat template: only one turn, of images or of videos.")
    question = "\n".join(part["text"] for part in parts if part["type"] == "text")
    return loaded.family.prompt(loaded.processor, question, kinds[0] if kinds else "image", len(kinds))


def _picture(source: Any) -> Image.Image:
    return opaque(source) if isinstance(source, Image.Image) else open_picture(source)


def _clip(loaded: LoadedModel, source: Any) -> Clip:
    if not loaded.family.videos:
        raise InvalidInputError(no_videos(loaded.entry.name))
    return open_video(source)
