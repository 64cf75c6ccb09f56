import pytest

from fastv.miniature.model.tokenizer import BOS, EOS, IMAGE, OPENING, PAD, block, build_processor
from fastv.miniature.world.vocabulary import NAMES, plural


@pytest.mark.slow
def test_the_one_that_is_shipped_is_the_one_that_is_built(processor):
    built = build_processor()
    assert built.tokenizer.backend_tokenizer.to_str() == processor.tokenizer.backend_tokenizer.to_str()
    assert built.chat_template == processor.chat_template and built.patch_size == processor.patch_size
    assert built.image_processor.to_dict() == processor.image_processor.to_dict()


def test_each_name_is_one_token(processor):
    words = [f" {word}" for name in NAMES for word in (name, plural(name))]
    assert all(len(ids) == 1 for ids in processor.tokenizer(words, add_special_tokens=False).input_ids)


@pytest.mark.parametrize(
    "text", ["Where is the dog?", "naïve café ☃ 東京", "\t\n  spaces  ", "1234567890", "a\u0000b", "🐕" * 50]
)
def test_any_string_tokenizes_and_comes_back(processor, text):
    ids = processor.tokenizer(text, add_special_tokens=False).input_ids
    assert processor.tokenizer.decode(ids) == text
    special = processor.tokenizer.convert_tokens_to_ids([PAD, BOS, EOS, IMAGE])
    assert not set(ids) & set(special)


def test_the_chat_template_is_what_training_packs(processor):
    turn = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Where is the dog?"}]}]
    assert processor.apply_chat_template(turn, add_generation_prompt=True) == OPENING + block("Where is the dog?")
