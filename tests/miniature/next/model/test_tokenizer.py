"""Every word of the world is one token; any string survives."""

import pytest

from fastv.miniature.next.model.tokenizer import BOS, IMAGE, OPENING, Encoder, block
from fastv.miniature.next.world.vocabulary import CATEGORIES, COLOURS, FACTS, NAMES, NUMBERS, TINTS, plural


@pytest.fixture
def tokenizer(next_tokenizer):
    return next_tokenizer


def test_every_word_of_the_world_is_one_token_of_its_own(tokenizer):
    words = {
        *NAMES,
        *CATEGORIES,
        *COLOURS,
        *TINTS,
        *NUMBERS,
        *(word for facts in FACTS.values() for word in facts.values()),
    }
    words |= {plural(noun) for noun in (*NAMES, *CATEGORIES)}
    ids = {word: tokenizer(f" {word}", add_special_tokens=False).input_ids for word in words}
    assert all(len(pieces) == 1 for pieces in ids.values())
    assert len({pieces[0] for pieces in ids.values()}) == len(words)


@pytest.mark.parametrize(
    "text",
    [
        "a red car and two dogs on a blue background",
        "hello Wörld! ## foo##bar doghouse 123 dogs.",
        "\nWhat is the sum? ä😀 日本",
        " ",
        "#",
        "x" * 300,
    ],
)
def test_any_string_survives_and_the_fast_encoder_agrees(tokenizer, text):
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert tokenizer.decode(ids) == text
    assert Encoder(tokenizer)(text) == ids
    assert tokenizer.pad_token_id not in ids


def test_a_prompt_in_parts_is_the_prompt(tokenizer):
    """Training encodes the opening and each question apart; a prompt is encoded whole."""
    whole = tokenizer(OPENING + block("Is there a dog?") + " yes").input_ids
    parts = tokenizer(OPENING).input_ids + Encoder(tokenizer)(block("Is there a dog?")) + Encoder(tokenizer)(" yes")
    assert whole == parts
    assert whole[0] == tokenizer.convert_tokens_to_ids(BOS)
    assert whole.count(tokenizer.convert_tokens_to_ids(IMAGE)) == 1
