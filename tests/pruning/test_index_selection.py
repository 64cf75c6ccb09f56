"""Index arithmetic: which columns a pruned prompt has, and how tensors and masks are cut down to them."""

from __future__ import annotations

import pytest
import torch

from fastv.pruning.hooks.pruned_forward import DecoderTraits, PrunedForward
from fastv.pruning.index_selection import Selection, mark, positions_of


def columns(text: str) -> torch.Tensor:
    """ "x.x x.." -> boolean rows, x = True."""
    return torch.tensor([[character == "x" for character in row] for row in text.split()])


def test_positions_and_marks_are_each_others_inverse():
    marked = columns("x..xx ..... .x...")
    positions = positions_of(marked, most=3)
    assert positions.tolist() == [[0, 3, 4], [-1, -1, -1], [1, -1, -1]]
    assert torch.equal(mark(positions, 5), marked)


def selected(text: str, length: int, fill: bool = False) -> Selection:
    """Rows of x = keep, _ = spare, . = neither."""
    keep, spare = (
        torch.tensor([[character == wanted for character in row] for row in text.split()]) for wanted in "x_"
    )
    return Selection.of(keep, spare, length, fill=fill)


def test_a_selection_lists_the_kept_columns_of_each_row():
    selection = selected("xx..xx xxx..x", 4)
    assert selection.index.tolist() == [[0, 1, 4, 5], [0, 1, 2, 5]]
    assert (selection.valid, selection.length, selection.pruned_length) == (None, 6, 4)


def test_padding_gives_way_wherever_it_stands_and_the_last_stays():
    assert selected("__xx.xx x...xxx", 4).index.tolist() == [[2, 3, 5, 6], [0, 4, 5, 6]]
    assert selected("xx__.xx xxx..xx", 5).index.tolist() == [[0, 1, 3, 5, 6], [0, 1, 2, 5, 6]]
    assert selected("_x_x_.x xxx..xx", 5).index.tolist() == [[1, 2, 3, 4, 6], [0, 1, 2, 5, 6]]


def test_a_row_too_short_is_filled_up_at_its_beginning():
    selection = selected("xxxxxx x...xx", 6, fill=True)
    assert selection.index[0].tolist() == [0, 1, 2, 3, 4, 5]
    assert selection.index[1, 3:].tolist() == [0, 4, 5]
    assert selection.valid.tolist() == [[True] * 6, [False] * 3 + [True] * 3]
    with_padding = selected("xxxxxx x_..xx", 6, fill=True)
    assert with_padding.index[1, 2:].tolist() == [0, 1, 4, 5]
    assert with_padding.valid[1].tolist() == [False] * 2 + [True] * 4


def test_one_after_another_is_the_second_out_of_the_columns_of_the_first():
    first, second = selected("xxxxxx x...xx", 6, fill=True), selected("x.xxx. ..__xx", 4)
    both = first.then(second)
    assert both.index[0].tolist() == [0, 2, 3, 4] and both.valid[0].all() and both.length == 6
    assert both.index[1].tolist() == [0, 0, 4, 5] and both.valid[1].tolist() == [False, True, True, True]
    tensor = torch.randn(2, 6, 3)
    assert torch.equal(both.take(tensor, -2), second.take(first.take(tensor, -2), -2))


def test_a_grown_sequence_keeps_all_that_came_later():
    grown = selected("xxxxxx x...xx", 6, fill=True).grown(8)
    assert grown.index[:, -2:].tolist() == [[6, 7], [6, 7]]
    assert grown.valid[:, -2:].all() and (grown.length, grown.pruned_length) == (8, 8)


@pytest.mark.parametrize("rows", ["x..xx", "x..xx xx..x"])
@pytest.mark.parametrize("leading", [(), (3,)])
def test_take_cuts_the_named_dimension_of_each_row(rows, leading):
    keep = columns(rows)
    selection = selected(rows, 3)
    tensor = torch.randn(*leading, len(keep), 5, 4)
    cut = selection.take(tensor, -2)
    for row in range(len(keep)):
        assert torch.equal(cut[..., row, :, :], tensor[..., row, :, :][..., keep[row], :])
    assert torch.equal(selection.take(tensor[..., 0], -1), cut[..., 0])


def test_take_spreads_what_is_one_for_the_whole_batch():
    assert selected("x..xx xx..x", 3).take(torch.arange(5)[None], -1).tolist() == [[0, 3, 4], [0, 1, 4]]


@pytest.mark.parametrize("dtype", [torch.bool, torch.float32, torch.bfloat16])
def test_fillers_are_hidden_from_all_but_themselves(dtype):
    selection = selected("xxxx x..x", 4, fill=True)
    visible = torch.ones(4, 4, dtype=torch.bool).tril()[None, None].expand(2, 1, -1, -1)
    lowest = torch.finfo(dtype).min if dtype.is_floating_point else None
    mask = visible if dtype == torch.bool else torch.zeros(visible.shape, dtype=dtype).masked_fill(~visible, lowest)
    cut = selection.take_mask(mask, rows=True)
    seen = cut if dtype == torch.bool else cut == 0
    assert torch.equal(seen[0, 0], visible[0, 0])
    assert torch.equal(seen[1, 0][:, :2], torch.eye(4, 2, dtype=torch.bool))
    assert seen[1, 0][2:, 2:].tolist() == [[True, False], [True, True]]
    assert torch.equal(selection.take_mask(columns("xxxx xxxx").long(), rows=True), selection.valid.long())


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("new", [6, 2, 1])
def test_a_mask_is_made_only_where_fillers_need_one(new, flat):
    equal = selected("xx..xx", 4)
    assert PrunedForward(equal, length=6, new=new, decoder=DecoderTraits(flat)).prune_mask(None) is None
    unequal = selected("xxxxxx x...xx", 6, fill=True)
    mask = PrunedForward(unequal, length=6, new=new, decoder=DecoderTraits(flat)).prune_mask(None)
    if flat:
        assert torch.equal(mask, unequal.valid)
    else:
        assert mask.shape == (2, 1, new, 6)
        assert torch.equal(mask[:, 0, -1], unequal.valid)
        assert mask.any(dim=-1).all()


def test_each_object_is_cut_once_and_never_taken_for_another():
    cut = PrunedForward(selected("xx..xx", 4), length=6, new=6, decoder=DecoderTraits(False))
    given = {"position_ids": torch.arange(6)[None], "position_embeddings": (torch.randn(1, 6, 4), torch.randn(1, 6, 4))}
    first, second = cut.prune_kwargs(given), cut.prune_kwargs(given)
    assert all(first[name] is second[name] for name in given)
    assert first["position_ids"].tolist() == [[0, 1, 4, 5]]
    many = torch.arange(50)[:, None].expand(50, 6)
    for row in range(50):  # objects that live for one call only, and so are likely to get each other's ids
        assert cut.prune_kwargs({"position_ids": many[row : row + 1]})["position_ids"].tolist() == [[row] * 4]
