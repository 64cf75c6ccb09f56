"""The miniatures' tokenizer and processor: a small byte-level BPE that knows the closed world's words whole.

Any string tokenizes (bytes stand for what the vocabulary lacks), and each thing's name is one token.
"""

from __future__ import annotations

import random

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlavaProcessor, PreTrainedTokenizerFast

from fastv.miniature.model.architecture import image_processor
from fastv.miniature.world.question_templates import PHRASINGS, TASKS
from fastv.miniature.world.questions import ask
from fastv.miniature.world.scenes import PATCH, scene
from fastv.miniature.world.vocabulary import CATEGORIES, CELLS, COLOURS, NAMES, NUMBERS, plural

PAD, BOS, EOS, IMAGE = "<pad>", "<s>", "</s>", "<image>"
VOCABULARY = 1024
SYSTEM = "Look at the picture and answer in a few words."
OPENING = f"{SYSTEM} USER: {IMAGE}"
# LLaVA-1.5's form, after a short system prompt; content may be a string or a list of typed parts.
CHAT_TEMPLATE = (
    "{{ '" + SYSTEM + "' }}"
    "{% for message in messages %}"
    "{{ ' USER: ' if message['role'] == 'user' else ' ASSISTANT: ' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] if part['type'] == 'image' %}{{ '<image>\n' }}{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}{% endif %}"
    "{% if message['role'] == 'assistant' %}{{ '</s>' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ ' ASSISTANT:' }}{% endif %}"
)


def block(question: str) -> str:
    """What follows the picture in a prompt that asks ``question``."""
    return f"\n{question} ASSISTANT:"


def _corpus() -> list[str]:
    """Every word of the world and its questions, as they stand in prompts and in answers."""
    words = [*NAMES, *CATEGORIES, *COLOURS, *CELLS, *NUMBERS]
    lines = [
        f"{OPENING.replace(IMAGE, ' ')} {word}, {plural(word)}? {word}. {plural(word)}\n{word}" for word in words
    ] * 20
    lines += [phrasing for kinds in PHRASINGS.values() for phrasings in kinds for phrasing in phrasings] * 20
    rng = random.Random("corpus")
    for seed in range(1500):
        made = scene(seed)
        for task in TASKS:
            question = ask(made, task, rng, seen=rng.random() < 0.5)
            if question:
                lines.append(f"{block(question.text)} {question.answer}")
    return lines


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer, trained on the closed world's own text; the same every time."""
    tokenizer = Tokenizer(models.BPE())
    # Words with their leading space, single digits, runs of anything else: so no two words ever share a token.
    pieces = Regex(r" ?[A-Za-z]+|[0-9]| ?[^\sA-Za-z0-9]+|\s")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(pieces, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, BOS, EOS, IMAGE],
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(_corpus(), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        padding_side="left",
        extra_special_tokens={"image_token": IMAGE},
        model_max_length=4096,
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
