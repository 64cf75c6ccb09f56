"""Mistral 3's processor without torchvision, which transformers asks for though Pillow prepares the pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PixtralImageProcessorPil
from transformers.processing_utils import ProcessorMixin


class PixtralProcessor(ProcessorMixin):
    """Puts a break token after each row of a picture's tokens, and another after the last.

    Parameters
    ----------
    patch_size
        Pixels of a patch's side.
    spatial_merge_size
        Patches of a visual token's side.
    image_token, image_break_token, image_end_token
        The words that stand for a visual token, the end of a row and the end of a picture.
    """

    text_kwargs = {"return_tensors": "pt"}
    images_kwargs = {"return_tensors": "pt"}

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        patch_size: int = 16,
        spatial_merge_size: int = 1,
        chat_template: str | None = None,
        image_token: str = "[IMG]",
        image_break_token: str = "[IMG_BREAK]",
        image_end_token: str = "[IMG_END]",
        **_: Any,
    ) -> None:
        super().__init__(image_processor, tokenizer, chat_template=chat_template)
        self.patch_size, self.spatial_merge_size = patch_size, spatial_merge_size
        self.image_token, self.image_break_token, self.image_end_token = image_token, image_break_token, image_end_token
        self.image_token_id = tokenizer.convert_tokens_to_ids(image_token)

    @property
    def model_input_names(self) -> list[str]:
        return [*self.tokenizer.model_input_names, *self.image_processor.model_input_names]

    @property
    def _side(self) -> int:
        """Pixels of a visual token's side."""
        return self.patch_size * self.spatial_merge_size

    def _process_images(self, images: Any, **options: Any) -> tuple[Any, list[str]]:
        return super()._process_images(images, **options | {"patch_size": self._side})

    def replace_image_token(self, image_inputs: dict, image_idx: int, **_: Any) -> str:
        height, width = (int(length) for length in image_inputs["image_sizes"][image_idx])
        row = self.image_token * (width // self._side)
        return self.image_break_token.join([row] * (height // self._side)) + self.image_end_token


def read_pixtral_processor(source: str | Path) -> Any:
    """That of a checkpoint, a folder or a hub id."""
    settings, _ = PixtralProcessor.get_processor_dict(source)
    tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    return PixtralProcessor.from_args_and_dict([PixtralImageProcessorPil.from_pretrained(source), tokenizer], settings)
