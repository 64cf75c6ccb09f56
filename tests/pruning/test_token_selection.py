"""The choice for a prompt: how many are kept, which, and how long the rows get."""

from __future__ import annotations

import pytest
import torch

from fastv.errors import InvalidBudgetError, InvalidInputError
from fastv.families.visual_groups import VisualGroup
from fastv.pruning.choice import Choice
from fastv.pruning.methods.base import Method
from fastv.pruning.methods.registry import METHODS
from fastv.pruning.prompt_tokens import PromptTokens
from fastv.pruning.signals import Signals
from fastv.pruning.token_selection import amounts, schedule_of


class Shown(METHODS["fastv"]):
    """Ranks by the attention it is made with."""

    def attention(self, prompt, signals):
        return signals.attention


def random(r: float, k: int = 0) -> Method:
    return METHODS["random"](k, r)


def prompt(text: str, method: Method, cuts: int = 1, **more) -> PromptTokens:
    """Rows of v = visual, t = text, _ = padding."""
    rows = text.split()
    mask = torch.tensor([[character != "_" for character in row] for row in rows])
    visual = torch.tensor([[character == "v" for character in row] for row in rows])
    return PromptTokens(visual, mask.long(), amounts(method, cuts), **more)


def cut(made: PromptTokens, method: Method, attention: list | None = None):
    """The selection, and what is left."""
    signals = Signals() if attention is None else Signals(attention=torch.tensor(attention))
    choice = method.select(made, signals)
    selection = made.selection(choice)
    return selection, made.after(selection, choice), choice


def lengths(text: str, r: float = 0.5) -> tuple[int, bool]:
    selection, left, _ = cut(prompt(text, random(r)), random(r))
    assert left.visual.shape[1] == selection.pruned_length
    return selection.pruned_length, selection.valid is not None


def test_the_highest_are_kept_in_their_order():
    method = Shown(2, 0.5)
    made = prompt("tvvtvvt", method)
    selection, left, choice = cut(made, method, [[0.9, 0.1, 0.3, 0.9, 0.2, 0.4, 0.9]])
    assert made.positions.tolist() == [[1, 2, 4, 5]] and made.ordinals.tolist() == [[0, 1, 2, 3]]
    assert torch.equal(choice.scores, torch.tensor([[0.1, 0.3, 0.2, 0.4]]))
    assert selection.index.tolist() == [[0, 2, 3, 5, 6]]
    assert left.positions.tolist() == [[1, 3]] and left.ordinals.tolist() == [[1, 3]]
    assert made.question.nonzero()[:, 1].tolist() == [6] and left.question.nonzero()[:, 1].tolist() == [4]


@pytest.mark.parametrize("visual", [1, 2, 3, 16, 35, 576])
@pytest.mark.parametrize("r", [0.1, 0.25, 0.5, 0.9])
def test_the_number_kept_is_pythons_round(visual, r):
    _, left, _ = cut(prompt("t" + "v" * visual + "t", random(r)), random(r))
    assert left.positions.shape == (1, round(visual * (1 - r)))


@pytest.mark.parametrize("r, kept", [(0.0, 4), (0.1, 4), (1.0, 0)])
def test_nothing_is_selected_when_nothing_is_dropped(r, kept):
    selection, left, _ = cut(prompt("tvvvvt", random(r)), random(r))
    assert left.positions.shape == (1, kept) and (selection is None) == (kept == 4)
    assert left.visual.shape == (1, kept + 2)


def test_rows_get_one_length():
    assert lengths("tvvvvt tvvvvt") == (4, False)
    assert lengths("__tvvt tvvvvt") == (4, False)  # padding is left out where a row drops less
    assert lengths("__tvvvvt tvvvvttt") == (6, False)  # and stays where it is not in the way
    assert lengths("ttttvvt tvvvvtt") == (6, True)  # the second row would be shorter
    assert lengths("tttttt tvvvvt") == (6, True)
    assert lengths("____tt tvvvvt") == (4, False)


def test_rows_without_visual_tokens_keep_none():
    _, left, _ = cut(prompt("____tt tvvvvt", random(0.5)), random(0.5))
    assert left.ordinals[0].tolist() == [-1, -1] and (left.ordinals[1] >= 0).all()


def test_scores_beyond_a_rows_own_tokens_are_minus_infinity():
    method = Shown(1, 0.5)
    made = prompt("__tvvt tvvvvt", method)
    _, _, choice = cut(made, method, [[0.0] * 6, [0.0] * 6])
    assert made.positions.tolist() == [[3, 4, -1, -1], [1, 2, 3, 4]]
    assert torch.equal(choice.scores == -torch.inf, made.positions == -1)


