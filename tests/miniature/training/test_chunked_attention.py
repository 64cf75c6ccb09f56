import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import LlamaConfig, LlamaModel

from fastv.miniature.training.chunked_attention import ROWS, chunked_attention, chunked_attention_forward


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("length", [ROWS - 1, ROWS, 2 * ROWS + 3])
def test_answers_and_gradients_are_those_of_the_fused_kernel(length, masked):
    torch.manual_seed(0)
    parts = [torch.randn(2, 3, length, 8, requires_grad=True) for _ in range(3)]
    visible = torch.rand(2, 1, length, length).lt(0.5).tril() | torch.eye(length, dtype=torch.bool)
    mask = torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min) if masked else None
    ours, weights = chunked_attention_forward(None, *parts, mask, scaling=0.3)
    theirs = scaled_dot_product_attention(*parts, attn_mask=mask, scale=0.3).transpose(1, 2)
    assert weights is None
    torch.testing.assert_close(ours, theirs)
    pull = torch.randn(ours.shape)
    torch.testing.assert_close(torch.autograd.grad(ours, parts, pull), torch.autograd.grad(theirs, parts, pull))


def test_the_model_has_its_own_kernel_back_afterwards_also_after_an_error():
    model = LlamaModel(
        LlamaConfig(vocab_size=8, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2)
    )
    before = model.config._attn_implementation
    with pytest.raises(ZeroDivisionError), chunked_attention(model):
        assert model.config._attn_implementation != before
        raise ZeroDivisionError
    assert model.config._attn_implementation == before
