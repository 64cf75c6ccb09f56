"""Where each layer looks, as the data that the page's script draws: small enough for a page, exact where it decides.

Maps are quantized for the eye. The last prompt token's row, by which FastV ranks, is kept in float32, so that what a
budget takes is computed in the browser as the engine computes it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from fastv.loading.load import LoadedModel
from fastv.measurement.attention_map import AttentionMap
from fastv.measurement.prompt import FrameSpan, answer_text

MOST_QUESTION_TOKENS = 40  # whose rows are shown: the last ones of a longer question
_MOST_HEAD_BYTES = 1_500_000  # beyond it heads are left out
_LONGEST_SIDE = 672  # pixels of a shown picture


@dataclass(frozen=True)
class KnownThings:
    """What a drawn scene shows, and where.

    Attributes
    ----------
    names : tuple of str
    owners : array
        int (visual tokens,): which of them covers most of a token's patch, -1 for none.
    """

    names: tuple[str, ...]
    owners: np.ndarray


def attention_payload(
    found: AttentionMap, loaded: LoadedModel, question: str, things: KnownThings | None = None
) -> dict[str, Any]:
    """In JSON's types.

    Returns
    -------
    dict
        ``model``, ``name``, ``question``, ``answer``, ``layers``, ``visual``: the model, what was asked and answered,
        the numbers of the layers, and how many visual tokens there are. ``frames``: pictures as data URIs, each with
        ``rows``, ``columns``, ``lead`` and ``row_end``, as ``FrameSpan`` has them. ``words``: tokens that look, in
        their order, with ``text`` and ``kind``: "question" for one that was read, "answer" for one that is being
        written; ``last`` is the index of the last prompt token, which writes the first. ``shares``: for each word and
        layer those of ``attention_map.PARTS``. ``maps``: base64 of uint8 (words, layers, visual), the square root of
        each visual token's attention by the highest one of its layer. ``ranking``: base64 of little-endian float32
        (layers, visual), the last prompt token's row. ``heads``: how many, 0 where their maps are left out;
        ``head_maps``: base64 of uint8 (layers, heads, visual), and ``head_shares``: (layers, heads), the image's, both
        of the last prompt token. ``things``: ``name`` and ``tokens``, indices of visual tokens, of each that is known.
    """
    positions = sorted(found.rows)
    read = [position for position in positions if position < found.last and _text(found, loaded, position).strip()]
    read = read[-MOST_QUESTION_TOKENS:]
    shown = [*read, *(position for position in positions if position >= found.last)]
    heads = found.heads.get(found.last)
    if heads is not None and heads[..., 0].numel() * found.prompt.visual_tokens > _MOST_HEAD_BYTES:
        heads = None
    by_head = None if heads is None else found.image_by_head(found.last)
    return {
        "model": loaded.entry.key,
        "name": loaded.entry.name,
        "question": question,
        "answer": answer_text(loaded, found.answer),
        "layers": list(found.layers),
        "visual": found.prompt.visual_tokens,
        "frames": [_frame(place) for place in found.prompt.places],
        "words": [_word(found, loaded, position) for position in shown],
        "last": len(read),
        "shares": [[_rounded(layer) for layer in found.shares(position).tolist()] for position in shown],
        "maps": _encoded(np.stack([_levels(found.image(position)) for position in shown])),
        "ranking": _encoded(found.image(found.last).numpy().astype("<f4")),
        "heads": 0 if heads is None else heads.shape[1],
        "head_maps": "" if by_head is None else _encoded(_levels(by_head)),
        "head_shares": [] if by_head is None else [_rounded(layer) for layer in by_head.sum(-1).tolist()],
        "things": [] if things is None else _things(things),
    }


def _text(found: AttentionMap, loaded: LoadedModel, position: int) -> str:
    """The token at a position of the prompt, or from the last one on the token that is written there."""
    step = position - found.last
    tokens: Any = found.prompt.inputs["input_ids"][0]
    token = found.answer[step] if step >= 0 else int(tokens[position])
    special = token in loaded.processor.tokenizer.all_special_ids
    return "(end)" if special else loaded.processor.tokenizer.decode([token])


def _word(found: AttentionMap, loaded: LoadedModel, position: int) -> dict[str, str]:
    kind = "question" if position < found.last else "answer"
    return {"text": _text(found, loaded, position).strip() or "␣", "kind": kind}


def _frame(place: FrameSpan) -> dict[str, Any]:
    picture = place.picture.copy()
    picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    rows, columns = place.grid
    return {
        "picture": data_uri(picture),
        "rows": rows,
        "columns": columns,
        "lead": place.lead,
        "row_end": place.row_end,
    }


def data_uri(picture: Image.Image) -> str:
    file = BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{b64encode(file.getvalue()).decode()}"


def _levels(rows: Tensor) -> np.ndarray:
    """uint8 (..., visual): the square root by the highest of the last dimension."""
    highest = rows.amax(dim=-1, keepdim=True).clamp_min(1e-12)
    return (255 * (rows / highest).sqrt()).round().numpy().astype(np.uint8)


def _things(known: KnownThings) -> list[Mapping[str, Any]]:
    return [
        {"name": name, "tokens": np.flatnonzero(known.owners == index).tolist()}
        for index, name in enumerate(known.names)
    ]


def _encoded(values: np.ndarray) -> str:
    return b64encode(values.tobytes()).decode()


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 4) for value in values]
