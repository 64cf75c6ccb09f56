"""The tokenizer and processor: every word of the closed world is one token; any other string is spelt in bytes."""

from __future__ import annotations

import random
import re

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import LlavaProcessor, PreTrainedTokenizerFast

from fastv.miniature.model.architecture import image_processor
from fastv.miniature.model.tokenizer import BOS, CHAT_TEMPLATE, EOS, IMAGE, OPENING, PAD, SYSTEM, block
from fastv.miniature.next.world.paraphrase import reworded
from fastv.miniature.next.world.question_templates import FORMS
from fastv.miniature.next.world.questions import ask
from fastv.miniature.next.world.scenes import PATCH, scene
from fastv.miniature.next.world.vocabulary import (
    CATEGORIES,
    CELLS,
    COLOURS,
    FACTS,
    NAMES,
    NUMBERS,
    TINTS,
    plural,
    with_article,
)

__all__ = [
    "BOS",
    "CHAT_TEMPLATE",
    "EOS",
    "IMAGE",
    "OPENING",
    "PAD",
    "SYSTEM",
    "block",
    "build_processor",
    "build_tokenizer",
]
# Words with their leading space, single digits, runs of anything else: so no two words ever share a token.
PIECES = r" ?[A-Za-z]+|[0-9]| ?[^\sA-Za-z0-9]+|\s"
_INSIDE = "##"  # marks a piece of a word that is not its beginning


def _corpus() -> list[str]:
    """Every word of the world and its questions, as they stand in prompts and in answers."""
    nouns = [*NAMES, *CATEGORIES]
    words = [*nouns, *map(plural, nouns), *COLOURS, *TINTS, *CELLS, *NUMBERS, *map(with_article, (*COLOURS, *nouns))]
    words += [word for facts in FACTS.values() for word in facts.values()]
    lines = [OPENING.replace(IMAGE, ""), " ", *(f" {word}," for word in words)]
    rng = random.Random("corpus")
    for seed in range(1500):
        made = scene(seed)
        for form in FORMS:
            for seen in (True, False):
                question = ask(made, form, rng, seen=seen)
                if question:
                    lines.append(f"{block(reworded(question.text, form, rng))} {question.answer}")
    return lines


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer of the closed world; the same every time."""
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = sorted({piece for line in _corpus() for piece in re.findall(PIECES, line)})
    whole = [to_bytes.pre_tokenize_str(piece)[0][0] for piece in pieces]
    entries = [PAD, BOS, EOS, IMAGE, *alphabet, *(_INSIDE + letter for letter in alphabet), *whole]
    vocabulary = {entry: index for index, entry in enumerate(dict.fromkeys(entries))}
    tokenizer = Tokenizer(
        models.WordPiece(vocabulary, unk_token=PAD, continuing_subword_prefix=_INSIDE, max_input_chars_per_word=10_000)
    )
    tokenizer.add_special_tokens([PAD, BOS, EOS, IMAGE])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PIECES), "isolated"), to_bytes])
    tokenizer.decoder = decoders.Sequence([decoders.Replace(Regex(f"^{_INSIDE}(?=.)"), ""), decoders.ByteLevel()])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[(BOS, vocabulary[BOS])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        padding_side="left",
        extra_special_tokens={"image_token": IMAGE},
        model_max_length=4096,
        clean_up_tokenization_spaces=False,
    )


def build_processor() -> LlavaProcessor:
    """Tokenizer, image processor and chat template together, as ``llava-hf`` checkpoints store them."""
    return LlavaProcessor(
        image_processor(),
        build_tokenizer(),
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        chat_template=CHAT_TEMPLATE,
        image_token=IMAGE,
        num_additional_image_tokens=1,
    )


class Encoder:
    """Text -> token ids without special tokens, as the tokenizer gives them, faster: words are looked up. Picklable."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast):
        self.tokenizer = tokenizer
        self._known: dict[str, list[int]] = {}
        self._pieces = re.compile(PIECES)

    def __call__(self, text: str) -> list[int]:
        ids: list[int] = []
        for piece in self._pieces.findall(text):
            known = self._known.get(piece)
            if known is None:
                known = self._known[piece] = self.tokenizer(piece, add_special_tokens=False).input_ids
            ids += known
        return ids
