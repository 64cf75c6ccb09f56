"""Methods that cut several times, one cut after the other by masking, and what ranks tokens at each from whole maps."""

from __future__ import annotations

from contextlib import ExitStack

import torch

from fastv import METHODS
from tests.support.masked_reference import dropped_by_masking, visual_of

#: Those that serve pictures.
PICTURE_METHODS = {name: method for name, method in METHODS.items() if not method.videos_alone}


def kept_cut_by_cut(source, inputs=None, cuts=None, rank=None, *tokens: int) -> list[list[list[int]]]:
    """For each cut and row the positions kept, ascending: of a trace, or by ranking on a model of eager attention.

    Parameters
    ----------
    source
        A trace; or the model.
    inputs, cuts
        The prompts; and for each cut its layer, and how many tokens of each row are left after it.
    rank
        From the model's output, the layer, and a row's number and positions still there, to a score for each of those.
    tokens
        That stand for what is visual.
    """
    if inputs is None:
        return [
            [[position for position in row if position >= 0] for row in kept.tolist()] for kept in source.kept_by_cut
        ]
    visual = visual_of(inputs["input_ids"], *tokens)
    there = [row.nonzero()[:, 0].tolist() for row in visual]
    found = []
    with ExitStack() as stack, torch.no_grad():
        for layer, counts in cuts:
            output = source(**inputs, output_attentions=True, output_hidden_states=True)
            for row, count in enumerate(counts):
                scores = rank(output, layer, row, there[row])
                best = sorted(range(len(scores)), key=lambda i, scores=scores: (-scores[i], i))[:count]
                there[row] = sorted(there[row][i] for i in best)
            dropped = visual.clone()
            for row, positions in zip(dropped, there):
                row[positions] = False
            stack.enter_context(dropped_by_masking(source, layer, dropped))
            found.append([list(row) for row in there])
    return found


def last_row_of(output, layer: int, row: int, positions: list[int]) -> list[float]:
    """The last token's attention in the layer that is entered."""
    return output.attentions[layer][row].float().mean(dim=0)[-1, positions].tolist()
