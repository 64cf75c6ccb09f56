"""``fastv models``: the catalogue, and what fits this machine."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastv.cli.command import Command, Output
from fastv.cli.progress import ProgressLine
from fastv.cli.table import table
from fastv.costs import configs
from fastv.costs.memory import DTYPES, parameter_bytes
from fastv.errors import UnsupportedModelError
from fastv.families.catalogue import CATALOGUE, ModelEntry

if TYPE_CHECKING:
    from fastv.measurement.model_check import LayerCheck


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--fit",
        choices=("auto", *DTYPES),
        metavar="DTYPE",
        help=f"also say whether each fits this machine, held in DTYPE: auto, {', '.join(DTYPES)}",
    )
    parser.add_argument(
        "--check",
        metavar="MODEL",
        help="load this model (a name of the list, a folder or a hub id) and prove on it whether pruning is exact",
    )
    parser.add_argument(
        "--dtype",
        choices=("auto", *DTYPES),
        default="auto",
        help="precision of the weights for --check (default: auto)",
    )


def _run(arguments: Namespace) -> Output:
    if arguments.check:
        return _checked(arguments.check, arguments.dtype)
    data = [_described(entry) for entry in CATALOGUE]
    rows = [
        [
            one["key"],
            _scaled(one["parameters"], "M", "B"),
            *(_scaled(one["weights_bytes"][dtype], "MB", "GB") for dtype in ("float16", "8bit", "4bit")),
            f"{one['visual_tokens']:,}",
            "comes with the package" if one["embedded"] else f"{one['source']}, {entry.revision_words}",
        ]
        for one, entry in zip(data, CATALOGUE, strict=True)
    ]
    text = table(["model", "parameters", "16 bits", "8bit", "4bit", "visual tokens", "from"], rows)
    if arguments.fit:
        from fastv.loading.machine_memory import MachineMemory
        from fastv.loading.memory_fit import fit

        memory = MachineMemory.here()  # imports torch
        for one, entry in zip(data, CATALOGUE, strict=True):
            found = fit(entry, arguments.fit, memory)
            one |= {"fits": found.fits, "fit_reason": found.sentence}
        text += "\n\n" + "\n".join(one["fit_reason"] for one in data)
    return Output(data, text)


def _but(layers: Sequence[LayerCheck]) -> str:
    """At which of the layers tried attention could not rank, as the end of a sentence."""
    without = ", ".join(str(one.k) for one in layers if one.k and one.method == "random")
    return f", but not at K = {without}: no earlier layer attends" if without else ""


def _checked(model: str, dtype: str) -> Output:
    with ProgressLine() as progress:
        progress.show("Importing torch")
        from fastv.loading.load import load
        from fastv.measurement.model_check import check_loaded

        loaded = load(model, dtype=dtype, report=lambda at: progress.show(f"{model}: {at.sentence}"))
        progress.show("Comparing pruned with masked answers")
        found = check_loaded(loaded)
    if problem := found.refusal or found.failure:
        raise UnsupportedModelError(problem)
    rows = [
        [str(one.k), one.method, f"{one.difference:.1e}", f"{one.uncached_difference:.1e}", f"{one.effect:.1e}"]
        + ["yes" if one.same_tokens else "no"]
        for one in found.layers
    ]
    verdict = "Pruning is exact" if found.exact else "Pruning is NOT exact"
    sentences = [
        f"{found.model_class}, family: {found.family}; {found.decoder_layers} decoder layers, "
        f"{found.visual_tokens} visual tokens in the prompt tried.",
        f"{verdict}: the largest difference from the masked run is {found.worst:.1e} of the largest logit, "
        f"where rounding explains {found.tolerance:.1e}.",
        f"Ranking by attention works{_but(found.layers)}."
        if found.ranks_by_attention
        else "Ranking by attention does not work; methods that do not look at attention do.",
        "It is known which part of the image a visual token shows."
        if found.geometry
        else "It is not known which part of the image a visual token shows, so that no mask is drawn.",
    ]
    head = ["K", "method", "difference", "without a cache", "effect of dropping", "same answer"]
    return Output(found.to_dict(), "\n".join([sentences[0], "", table(head, rows), "", *sentences[1:]]))


def _described(entry: ModelEntry) -> dict[str, Any]:
    shape = configs.shape_of(entry.key)
    return {
        "key": entry.key,
        "name": entry.name,
        "source": entry.source,
        "revision": None if entry.embedded else entry.revision,
        "embedded": entry.embedded,
        "parameters": shape.parameters,
        "download_bytes": entry.download_bytes,
        "weights_bytes": {dtype: parameter_bytes(shape, dtype) for dtype in DTYPES},
        "visual_tokens": entry.visual_tokens,
        "decoder_layers": shape.decoder.layers,
        "description": entry.description.strip(),
    }


def _scaled(amount: int, millions: str, billions: str) -> str:
    return f"{amount / 1e9:.1f} {billions}" if amount >= 1e9 else f"{amount / 1e6:.1f} {millions}"


COMMAND = Command(
    "models",
    "list the models of the catalogue and the memory their weights take",
    "fastv models --fit auto",
    _add_arguments,
    _run,
)
