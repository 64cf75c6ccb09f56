"""What the layer profiles say of where the layers look and which of them need the picture, in sentences.

Numbers are means over questions about drawn scenes; see ``findings`` for what intervals and significance mean. No
torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from statistics import fmean

from fastv.evidence.findings import PAIR, Comparisons, Finding
from fastv.evidence.layer_profiles import Cells, LayerProfile, layer_profiles, thirds
from fastv.evidence.published import attention_shares
from fastv.formatting import percent, points

RANKING_LAYER = 1  # whose attention ranks at the paper's K = 2
_Z = 1.96
_SHALLOW = 2  # layers, as the paper divides them


def layer_findings(found: Mapping[str, LayerProfile] | None = None) -> tuple[Finding, ...]:
    """The findings that the profiles allow, by default all recorded ones; none where nothing was measured."""
    profiles = layer_profiles() if found is None else found
    known = [profiles[model] for model in PAIR if model in profiles]
    made = [one(profile) for one in (_looks, _depth, _needs, _place) for profile in known]
    return tuple(finding for finding in made if finding is not None)


def _looks(one: LayerProfile) -> Finding:
    """How much of the last prompt token's attention the picture gets."""
    most = max(range(one.layers), key=lambda layer: one.image[layer])
    least = min(range(one.layers), key=lambda layer: one.image[layer])
    margin = _Z * max(one.image_deviation) / sqrt(one.scenes)
    return Finding(
        f"How much of the attention of {one.model}'s last prompt token goes to the image?",
        f"{_share(one.image[least])} in layer {least}, {_share(one.image[most])} in layer {most}, "
        f"{_share(one.image[-1])} in the last layer. Means over {one.scenes:,} questions, each within "
        f"{points(margin).lstrip('+')} points (95% CI).",
        "Layer by layer: " + ", ".join(f"{layer}: {_share(share)}" for layer, share in enumerate(one.image)) + ".",
    )


def _depth(one: LayerProfile) -> Finding | None:
    """The same of the answer's tokens, divided as in the paper."""
    image = [layer["image"] for layer in one.answer_attention]
    shallow, deep = fmean(image[:_SHALLOW]), fmean(image[_SHALLOW:])
    first, others = (next(row for row in attention_shares() if row.layers == name) for name in ("first 2", "others"))
    direction = "falls" if deep < shallow else "rises"
    return Finding(
        f"Do {one.model}'s deeper layers look less at the image, as LLaVA-1.5's do?",
        f"{'Yes' if deep < shallow else 'No'}: the share that the image gets from the tokens that write the answer "
        f"{direction} from {_share(shallow)} in the first two layers to {_share(deep)} on average in the others. The "
        f"paper's LLaVA-1.5 7B: from {_share(first.image)} to {_share(others.image)}.",
    )


def _needs(one: LayerProfile) -> Finding | None:
    """From which layer on all visual tokens can be dropped."""
    if len(one.withdrawn) < 2:
        return None
    whole, *later = one.withdrawn
    changes = Comparisons(tuple((str(point.k), one.change(point)) for point in later))
    worse = {int(name) for name, _ in changes.worse}
    free = next((k for k in (point.k for point in later) if k is not None and not any(w >= k for w in worse)), None)
    scores = ", ".join(f"K={point.k} {_share(one.score(point).share)}" for point in later)
    asked = len(one.tasks)
    sentence = (
        f"With all of them dropped on entering layer {free} or later, no significant change"
        if free is not None
        else "From none: dropped on entering any layer, they cost significantly"
    )
    return Finding(
        f"From which layer on does {one.model} not need the visual tokens?",
        f"{sentence}; {_share(one.score(whole).share)} of {asked:,} questions are answered correctly with all of them "
        f"in all {one.layers} layers, {_share(one.score(later[0]).share)} without them from layer {later[0].k} on.",
        f"All visual tokens dropped on entering layer K: {scores}.",
    )


def _place(one: LayerProfile) -> Finding:
    """Whether the ranking favours a part of the picture."""
    kept, plain = one.kept_cells[RANKING_LAYER], one.kept_cells_unrotated[RANKING_LAYER]
    return Finding(
        f"Does {one.model}'s ranking by layer {RANKING_LAYER} favour a part of the image?",
        f"Of the half it keeps, {_thirds(kept)} lie in the upper, middle and lower third; ranked by the same queries "
        f"and keys without their rotary embedding, {_thirds(plain)}. Patches that show a thing: "
        f"{_thirds(one.thing_cells)}. So the {_short(kept, one.thing_cells)} falls furthest behind with the embedding, "
        f"the {_short(plain, one.thing_cells)} without it.",
        f"Means over {one.scenes:,} scenes; a third of the patches lie in each third.",
    )


def _thirds(cells: Cells) -> str:
    upper, middle, lower = (_share(share) for share in thirds(cells))
    return f"{upper}, {middle} and {lower}"


def _short(kept: Cells, things: Cells) -> str:
    """The third whose share of the kept tokens falls furthest behind its share of the things."""
    behind = [there - left for left, there in zip(thirds(kept), thirds(things), strict=True)]
    at = max(range(3), key=lambda third: behind[third])
    return f"{('upper', 'middle', 'lower')[at]} third ({_share(thirds(kept)[at])} for {_share(thirds(things)[at])})"


def _share(share: float) -> str:
    return percent(round(share, 3))
