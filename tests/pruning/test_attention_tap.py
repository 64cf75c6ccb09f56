"""Looking at a layer's attention: the layer does what it did, the observer sees it, and the layer forgets it."""

from __future__ import annotations

import pytest
import torch

from fastv.errors import UnsupportedModelError
from fastv.pruning.attention_tap import observing
from tests.support.standins import llava_inputs, tiny_llava


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_the_layer_computes_what_it_always_did(attention):
    model, inputs, seen = tiny_llava(attention=attention, kv_heads=2), llava_inputs(), []
    attention = model.model.language_model.layers[1].self_attn
    config = attention.config
    with torch.no_grad():
        expected = model(**inputs).logits
        with observing(attention, lambda *shown: seen.append(shown)):
            assert torch.equal(model(**inputs).logits, expected)
            assert attention.config is not config and vars(config)["_attn_implementation_internal"] in ("sdpa", "eager")
        assert torch.equal(model(**inputs).logits, expected)
    assert attention.config is config
    ((query, key, mask, scaling),) = seen
    assert query.shape == (1, 4, 29, 8) and key.shape == (1, 2, 29, 8) and scaling == attention.scaling
    assert mask is None or mask.shape == (1, 1, 29, 29)


def test_other_layers_are_not_shown_and_errors_restore_the_layer():
    model = tiny_llava()
    attention = model.model.language_model.layers[1].self_attn
    config = attention.config
    with pytest.raises(ZeroDivisionError), observing(attention, lambda *shown: 1 / 0):
        parts = [layer.self_attn for layer in model.model.language_model.layers]
        assert [part for part in parts if part.config is not config] == [attention]
        model(**llava_inputs())
    assert attention.config is config


def test_modules_that_choose_no_kernel_are_refused():
    with pytest.raises(UnsupportedModelError, match="MultiheadAttention"):
        with observing(torch.nn.MultiheadAttention(4, 1), print):
            pass
