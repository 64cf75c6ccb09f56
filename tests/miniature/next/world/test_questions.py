"""Questions of every form, with answers that follow from the scene; what is kept from training is kept."""

import os
import random
import re
import subprocess
import sys

import pytest

from fastv.miniature.next.world.answers import caption, is_held_out_fact
from fastv.miniature.next.world.paraphrase import is_held_out, reworded
from fastv.miniature.next.world.question_templates import FORMS, GROUP_OF, GROUPS, PHRASINGS, TASK_OF, TASKS
from fastv.miniature.next.world.questions import ask
from fastv.miniature.next.world.scenes import scene
from fastv.miniature.next.world.vocabulary import CELLS, FACTS, NUMBERS, PRICE, WEIGHT, plural

SCENES = [scene(seed) for seed in range(300)]


def asked(form, **options):
    rng = random.Random(form)
    return [(made, question) for made in SCENES if (question := ask(made, form, rng, **options))]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_finds_scenes_to_ask_about(form):
    found = asked(form)
    assert len(found) >= 20
    assert {question.task for _, question in found} == {TASK_OF[form]}
    assert all("{" not in question.text for _, question in found)


def test_every_task_is_in_a_group_and_every_form_in_a_task():
    assert set(TASK_OF) == set(FORMS) and set(GROUP_OF) == set(TASKS)
    assert set(GROUPS) == {"VQA", "captions", "OCR", "counting and localization"}


def test_yes_and_no_are_about_as_frequent():
    for form in ("exists", "relation", "compare"):
        answers = [question.answer for _, question in asked(form)]
        assert 0.35 < answers.count("yes") / len(answers) < 0.65


def test_counts_count():
    for made, question in asked("count"):
        counted = {plural(name): [t for t in made.things if t.name == name] for name in {t.name for t in made.things}}
        for many, things in counted.items():
            if re.search(rf"\b{many}\b", question.text):
                colour = next((t.colour for t in things if t.colour and f"{t.colour} {many}" in question.text), None)
                assert question.answer == NUMBERS[sum(colour in (None, t.colour) for t in things)]


def test_sums_and_weights_are_those_of_what_is_in_the_cells():
    def kinds(made, question):
        cells = re.findall("(?:top|middle|bottom) (?:left|centre|right)|middle", question.text)
        return [next(t.name for t in made.things if CELLS[t.cell] == cell) for cell in cells]

    for made, question in asked("sum"):
        assert question.answer == NUMBERS[sum(PRICE[name] for name in kinds(made, question))]
    for made, question in asked("heavier"):
        assert question.answer == max(kinds(made, question), key=WEIGHT.__getitem__)


def test_captions_name_the_large_things_and_the_background_only():
    for made in SCENES:
        text = caption(made)
        assert text.endswith(f"{made.colour} background")
        large = {thing.name for thing in made.things if thing.large}
        small = {thing.name for thing in made.things} - large
        words = set(re.findall(r"\w+", text))
        assert all(words & {name, plural(name)} for name in large)
        assert not any(words & {name, plural(name)} for name in small)


@pytest.mark.parametrize("fact", FACTS)
def test_training_asks_for_a_held_out_fact_by_name_only(fact):
    training = asked(fact, training=True)
    assert any("the thing in the" in question.text for _, question in training)
    assert any("the thing in the" not in question.text for _, question in training)
    for made, question in training:
        cell = next(
            (cell for cell in sorted(CELLS, key=len, reverse=True) if f"the thing in the {cell}" in question.text), None
        )
        if cell:
            shown = {thing.name for thing in made.things if CELLS[thing.cell] == cell}
            assert not any(is_held_out_fact(name, fact) for name in shown if name in FACTS[fact])
    assert {question.fact_seen for _, question in asked(fact)} == {True, False}


@pytest.mark.parametrize("form", FORMS)
def test_no_paraphrase_is_a_phrasing_kept_from_training(form):
    seen, unseen = PHRASINGS[form]
    assert not set(seen) & set(unseen)
    rng = random.Random(0)
    for _, question in asked(form)[:40]:
        for _ in range(10):
            text = reworded(question.text, form, rng)
            assert text == question.text or not is_held_out(text, form)
    assert all(is_held_out(question.text, form) for _, question in asked(form, seen=False))


def test_questions_do_not_depend_on_the_order_of_sets():
    """Training and benchmark must be the same in every process, whatever the seed of Python's string hashes."""
    script = (
        "import random\n"
        "from fastv.miniature.next.world.questions import ask\n"
        "from fastv.miniature.next.world.question_templates import FORMS\n"
        "from fastv.miniature.next.world.scenes import scene\n"
        "rng = random.Random(0)\n"
        "print([ask(scene(seed), form, rng) for seed in range(30) for form in FORMS])\n"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1
