"""What a family's stand-in is: a tiny model with random weights and the real classes, its inputs and its processor.

A prompt is a row of segments: a number is so many random text tokens, PICTURE and WIDE are pictures (of other sizes
where the family takes any size), VIDEO is a short clip.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

VOCABULARY, IMAGE_TOKEN = 99, 98
START, END, VIDEO_TOKEN = 95, 96, 97  # tokens below are text
PICTURE, WIDE, VIDEO = "picture", "wide", "video"
QUESTION_WORDS = ("what", "is", "in", "the", "picture", "how", "many", "red", "blue", "?", "USER", "ASSISTANT", ":")

ROWS = {
    "picture": [(5, PICTURE, 7)],
    "three rows": [(5, PICTURE, 7), (2, WIDE, 3, PICTURE, 4), (9,)],
    "video": [(5, VIDEO, 7)],
    "video and picture": [(4, VIDEO, 9), (5, PICTURE, 3, VIDEO, 2), (3, WIDE, 6)],
}


def text_config(
    *, layers: int = 4, width: int = 32, heads: int = 4, kv_heads: int = 2, ffn_width: int | None = None, **more
) -> dict:
    """Settings of a small decoder, in the names that most model types share."""
    return dict(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=ffn_width or 2 * width + 8,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=width // heads,
        max_position_embeddings=512,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        **more,
    )


class StandIn(ABC):
    """A model type's stand-in.

    Attributes
    ----------
    key
        The ``model_type``.
    visual_tokens
        Those of one segment of each kind; VIDEO is missing where the family reads no videos.
    decoder_name
        What the model without its head calls its decoder.
    video_frames
        Frames of a VIDEO segment, as the cost model counts them.
    marked
        Whether START and END stand around what is visual.
    towers, projector
        Names of the modules that a picture and a video go through first, and of what joins them to the decoder.
    projector_in_tower
        Whether that module is a part of the tower.
    inexact_segments
        Segments whose tower costs up to a tenth less than is computed.
    hub_names
        (name of a weight now, in checkpoints of the hub), the first that fits is used.
    flat_text
        Whether the hub's configs have the text part's settings at their top.
    processor_settings
        What processor_config.json holds beyond the files of its parts.
    costs_known
        Whether its config tells what it costs.
    newlines
        Whether some visual tokens show nothing of the picture.
    mixes
        Whether pictures and videos can stand in one batch.
    alike_beside_others
        Whether a picture has as many visual tokens in a prompt with several.
    """

    key: ClassVar[str]
    visual_tokens: ClassVar[dict[str, int]]
    decoder_name: ClassVar[str] = "language_model"
    video_frames: ClassVar[int] = 0
    marked: ClassVar[bool] = False
    towers: ClassVar[tuple[str, str]]
    projector: ClassVar[str]
    projector_in_tower: ClassVar[bool] = False
    inexact_segments: ClassVar[tuple[str, ...]] = ()
    hub_names: ClassVar[Sequence[tuple[str, str]]]
    flat_text: ClassVar[bool] = False
    processor_settings: ClassVar[dict[str, Any]] = {}
    costs_known: ClassVar[bool] = True
    newlines: ClassVar[bool] = False
    mixes: ClassVar[bool] = True
    alike_beside_others: ClassVar[bool] = True

    # The model

    @abstractmethod
    def config(self, **shape) -> Any:
        """A small config with the structure of the real ones."""

    @abstractmethod
    def build(self, config: Any, attention: str) -> torch.nn.Module:
        """The real class with random weights."""

    @property
    def video(self) -> bool:
        return VIDEO in self.visual_tokens

    @property
    def prompts(self) -> dict[str, list[tuple]]:
        served = {name: rows for name, rows in ROWS.items() if self.video or "video" not in name}
        return {name: rows for name, rows in served.items() if self.mixes or name != "video and picture"}

    @property
    def beside_pictures(self) -> str:
        """A segment of another kind that can stand beside pictures; of the same where there is none."""
        return VIDEO if self.video and self.mixes else PICTURE

    def model(self, attention: str = "sdpa", dtype: torch.dtype = torch.float32, **shape) -> torch.nn.Module:
        """In eval mode, with weights spread so wide that attention is far from uniform."""
        torch.manual_seed(0)
        model = self.build(self.config(**shape), attention)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if weight.dim() > 1:
                    weight.normal_(0, 2.0 / weight[0].numel() ** 0.5 if "embed_tokens" not in name else 1.0)
                elif name.endswith("bias"):
                    weight.normal_(0, 0.2)
        return model.to(dtype).eval()

    # Its inputs

    @abstractmethod
    def pixels(self, parts: list[str], generator: torch.Generator) -> dict[str, torch.Tensor]:
        """What the processor makes of such pictures and videos."""

    def inputs(self, rows: list[tuple], *, seed: int = 0, dtype: torch.dtype = torch.float32) -> dict:
        """What the processor makes of such prompts, left-padded to one length. Row i alone has ``seed + i``."""
        built, pixels = [], {}
        for number, row in enumerate(rows):
            generator = torch.Generator().manual_seed(seed + number)
            built.append(torch.cat([torch.tensor([1]), *self._row(row, generator)]))
            for name, value in self.pixels([part for part in row if isinstance(part, str)], generator).items():
                pixels.setdefault(name, []).append(value.to(dtype) if value.is_floating_point() else value)
        longest = max(map(len, built))
        ids = torch.stack([torch.cat([torch.zeros(longest - len(row), dtype=torch.long), row]) for row in built])
        inputs = {"input_ids": ids, "attention_mask": (ids != 0).long()}
        if self.marked:
            inputs["mm_token_type_ids"] = (ids == IMAGE_TOKEN).int() + 2 * (ids == VIDEO_TOKEN).int()
        return inputs | {name: torch.cat(parts) for name, parts in pixels.items()}

    def _row(self, row: tuple, generator: torch.Generator) -> list[torch.Tensor]:
        return [self._tokens(part, generator) for part in row]

    def _tokens(self, part: int | str, generator: torch.Generator) -> torch.Tensor:
        if isinstance(part, int):
            return torch.randint(3, START, (part,), generator=generator)
        token = VIDEO_TOKEN if part == VIDEO else IMAGE_TOKEN
        visual = torch.full((self.visual_tokens[part],), token)
        return torch.cat([torch.tensor([START]), visual, torch.tensor([END])]) if self.marked else visual

    # Its files

    @abstractmethod
    def processor(self) -> Any:
        """The real processor, in the sizes of the stand-in."""

    def save(self, folder: Path, **shape) -> None:
        """Writes model, tokenizer, picture processor and chat template, in files of their own."""
        self.model(**shape).save_pretrained(folder)
        processor = self.processor()
        processor.tokenizer.save_pretrained(folder)
        processor.image_processor.save_pretrained(folder)
        (folder / "chat_template.jinja").write_text(processor.chat_template, encoding="utf-8")
        if self.processor_settings:
            (folder / "processor_config.json").write_text(json.dumps(self.processor_settings), encoding="utf-8")


def small_tokenizer(special: dict[int, str], **named: str) -> PreTrainedTokenizerFast:
    """Knows QUESTION_WORDS, these special tokens by number, and "w17", "w18", ...; other words become <unk>.

    named: attributes under which a processor looks some of them up.
    """
    words = ["<pad>", "<s>", "</s>", "<unk>", *QUESTION_WORDS]
    words += [f"w{number}" for number in range(len(words), IMAGE_TOKEN + 1)]
    for number, word in special.items():
        words[number] = word
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        padding_side="left",
        **({"extra_special_tokens": named} if named else {"additional_special_tokens": list(special.values())}),
    )


def chat_template(image: str, video: str) -> str:
    """A template in the format of LLaVA-1.5 with these texts for a picture and a video."""
    return (
        "{% for message in messages %}USER: {% for part in message['content'] %}{% if part['type'] == 'image' %}"
        + image
        + "{% elif part['type'] == 'video' %}"
        + video
        + "{% else %}{{ part['text'] }}{% endif %}"
        "{% endfor %} {% endfor %}ASSISTANT:"
    )
