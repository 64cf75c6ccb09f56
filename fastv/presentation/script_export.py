"""A Python script that repeats what was chosen on the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fastv.families.catalogue import CATALOGUE, ModelEntry
from fastv.pruning.config import PruningConfig

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

{import_pruning}{import_line}
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
class ScriptSide:
    """One side of a comparison, to be written down.

    Parameters
    ----------
    label : str
        Printed before its answer; sides have different ones.
    entry : ModelEntry
        Its model.
    config : PruningConfig or None
        None without pruning.
    """

    label: str
    entry: ModelEntry
    config: PruningConfig | None = None


def script(
    entry: ModelEntry,
    question: str,
    config: PruningConfig,
    *,
    dtype: str,
    max_new_tokens: int = 64,
    video: bool = False,
) -> str:
    """A script that prints the answer of a pruned model about ``picture.png``, or ``video.mp4``.

    Parameters
    ----------
    entry : ModelEntry
        The model.
    question : str
        Any text.
    config : PruningConfig
        How the model is pruned.
    dtype : str
        As in ``load``.
    max_new_tokens : int
        The longest answer.
    video : bool
        Whether the question is about a video.
    """
    return _LINES.format(
        model=_literal(_source(entry)),
        dtype=_literal(dtype),
        question=_literal(question.strip()),
        names=_imported([config]),
        pruning=_call(config),
        max_new_tokens=max_new_tokens,
        **(_VIDEO if video else _PICTURE),
    )


def script_of_both(
    sides: Sequence[ScriptSide],
    question: str,
    *,
    dtype: str,
    max_new_tokens: int = 64,
    video: bool = False,
) -> str:
    """The same for both sides of a comparison, which run one after the other; see ``script``."""
    lines = [
        f"    {_literal(side.label)}: ({_literal(_source(side.entry))}, "
        f"{'None' if side.config is None else _call(side.config)}),"
        for side in sides
    ]
    return _LINES_OF_BOTH.format(
        import_pruning=_import_line(side.config for side in sides),
        sides="\n".join(lines),
        dtype=_literal(dtype),
        question=_literal(question.strip()),
        max_new_tokens=max_new_tokens,
        **(_VIDEO if video else _PICTURE),
    )


def _imported(configs: Iterable[PruningConfig]) -> str:
    """What is imported from ``fastv``."""
    return ", ".join(sorted({"FastV" if config.method == "fastv" else "METHODS" for config in configs}))


def _import_line(configs: Iterable[PruningConfig | None]) -> str:
    """The import of methods with its line break, empty where no side is pruned."""
    pruned = [config for config in configs if config is not None]
    return f"from fastv import {_imported(pruned)}\n" if pruned else ""


def _call(config: PruningConfig) -> str:
    """The method with its arguments, without those at their defaults."""
    method = "FastV" if config.method == "fastv" else f"METHODS[{_literal(config.method)}]"
    given = {"k": config.k, "r": config.r} | ({"seed": config.seed} if config.seed else {}) | config.options
    values = (f"{name}={_literal(value) if isinstance(value, str) else repr(value)}" for name, value in given.items())
    return f"{method}({', '.join(values)})"


def _source(entry: ModelEntry) -> str:
    """What ``load`` takes. A local folder becomes a placeholder: its path is private and useless elsewhere."""
    if entry in CATALOGUE:
        return entry.key
    folder = Path(entry.source)
    return f"path/to/{folder.resolve().name}" if folder.is_dir() else entry.source


def _literal(text: str) -> str:
    """A Python literal of any text, in double quotes where possible."""
    plain = repr(text)
    return f'"{plain[1:-1]}"' if plain[0] == "'" and '"' not in text else plain
