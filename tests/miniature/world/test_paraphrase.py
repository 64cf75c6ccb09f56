"""Other words for a question: they ask the same, and nothing that is kept from training comes of it."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest

from fastv.miniature.world.paraphrase import is_held_out, reworded
from fastv.miniature.world.question_templates import PHRASINGS, TASKS
from fastv.miniature.world.questions import ask
from fastv.miniature.world.scenes import scene
from fastv.miniature.world.vocabulary import CATEGORIES, CELLS, KINDS, SIGN, plural

_TELLING = (
    {word for noun in (*KINDS, *CATEGORIES, SIGN) for word in (noun, plural(noun))}
    | set(" ".join(CELLS).split())
    | {"left", "right", "above", "below", "more", "than", "background", "many", "number", "where", "part"}
)


def asked(seeds=range(60), **options):
    rng = random.Random("asked")
    return [question for seed in seeds for task in TASKS if (question := ask(scene(seed), task, rng, **options))]


@pytest.fixture(scope="module")
def pairs():
    rng = random.Random(0)
    return [(question, reworded(question.text, question.task, rng)) for question in asked() for _ in range(4)]


def telling(text):
    """The words that say what is asked, in their order."""
    words = re.findall("[a-z]+", text.lower())
    return [word for word in words if word in _TELLING]


@pytest.mark.slow
def test_what_is_asked_stays_as_it_is(pairs):
    assert all(telling(other) == telling(question.text) for question, other in pairs)


def test_options_stay_as_they_are(pairs):
    chosen = [(question.text, other) for question, other in pairs if question.task == "choice"]
    options = re.compile(r"(\n| Choose: )A\. .*", re.DOTALL)
    assert chosen and all(options.search(other).group() == options.search(text).group() for text, other in chosen)


def test_many_keep_their_words_and_many_do_not(pairs):
    same = sum(other == question.text for question, other in pairs) / len(pairs)
    assert 0.4 < same < 0.7
    starts = Counter(other.split(" ")[0] for _, other in pairs)
    assert len(starts) > 60  # of twelve tasks' few phrasings there are about twenty


def test_words_stay_apart_and_no_mark_is_doubled(pairs):
    assert not [other for _, other in pairs if "  " in other or re.search(r"[?.]{2}| [?.,]|^ | $", other)]


def test_nothing_kept_from_training_comes_of_it():
    """From every phrasing of training, in a thousand other wordings; some of those it is a word away from would be."""
    rng, slots = (
        random.Random(1),
        {
            "a": "a dog",
            "one": "dog",
            "other": "cat",
            "side": "left of",
            "cell": "top left",
            "many": "dogs",
            "others": "cats",
            "question": "What is in the top left?",
        },
    )
    for task, (seen, unseen) in PHRASINGS.items():
        kept = {_bare(phrasing.format("a", "b", "c", "d", **slots)) for phrasing in unseen}
        for phrasing in seen:
            text = phrasing.format("a", "b", "c", "d", **slots)
            assert not {_bare(reworded(text, task, rng)) for _ in range(1000)} & kept


def _bare(text):
    return text.lower().rstrip("?.")


def test_a_phrasing_kept_from_training_is_known_as_one_whatever_its_capitals_and_its_mark():
    for question in asked(range(10), seen=False):
        assert is_held_out(question.text, question.task) and is_held_out(
            question.text.upper().rstrip("?."), question.task
        )
    assert not [question for question in asked(range(10)) if is_held_out(question.text, question.task)]


def test_the_same_lot_gives_the_same_words():
    first, again = (
        [
            reworded(question.text, question.task, random.Random(number))
            for number, question in enumerate(asked(range(5)))
        ]
        for _ in range(2)
    )
    assert first == again
