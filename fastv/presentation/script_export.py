"""The lines of Python that repeat, in a script of one's own, what was chosen on the page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fastv.families.catalogue import CATALOGUE, ModelEntry

_LINES = """\
from fastv import {names}
{import_line}
from fastv.loading.load import load

{clip}loaded = load({model}, dtype={dtype})
prompt = loaded.family.prompt(loaded.processor, {question}{kind})
inputs = loaded.processor({shown}, text=prompt, return_tensors="pt")
inputs = inputs.to(loaded.device, loaded.model.dtype)

with {pruning}(loaded.model):  # without this line: the model as it is
    output = loaded.model.generate(**inputs, max_new_tokens={max_new_tokens}, do_sample=False, num_beams=1,
                                   repetition_penalty=1.0, no_repeat_ngram_size=0)

answer = output[0, inputs["input_ids"].shape[1]:]
print(loaded.processor.tokenizer.decode(answer, skip_special_tokens=True).strip())
"""


_LINES_OF_BOTH = """\
from contextlib import nullcontext

from fastv import {names}
{import_line}
from fastv.loading.load import load

{clip}sides = {{
{sides}
}}
for name, (model, pruning) in sides.items():
    loaded = load(model, dtype={dtype})
    prompt = loaded.family.prompt(loaded.processor, {question}{kind})
    inputs = loaded.processor({shown}, text=prompt, return_tensors="pt")
    inputs = inputs.to(loaded.device, loaded.model.dtype)

    with pruning(loaded.model) if pruning else nullcontext():
        output = loaded.model.generate(**inputs, max_new_tokens={max_new_tokens}, do_sample=False, num_beams=1,
                                       repetition_penalty=1.0, no_repeat_ngram_size=0)

    answer = output[0, inputs["input_ids"].shape[1]:]
    print(f"{{name}}:", loaded.processor.tokenizer.decode(answer, skip_special_tokens=True).strip())
"""


_PICTURE = {
    "import_line": "from fastv.inputs.image import open_picture",
    "clip": "",
    "kind": "",
    "shown": 'images=open_picture("picture.png")',
}
_VIDEO = {
    "import_line": "from fastv.inputs.video import open_video",
    "clip": 'clip = open_video("video.mp4")\n',
    "kind": ', "video"',
    "shown": "videos=[list(clip.frames)], video_metadata=[clip.metadata]",
}


@dataclass(frozen=True)
class Asked:
    """A side to write down: its title, its model, and K and R, where K is None without FastV."""

    title: str
    entry: ModelEntry
    k: int | None = None
    r: float = 0.0


def script(
    entry: ModelEntry,
    question: str,
    *,
    dtype: str,
    k: int,
    r: float,
    method: str = "fastv",
    seed: int = 0,
    max_new_tokens: int = 64,
    video: bool = False,
) -> str:
    """A script that prints the answer with FastV about ``picture.png``, or ``video.mp4``, run in the project's folder.

    dtype: as in ``load``. k, r, method, seed: as in ``PruningConfig``. max_new_tokens: the longest answer.
    """
    return _LINES.format(
        model=_literal(_name(entry)),
        dtype=_literal(dtype),
        question=_literal(question.strip()),
        names=_names([method]),
        pruning=_pruning(k, r, method, seed),
        max_new_tokens=max_new_tokens,
        **(_VIDEO if video else _PICTURE),
    )


def script_of_both(
    sides: Iterable[Asked],
    question: str,
    *,
    dtype: str,
    method: str = "fastv",
    seed: int = 0,
    max_new_tokens: int = 64,
    video: bool = False,
) -> str:
    """The same for two sides, whose titles differ: it prints both answers, and needs memory for one model at a time."""
    lines = [
        f"    {_literal(side.title)}: ({_literal(_name(side.entry))}, "
        + ("None" if side.k is None else _pruning(side.k, side.r, method, seed))
        + "),"
        for side in sides
    ]
    return _LINES_OF_BOTH.format(
        names=_names([method]),
        sides="\n".join(lines),
        dtype=_literal(dtype),
        question=_literal(question.strip()),
        max_new_tokens=max_new_tokens,
        **(_VIDEO if video else _PICTURE),
    )


def _names(methods: Iterable[str]) -> str:
    """What is imported from ``fastv``."""
    return ", ".join(sorted({"FastV" if method == "fastv" else "METHODS" for method in methods}))


def _pruning(k: int, r: float, method: str, seed: int) -> str:
    """The method with its arguments, without those that are its defaults anyway."""
    made = "FastV" if method == "fastv" else f"METHODS[{_literal(method)}]"
    return f"{made}(k={k}, r={r!r}{f', seed={seed}' if seed else ''})"


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
