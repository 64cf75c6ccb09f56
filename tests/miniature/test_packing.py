import torch
from transformers import CLIPVisionModel, LlavaForConditionalGeneration

from fastv.miniature.architecture import Decoder, llava_config, tower_config
from fastv.miniature.decoder import Student
from fastv.miniature.packing import Questioner, pack
from fastv.miniature.scenes import GRID, scene
from fastv.miniature.tokenizer import OPENING, build_processor


def test_questions_packed_together_are_answered_as_if_asked_alone():
    processor = build_processor()
    tokenizer = processor.tokenizer
    torch.manual_seed(0)
    tower = CLIPVisionModel(tower_config(width=64, layers=1, heads=1))
    model = LlavaForConditionalGeneration(llava_config(Decoder(3, 32, 2, 64), tower.config, vocabulary=len(tokenizer),
                                                       image_token=3, bos=1, eos=2, pad=0)).eval()
    examples = [Questioner(tokenizer, 3)(scene(seed)) for seed in (1, 2)]
    packed = pack(examples, tokenizer, torch.arange(GRID * GRID).expand(len(examples), -1))
    with torch.no_grad():
        together, *_ = Student(model, tokenizer)(packed)
        alone = []
        for seed, example in zip((1, 2), examples):
            opening = processor(images=scene(seed).picture, text=OPENING, return_tensors="pt")
            for asked in example.asked:
                ids = torch.cat([opening["input_ids"], torch.tensor([asked.prompt + asked.answer])], dim=1)
                logits = model(input_ids=ids, pixel_values=opening["pixel_values"]).logits[0]
                alone.append(logits[-len(asked.answer) - 1:-1])
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-4, rtol=1e-3)
