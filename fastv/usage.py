"""The lines of Python that repeat, in a script of one's own, what was chosen on the page."""

from __future__ import annotations

from pathlib import Path

from fastv.models.catalogue import CATALOGUE, ModelEntry

_LINES = """\
from fastv import FastV
from fastv.inputs import open_picture
from fastv.models.loading import load

loaded = load({model}, dtype={dtype})
prompt = loaded.family.prompt(loaded.processor, {question})
inputs = loaded.processor(images=open_picture("picture.png"), text=prompt, return_tensors="pt")
inputs = inputs.to(loaded.device, loaded.model.dtype)

with FastV({budget})(loaded.model):  # without this line: the model as it is
    output = loaded.model.generate(**inputs, max_new_tokens={max_new_tokens}, do_sample=False)

answer = output[0, inputs["input_ids"].shape[1]:]
print(loaded.processor.tokenizer.decode(answer, skip_special_tokens=True).strip())
"""


def script(entry: ModelEntry, question: str, *, dtype: str, k: int, r: float, rank: str = "last_token", seed: int = 0,
           max_new_tokens: int = 64) -> str:
    """A script that prints the answer with FastV about ``picture.png``, run in the project's folder.

    dtype: as in ``load``. k, r, rank, seed: as in ``FastV``. max_new_tokens: the longest answer.
    """
    budget = [f"k={k}", f"r={r!r}"]
    if rank != "last_token":
        budget.append(f"rank={_literal(rank)}")
    if seed:
        budget.append(f"seed={seed}")
    return _LINES.format(model=_literal(_name(entry)), dtype=_literal(dtype), question=_literal(question.strip()),
                         budget=", ".join(budget), max_new_tokens=max_new_tokens)


def _name(entry: ModelEntry) -> str:
    """What ``load`` takes; a folder of this machine is nobody's business and becomes a place to fill in."""
    if entry in CATALOGUE:
        return entry.key
    folder = Path(entry.source)
    return f"path/to/{folder.resolve().name}" if folder.is_dir() else entry.source


def _literal(text: str) -> str:
    """Python's own literal for any text, in double quotes where that is as good."""
    plain = repr(text)
    return f'"{plain[1:-1]}"' if plain[0] == "'" and '"' not in text else plain
