import pytest
import torch
from transformers import CLIPVisionModel, LlavaForConditionalGeneration

from fastv.miniature.model.architecture import Decoder, llava_config, tower_config
from fastv.miniature.model.tokenizer import OPENING
from fastv.miniature.training.decoder_stage import FEW, DecoderTrainer, few_patches
from fastv.miniature.training.packing import Questioner, pack
from fastv.miniature.world.scenes import GRID, scene


@pytest.mark.slow
def test_questions_packed_together_are_answered_as_if_asked_alone(processor):
    tokenizer = processor.tokenizer
    torch.manual_seed(0)
    tower = CLIPVisionModel(tower_config(width=64, layers=1, heads=1))
    model = LlavaForConditionalGeneration(
        llava_config(Decoder(3, 32, 2, 64), tower.config, vocabulary=len(tokenizer), image_token=3, bos=1, eos=2, pad=0)
    ).eval()
    examples = [Questioner(tokenizer, 3)(scene(seed)) for seed in (1, 2)]
    packed = pack(examples, tokenizer, torch.arange(GRID * GRID).expand(len(examples), -1))
    with torch.no_grad():
        together, *_ = DecoderTrainer(model, tokenizer)(packed)
        alone = []
        for seed, example in zip((1, 2), examples):
            opening = processor(images=scene(seed).picture, text=OPENING, return_tensors="pt")
            for asked in example.asked:
                ids = torch.cat([opening["input_ids"], torch.tensor([asked.prompt + asked.answer])], dim=1)
                logits = model(input_ids=ids, pixel_values=opening["pixel_values"]).logits[0]
                alone.append(logits[-len(asked.answer) - 1 : -1])
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-4, rtol=1e-3)


def test_the_few_patches_are_those_that_tell_and_some_of_everywhere(processor):
    ask = Questioner(processor.tokenizer, 1)
    examples = [ask(scene(seed)) for seed in range(12)]
    for example, patches in zip(examples, few_patches(examples).tolist()):
        telling = ((example.labels["centre"] > 0) | (example.labels["digit"] > 0)).nonzero().flatten().tolist()
        assert patches == sorted(set(patches)) and len(patches) == FEW and set(telling) <= set(patches)
        squares = {(patch // GRID // 2, patch % GRID // 2) for patch in patches}
        assert len(squares) >= (GRID // 2) ** 2 - max(0, len(telling) - (FEW - (GRID // 2) ** 2))
