import functools
import random
from collections import Counter

import pytest

from fastv.miniature.world.question_templates import PHRASINGS, TASKS
from fastv.miniature.world.questions import ask, questions
from fastv.miniature.world.scenes import scene
from fastv.miniature.world.vocabulary import CATEGORIES, CATEGORY_OF, CELLS, COLOURS, KINDS, NUMBERS, plural

scene = functools.lru_cache(400)(scene)  # many tests ask about the same ones


def asked(task, seeds=range(150), **options):
    rng = random.Random(task)
    found = [(made, ask(made, task, rng, **options)) for made in map(scene, seeds)]
    return [(made, question) for made, question in found if question]


def counts(made):
    return Counter(thing.name for thing in made.things)


def named(text, words):
    """The words that stand in a text, longest first, as a person would read them."""
    return [word for word in words if f" {word} " in f" {text.replace('?', ' ').replace('.', ' ')} "]


@pytest.mark.parametrize("task", TASKS)
def test_phrasings_kept_from_training_differ_from_those_it_sees(task):
    seen, unseen = PHRASINGS[task]
    assert seen and unseen and not set(seen) & set(unseen)
    assert all(not question.seen for _, question in asked(task, range(20), seen=False))


def test_exists_says_what_is_there():
    for made, question in asked("exists"):
        (kind,) = named(question.text, KINDS)
        assert question.answer == ("yes" if counts(made)[kind] else "no")


def test_count_counts():
    plurals = {plural(kind): kind for kind in KINDS}
    for made, question in asked("count"):
        (name,) = named(question.text, plurals)
        assert question.answer == NUMBERS[counts(made)[plurals[name]]]


def test_count_category_counts():
    plurals = {plural(category): category for category in CATEGORIES}
    for made, question in asked("count category"):
        (name,) = named(question.text, plurals)
        assert question.answer == NUMBERS[sum(CATEGORY_OF.get(thing.name) == plurals[name] for thing in made.things)]


def test_where_and_what_at_agree_with_the_boxes():
    for made, question in asked("where"):
        (name,) = named(question.text, [*KINDS, "sign"])
        assert [thing.cell for thing in made.things if thing.name == name] == [question.answer]
    for made, question in asked("what at"):
        cell = max(named(question.text, CELLS), key=len)
        assert {thing.name for thing in made.things if thing.cell == cell} == ({question.answer} - {"nothing"})


def test_relations_follow_the_centres():
    for made, question in asked("relation"):
        first, second = sorted(named(question.text, [*KINDS, "sign"]), key=question.text.index)
        one, other = (next(thing.centre for thing in made.things if thing.name == name) for name in (first, second))
        truth = {
            "left of": one[0] < other[0],
            "right of": one[0] > other[0],
            "above": one[1] < other[1],
            "below": one[1] > other[1],
        }
        (side,) = named(question.text, truth)
        assert question.answer == ("yes" if truth[side] else "no")


def test_colour_sign_and_category_are_the_scenes_own():
    assert all(question.answer == made.colour for made, question in asked("colour"))
    signs = asked("sign")
    assert signs and all(question.answer in {thing.number for thing in made.things} for made, question in signs)
    for made, question in asked("category"):
        cell = max(named(question.text, CELLS), key=len)
        assert {thing.category for thing in made.things if thing.cell == cell} == {question.answer}


def test_a_choice_offers_the_right_answer_once():
    for made, question in asked("choice"):
        options = dict(
            part.split(". ", 1)
            for part in question.text.replace(" Choose: ", "\n")
            .replace(" B. ", "\nB. ")
            .replace(" C. ", "\nC. ")
            .replace(" D. ", "\nD. ")
            .split("\n")[1:5]
        )
        right = options[question.answer]
        assert len(set(options.values())) == 4
        assert right in COLOURS and right == made.colour or right in counts(made)
        if "Which of these" in question.text:
            assert not (set(options.values()) - {right}) & set(counts(made))


@pytest.mark.slow
def test_no_answer_can_be_guessed_from_the_task_alone():
    for task in ("exists", "relation", "compare", "choice"):
        answers = Counter(question.answer for _, question in asked(task, range(400)))
        assert max(answers.values()) < 0.62 * sum(answers.values())


def test_questions_about_one_scene_differ():
    for seed in range(20):
        texts = [question.text for question in questions(scene(seed), 8, random.Random(seed))]
        assert len(texts) == len(set(texts)) == 8
