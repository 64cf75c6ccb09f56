"""Scores per group of tasks are those of its tasks together."""

from fastv.evidence.measurements import all_measured
from fastv.miniature.evaluation.scoring import by_group
from fastv.miniature.world.question_templates import GROUP_OF, GROUPS, TASKS
from fastv.stats import Score


def test_every_task_is_in_one_group():
    assert set(GROUP_OF) == set(TASKS)
    assert set(GROUPS) == {"VQA", "captions", "OCR", "counting and localization"}


def test_a_group_counts_its_tasks_questions_and_leaves_out_what_was_not_asked():
    found = by_group({"count": Score.counted(3, 10), "where": Score.counted(5, 5), "sign": Score.counted(1, 4)})
    assert {group: (score.right, score.asked) for group, score in found.items()} == {
        "OCR": (1, 4),
        "counting and localization": (8, 15),
    }


def test_groups_of_a_measured_grid_divide_its_questions():
    for record in all_measured().values():
        point = record.unpruned
        groups = [record.score(point, tuple(task for task in TASKS if GROUP_OF[task] == group)) for group in GROUPS]
        assert sum(score.asked for score in groups) == record.score(point).asked
        assert sum(score.right for score in groups) == record.score(point).right
