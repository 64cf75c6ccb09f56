"""Where the layers look, and from which on they do without the image."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from fastv.evidence.exhibit.table import Cell, Exhibit, corrected, marks, name, rounded
from fastv.evidence.layer_profiles import LayerProfile
from fastv.evidence.published import attention_shares

_SHALLOW = 2  # layers, as the paper divides them


def attention(profiles: Sequence[LayerProfile]) -> Exhibit:
    """The image's share of the attention of the tokens that write the answer."""
    first, others = (next(row for row in attention_shares() if row.layers == name) for name in ("first 2", "others"))
    rows, said, rising = [], [], []
    for one in profiles:
        image = [layer["image"] for layer in one.answer_attention]
        shallow, deep = fmean(image[:_SHALLOW]), fmean(image[_SHALLOW:])
        rows.append((name(one.model), tuple(Cell(rounded(share)) for share in (shallow, deep, image[-1]))))
        said.append(f"{name(one.model)} {rounded(shallow)} and {rounded(deep)}")
        rising.append(deep >= shallow)
    return Exhibit(
        "How much attention does the image get, layer by layer?",
        f"From the tokens that write the answer, in the first two layers and in the others: {'; '.join(said)}."
        + (" The miniatures' deep layers look at the image more, where LLaVA-1.5's look at it less." * all(rising)),
        f"LLaVA-1.5 7B: {rounded(first.image)} in the first two layers, {rounded(others.image)} in the others (the "
        f"paper's Fig. 3, {first.samples:,} samples).",
        f"Share of attention, means over {profiles[0].scenes:,} scenes.",
        ("first two layers", "other layers", "last layer"),
        tuple(rows),
        tuple(one.command for one in profiles),
    )


def withdrawal(profiles: Sequence[LayerProfile]) -> Exhibit:
    """The loss where all visual tokens are dropped on entering layer K."""
    columns: list[dict[int, Cell]] = []
    for one in profiles:
        later = {k: one.change(point) for point in one.withdrawn if (k := point.k) is not None}
        columns.append(dict(zip(later, corrected(list(later.values())), strict=True)))
    said = []
    for one, column in zip(profiles, columns, strict=True):
        needed = max((k for k, cell in column.items() if cell.verdict == "worse"), default=0)
        free = min((k for k in column if k > needed), default=None)
        said.append(
            f"{name(one.model)} from none of its {one.layers} layers on"
            if free is None
            else f"{name(one.model)} from layer {free} of {one.layers} ({rounded(free / one.layers)} of its depth)"
        )
    ks = sorted({k for column in columns for k in column})
    return Exhibit(
        "From which layer on can all visual tokens go?",
        f"Without a significant loss: {'; '.join(said)}.",
        "The paper does not report R=100%. LLaVA-1.5 7B and 13B have 32 and 40 layers: their K=2 is 6% and 5% of the "
        "depth.",
        f"Change in points against all tokens in all layers, 95% CI, {len(profiles[0].tasks):,} questions. "
        + marks("the K of each model"),
        tuple(name(one.model) for one in profiles),
        tuple((f"K={k}", tuple(column.get(k, Cell("")) for column in columns)) for k in ks),
        tuple(one.command for one in profiles),
    )