class Chosen(METHODS["random"]):
    """Keeps the visual tokens with these ordinals, one list for each cut."""

    def kept_at(self, cut, count, cuts):
        return len(ORDINALS[cut])

    def select(self, prompt, signals):
        return Choice(torch.isin(prompt.ordinals, torch.tensor(ORDINALS[prompt.cut])))


ORDINALS = [[1, 2, 4, 5], [2, 5]]


def test_cuts_follow_each_other_in_columns_of_their_own():
    method = Chosen(keep=2)
    made = prompt("__tvvvtvvvt tvvvvvvtttt", method, cuts=2)
    first, between, _ = cut(made, method)
    assert between.positions.tolist() == [[3, 4, 6, 7], [1, 2, 3, 4]]
    assert between.ordinals.tolist() == [[1, 2, 4, 5]] * 2
    second, after, _ = cut(between, method)
    assert after.ordinals.tolist() == [[2, 5]] * 2 and after.counts == [2, 2]
    both = first.then(second)
    assert torch.equal(made.visual.gather(1, both.index), after.visual)
    assert after.question.sum(dim=1).tolist() == [1, 4] and after.question[:, -1].all()
    assert after.question_length == 4 and prompt("_tvvttt ttttttt", random(0.5)).question_length == 3
    assert prompt("tt", random(0.5)).question_length == 0
    assert torch.equal((~after.real).sum(dim=1), torch.tensor([after.visual.shape[1] - 5, 0]))


def test_each_cut_leaves_the_same_fraction_by_default():
    assert [METHODS["random"](r=0.875).kept_at(cut, 64, 3) for cut in range(3)] == [32, 16, 8]
    with pytest.raises(ValueError, match="More"):
        PromptTokens(torch.tensor([[True, True, False]]), None, lambda count: [1, 2])


def test_amounts_may_hold_for_each_picture():
    method = METHODS["random"](r=0.75, per="image")
    groups = [VisualGroup(1, 2, 2), VisualGroup(1, 2, 4), VisualGroup(1, 2, 2)]
    made = prompt("tvvvvvvvvvvvvt tvvvvttttttttt", method, groups=groups, per_image=True)
    assert made.keep_per_image.tolist() == [[1, 2], [1, 0]] and made.kept_counts == [3, 1]
    assert made.images.tolist() == [[0] * 4 + [1] * 8, [0] * 4 + [-1] * 8]
    assert made.grids == [[(1, 2, 2), (1, 2, 4)], [(1, 2, 2)]]
    assert made.places[0, :6].tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1], [0, 0, 0], [0, 0, 1]]
    assert made.places[1, 4:].unique().tolist() == [-1]
    _, left, choice = cut(made, method)
    assert [(left.images == picture).sum(dim=1).tolist() for picture in (0, 1)] == [[1, 1], [2, 0]]


def test_pictures_of_unknown_geometry_are_runs():
    made = prompt("tvvvtvvvvt", METHODS["random"](r=0.5, per="image"), per_image=True)
    assert made.images.tolist() == [[0] * 3 + [1] * 4] and made.grids == [None] and made.places is None
    assert made.keep_per_image.tolist() == [[2, 2]]
    assert prompt("tvvvtvvvvt", random(0.5), groups=[VisualGroup(1, 2, 4)]).grids == [None]  # one too many


def test_rows_repeated_for_beams_share_their_pictures():
    groups = [VisualGroup(1, 2, 2), VisualGroup(2, 1, 2, lead=1)]
    made = prompt("__tvvvvt __tvvvvt vvvvvvtt vvvvvvtt", random(0.5), groups=groups)
    assert made.grids == [[(1, 2, 2)]] * 2 + [[(2, 1, 2)]] * 2
    assert made.places[2].tolist() == [[-1] * 3, [0, 0, 0], [0, 0, 1], [-1] * 3, [1, 0, 0], [1, 0, 1]]


def test_layers_of_a_schedule_ascend_and_exist():
    class Scheduled(METHODS["random"]):
        layers = (1, 3)

        def schedule(self, depth):
            return self.layers

    assert schedule_of(Scheduled(), 4) == (1, 3)
    for layers in ((3, 1), (2, 2), (4,), (-1,), ()):
        Scheduled.layers = layers
        with pytest.raises(InvalidBudgetError):
            schedule_of(Scheduled(), 4)


@pytest.mark.parametrize("rows, message", [("tvt__ tvttt", "left"), ("tvvtt tttvv", "ends with"), ("tv", "ends with")])
def test_prompts_without_a_last_text_token_are_refused(rows, message):
    with pytest.raises(InvalidInputError, match=message):
        prompt(rows, random(0.5))
