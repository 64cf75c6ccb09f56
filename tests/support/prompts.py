"""Stand-ins that always have something to say, and what plain ``generate`` answers for them."""

from __future__ import annotations

import numpy as np
from PIL import Image

from fastv.loading.load import LoadedModel, load
from tests.support.standins import save_llava_checkpoint

QUESTION = "how many red in the picture ?"
QUICK = {"max_new_tokens": 4, "repeats": 1}


def talkative(folder, **shape) -> LoadedModel:
    """A stand-in saved in ``folder``: its answers run to their longest and all of their tokens are words."""
    save_llava_checkpoint(folder, **shape)
    loaded = load(str(folder))
    loaded.model.generation_config.update(eos_token_id=None, suppress_tokens=loaded.processor.tokenizer.all_special_ids)
    return loaded


def noise() -> Image.Image:
    """A picture with something in every patch."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (56, 84, 3), dtype=np.uint8))


def inputs_of(loaded, picture, question: str = QUESTION) -> dict:
    text = loaded.family.prompt(loaded.processor, question)
    return dict(loaded.processor(images=picture, text=text, return_tensors="pt"))


def plain_answer(loaded, inputs, count: int) -> str:
    output = loaded.model.generate(**inputs, max_new_tokens=count, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    return loaded.processor.tokenizer.decode(output, skip_special_tokens=True).strip()
