"""Labels and logits_to_keep: positions of the prompt as it was given, or a refusal."""

from __future__ import annotations

import pytest
import torch

from fastv import FastV
from fastv.errors import InvalidInputError
from tests.support.masked_reference import CLOSE, dropped_by_masking, dropped_of, model_of
from tests.support.standins import IMAGE_TOKEN, llava_inputs


def labels_of(inputs: dict) -> torch.Tensor:
    return inputs["input_ids"].masked_fill(inputs["input_ids"] == IMAGE_TOKEN, -100)


class TestArgumentsThatSpeakOfPositions:
    def test_labels_are_refused_where_tokens_are_dropped(self):
        model, inputs = model_of(), llava_inputs()
        with torch.no_grad():
            expected = model(**inputs, labels=labels_of(inputs)).loss
            with FastV(k=2)(model), pytest.raises(InvalidInputError, match="labels"):
                model(**inputs, labels=labels_of(inputs))
            with FastV(k=2, r=0)(model):
                assert torch.equal(model(**inputs, labels=labels_of(inputs)).loss, expected)
            text = llava_inputs([(9,)])
            with FastV(k=2)(model):
                assert model(**text, labels=text["input_ids"]).loss.isfinite()

    @pytest.mark.parametrize("k", [0, 1, 3])
    @pytest.mark.parametrize("prompts", [[(5, 0, 7)], [(5, 0, 7), (5, 0, 7)]], ids=["one row", "two rows"])
    def test_listed_positions_are_those_of_the_prompt(self, k, prompts):
        model, inputs = model_of(), llava_inputs(prompts)
        with torch.no_grad():
            with FastV(k=k)(model) as trace:
                model(**inputs)
            with dropped_by_masking(model, k, dropped_of(trace, inputs["input_ids"])):
                true = model(**inputs).logits
            for positions in ([28], [0, 22, 28], [-1, -7]):
                wanted = torch.tensor(positions)
                with FastV(k=k)(model):
                    found = model(**inputs, logits_to_keep=wanted).logits
                torch.testing.assert_close(found, true[:, positions], **CLOSE)
                assert wanted.tolist() == positions  # the caller's own tensor stays
            kept = trace.kept[0, 0].item()
            if len(prompts) == 1:
                with FastV(k=k)(model):
                    found = model(**inputs, logits_to_keep=torch.tensor([kept])).logits
                torch.testing.assert_close(found, true[:, [kept]], **CLOSE)

    @pytest.mark.parametrize("wanted", [torch.tensor([40]), torch.tensor([True] * 29)], ids=["beyond", "a mask"])
    def test_positions_that_are_none_are_refused(self, wanted):
        model, inputs = model_of(), llava_inputs()
        with FastV(k=2)(model), pytest.raises(InvalidInputError, match="logits_to_keep"):
            model(**inputs, logits_to_keep=wanted)

    def test_a_dropped_position_is_refused(self):
        model, inputs = model_of(), llava_inputs()
        with FastV(k=2)(model) as trace, torch.no_grad():
            model(**inputs)
            for position in dropped_of(trace, inputs["input_ids"])[0].nonzero()[:, 0].tolist():
                with pytest.raises(InvalidInputError, match="dropped"):
                    model(**inputs, logits_to_keep=torch.tensor([position]))

    def test_the_last_positions_may_not_reach_into_the_image(self):
        model, inputs = model_of(), llava_inputs()
        with FastV(k=2)(model) as trace, torch.no_grad():
            left = model(**inputs).logits
            for count in (1, 7):
                torch.testing.assert_close(model(**inputs, logits_to_keep=count).logits, left[:, -count:], **CLOSE)
            assert left.shape[1] == trace.pruned_length
            with pytest.raises(InvalidInputError, match="logits_to_keep=8"):
                model(**inputs, logits_to_keep=8)
