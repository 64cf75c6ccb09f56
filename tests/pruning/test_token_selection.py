"""The choice for a prompt: how many are kept, which, and how long the rows get."""

from __future__ import annotations

import pytest
import torch

from fastv.errors import InvalidInputError, UnsupportedModelError
from fastv.pruning.methods.base import Method
from fastv.pruning.methods.registry import METHODS
from fastv.pruning.signals import Signals
from fastv.pruning.token_selection import PromptTokens, choose


class Shown(METHODS["fastv"]):
    """Ranks by the attention it is made with."""

    def attention(self, prompt, signals):
        return signals.attention


def random(r: float, k: int = 0) -> Method:
    return METHODS["random"](k, r)


def prompt(text: str, method: Method, attention: list | None = None) -> PromptTokens:
    """Rows of v = visual, t = text, _ = padding."""
    rows = text.split()
    mask = torch.tensor([[character != "_" for character in row] for row in rows])
    made = PromptTokens(
        torch.tensor([[character == "v" for character in row] for row in rows]), mask.long(), method.kept_of
    )
    if attention is not None:
        made.choice = method.select(made, Signals(attention=torch.tensor(attention)))
    return made


def lengths(text: str, r: float = 0.5) -> tuple[int, bool]:
    selection, trace = choose(prompt(text, random(r)), random(r))
    assert trace.pruned_length == selection.pruned_length
    return selection.pruned_length, selection.valid is not None


def test_the_highest_are_kept_in_their_order():
    method = Shown(2, 0.5)
    selection, trace = choose(prompt("tvvtvvt", method, [[0.9, 0.1, 0.3, 0.9, 0.2, 0.4, 0.9]]), method)
    assert trace.kept.tolist() == [[2, 5]] and trace.visual_positions.tolist() == [[1, 2, 4, 5]]
    assert torch.equal(trace.scores, torch.tensor([[0.1, 0.3, 0.2, 0.4]]))
    assert selection.index.tolist() == [[0, 2, 3, 5, 6]] and selection.k == 2
    assert (trace.prompt_length, trace.pruned_length) == (7, 5)


@pytest.mark.parametrize("visual", [1, 2, 3, 16, 35, 576])
@pytest.mark.parametrize("r", [0.1, 0.25, 0.5, 0.9])
def test_the_number_kept_is_pythons_round(visual, r):
    _, trace = choose(prompt("t" + "v" * visual + "t", random(r)), random(r))
    assert trace.kept.shape == (1, round(visual * (1 - r)))


@pytest.mark.parametrize("r, kept", [(0.0, 4), (0.1, 4), (1.0, 0)])
def test_nothing_is_selected_when_nothing_is_dropped(r, kept):
    selection, trace = choose(prompt("tvvvvt", random(r)), random(r))
    assert trace.kept.shape == (1, kept) and (selection is None) == (kept == 4)
    assert trace.pruned_length == kept + 2


def test_rows_get_one_length():
    assert lengths("tvvvvt tvvvvt") == (4, False)
    assert lengths("__tvvt tvvvvt") == (4, False)  # padding is left out where a row drops less
    assert lengths("__tvvvvt tvvvvttt") == (6, False)  # and stays where it is not in the way
    assert lengths("ttttvvt tvvvvtt") == (6, True)  # the second row would be shorter
    assert lengths("tttttt tvvvvt") == (6, True)
    assert lengths("____tt tvvvvt") == (4, False)


def test_rows_without_visual_tokens_keep_none():
    _, trace = choose(prompt("____tt tvvvvt", random(0.5)), random(0.5))
    assert trace.kept[0].tolist() == [-1, -1] and (trace.kept[1] >= 1).all()


def test_scores_beyond_a_rows_own_tokens_are_minus_infinity():
    method = Shown(1, 0.5)
    _, trace = choose(prompt("__tvvt tvvvvt", method, [[0.0] * 6, [0.0] * 6]), method)
    assert trace.visual_positions.tolist() == [[3, 4, -1, -1], [1, 2, 3, 4]]
    assert torch.equal(trace.scores == -torch.inf, trace.visual_positions == -1)


@pytest.mark.parametrize("rows, message", [("tvt__ tvttt", "left"), ("tvvtt tttvv", "ends with"), ("tv", "ends with")])
def test_prompts_without_a_last_text_token_are_refused(rows, message):
    with pytest.raises(InvalidInputError, match=message):
        prompt(rows, random(0.5))


def test_a_layer_that_showed_nothing_is_an_error():
    with pytest.raises(UnsupportedModelError, match="Layer 1 "):
        choose(prompt("tvvt", METHODS["fastv_mean"]()), METHODS["fastv_mean"]())
