"""Layers that see a window: of a cut sequence they see as far back as of a whole one, however long it grows."""

from __future__ import annotations

import pytest
import torch

from fastv import METHODS, FastV
from fastv.errors import InvalidInputError
from fastv.families.registry import family_for
from fastv.measurement.masked_reference import dropped_by_masking
from fastv.pruning.hooks.sliding_windows import Window, grown_mask, window_of, window_sizes
from fastv.pruning.index_selection import Selection
from fastv.pruning.transformers_compat import cache_in
from tests.support.masked_reference import CACHE, CLOSE, GREEDY, assert_same_answer, cuts_by_masking
from tests.support.standins import END, FURTHER_STANDINS, IMAGE_TOKEN, ROWS, START

STANDIN = FURTHER_STANDINS["gemma3"]
OPTIONS = GREEDY | dict(max_new_tokens=10, suppress_tokens=[2, START, END, IMAGE_TOKEN])
_MODELS: dict = {}


def model_of(window: int, attention: str = "sdpa"):
    if (window, attention) not in _MODELS:
        model = STANDIN.model(attention)
        model.config.text_config.sliding_window = window
        for layer in model.model.language_model.layers:
            layer.self_attn.sliding_window = window if layer.self_attn.is_sliding else None
        _MODELS[window, attention] = model
    return _MODELS[window, attention]


def dropped_of(model, trace, inputs):
    dropped = family_for("gemma3").visual_mask(model, inputs["input_ids"])
    for row, kept in zip(dropped, trace.kept):
        row[kept[kept >= 0]] = False
    return dropped


@pytest.mark.parametrize("window", [5, 26])
@pytest.mark.parametrize("k", range(4))
def test_an_answer_longer_than_the_window(window, k):
    """Windows of 5 end before the picture, those of 26 while the answer is written."""
    model, inputs = model_of(window), STANDIN.inputs(ROWS["three rows"])
    assert window == 5 or inputs["input_ids"].shape[1] < window < inputs["input_ids"].shape[1] + 10
    with METHODS["random"](k=k, r=0.5)(model) as trace:
        output = model.generate(**inputs, **OPTIONS)
    with dropped_by_masking(model.model.language_model, k, dropped_of(model, trace, inputs)):
        assert_same_answer(output, model.generate(**inputs, **OPTIONS), **CLOSE)


def test_the_kernel_that_adds_its_mask():
    model, inputs = model_of(8, "eager"), STANDIN.inputs(ROWS["three rows"])
    with FastV(k=1)(model):
        output = model.generate(**inputs, **OPTIONS)
    with FastV(k=1)(model_of(8)):
        assert_same_answer(output, model_of(8).generate(**inputs, **OPTIONS), **CLOSE)


def test_several_cuts():
    model, inputs = model_of(8), STANDIN.inputs(ROWS["three rows"])
    with METHODS["pyramiddrop"](r=0.6)(model) as trace:
        output = model.generate(**inputs, **OPTIONS)
    with cuts_by_masking(model, trace, inputs["input_ids"]):
        assert_same_answer(output, model.generate(**inputs, **OPTIONS), **CLOSE)


def test_rows_that_beams_move_are_found_again():
    """With a cache and without one, the same beams win: the rows' own choices follow them."""
    model, inputs = model_of(8), STANDIN.inputs(ROWS["three rows"])
    beams = OPTIONS | dict(num_beams=3, max_new_tokens=5, output_logits=False, return_dict_in_generate=False)
    with FastV(k=1)(model):
        assert torch.equal(model.generate(**inputs, **beams), model.generate(**inputs, **beams, use_cache=False))


@pytest.mark.parametrize("k", [0, 2])
def test_tokens_read_one_by_one_and_together(k):
    model, inputs = model_of(8), STANDIN.inputs(ROWS["three rows"][:2])
    more = torch.randint(3, START, (2, 11), generator=torch.Generator().manual_seed(1))
    mask = torch.cat([inputs["attention_mask"], torch.ones_like(more)], dim=1)
    method = METHODS["random"](k=k, r=0.5)
    with method(model) as trace, torch.no_grad():
        cache = cache_in(model(**inputs, use_cache=True))
        steps = [
            model(input_ids=more[:, i : i + 1], attention_mask=mask[:, : i - 10 or None], **{CACHE: cache}).logits
            for i in range(11)
        ]
        cache = cache_in(model(**inputs, use_cache=True))
        together = model(input_ids=more, attention_mask=mask, **{CACHE: cache}).logits
        with pytest.raises(InvalidInputError, match="alone"):
            model(input_ids=more, attention_mask=mask[:, None, None], **{CACHE: cache})
    torch.testing.assert_close(together, torch.cat(steps, dim=1), **CLOSE)
    whole = inputs | {"input_ids": torch.cat([inputs["input_ids"], more], dim=1), "attention_mask": mask}
    whole["token_type_ids"] = torch.cat([inputs["token_type_ids"], torch.zeros_like(more)], dim=1)
    with dropped_by_masking(model.model.language_model, k, dropped_of(model, trace, inputs)), torch.no_grad():
        torch.testing.assert_close(together, model(**whole).logits[:, -11:], **CLOSE)


def test_a_mask_shows_what_is_kept_and_not_older_than_the_window():
    kept = Selection(torch.tensor([[0, 2, 3, 5]]), None, 6).grown(9)  # columns 6, 7 and 8 were added
    assert grown_mask(kept, None, 1, None)[0, 0].tolist() == [[True] * 7]
    mask = grown_mask(kept, None, 2, Window(4, cached=False))
    assert mask[0, 0].int().tolist() == [[0, 0, 0, 1, 1, 1, 0], [0, 0, 0, 1, 1, 1, 1]]
    assert torch.equal(grown_mask(kept, None, 2, Window(4)), mask[..., -5:])
    real = torch.ones(1, 9)
    real[0, 5] = 0
    assert grown_mask(kept, real, 1, Window(4))[0, 0].int().tolist() == [[0, 1, 1, 1]]


def test_which_layers_slide():
    config = STANDIN.config().text_config
    assert window_sizes(config) == (8, None, 8, None)
    assert window_of((8, None), 1, None) is None and window_of((), 0, None) is None
    assert window_of((8, None), 0, None) == Window(8, cached=False)
