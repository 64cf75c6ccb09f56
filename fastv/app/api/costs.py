"""The endpoints ``/cost`` and ``/budget``: arithmetic from a config; no model is loaded."""

from __future__ import annotations

import json
from dataclasses import asdict

import gradio as gr

from fastv.app.api.endpoint import as_endpoint
from fastv.app.explore.state import workload_for
from fastv.costs import configs
from fastv.costs.flops import check_pruning
from fastv.costs.solver import BASES, QUANTITIES, NotReachable, Solution, Target, Workload, solve_all
from fastv.errors import InvalidBudgetError, InvalidInputError
from fastv.evidence.latency_solver import TimeSolution, Unknown, solve_time
from fastv.evidence.measurements import measured
from fastv.families.shapes import ModelShape
from fastv.validation import real, whole

FIRST_TOKEN = "first-token"
_MOST = 10**7  # tokens, pictures or prompts: beyond any model, and arithmetic stays within floats


def cost(
    model: str = "llava-1.5-13b",
    k: int | None = 2,
    r: float = 0.5,
    text_tokens: int = 36,
    visual_tokens: int | None = None,
    answer_tokens: int = 1,
    pictures: int = 1,
    batch: int = 1,
    dtype: str = "float16",
    convention: str = "exact",
    config: dict | None = None,
) -> dict:
    """FLOPs and bytes of a prompt and its answer: {"prefill_flops": ..., "kv_cache_bytes": ..., ...}.

    model is a key such as llava-1.5-7b; config, the content of a config.json, replaces it. k=None is without pruning; r
    is a fraction. visual_tokens counts those of all images together, by default as many as the model makes of them.
    convention is paper or exact; dtype is float32, bfloat16, float16, 8bit or 4bit.
    """
    shape, workload = prompt_of(model, config, text_tokens, visual_tokens, answer_tokens, pictures, batch, dtype)
    figures = workload.cost(shape, k, r, convention)
    return {
        "model": "config" if config is not None else model,
        "k": k,
        "r": r,
        **asdict(workload),
        **asdict(figures),
        "layer_flops": list(figures.layer_flops),
    }


def budget(
    model: str = "llava-1.5-13b",
    like: str = "llava-1.5-7b",
    basis: str = "total",
    convention: str = "paper",
    ratio: float = 1.0,
    ks: list | None = None,
    text_tokens: int = 36,
    visual_tokens: int | None = None,
    answer_tokens: int = 1,
    pictures: int = 1,
    batch: int = 1,
    dtype: str = "float16",
    config: dict | None = None,
) -> dict:
    """The R for each K at which model costs ratio times what like costs unpruned: {"target": ..., "rows": [...]}.

    basis is total (all decoder layers), per-layer (their average, as in the paper's Table 1), a quantity
    (prefill_flops, total_flops or kv_cache_bytes), or first-token: the time to first token that was measured here of
    both models, at the prompt it was measured with. ks are the layers, by default all. A row has r, exact to a token,
    and continuous_r, as if parts of a token could be kept; or the reason why no R reaches the target, or why that is
    unknown.
    """
    shape, workload = prompt_of(model, config, text_tokens, visual_tokens, answer_tokens, pictures, batch, dtype)
    small = configs.shape_of(like)
    small_workload = workload if visual_tokens is not None else workload_for(small, workload, like, pictures)
    _check(ratio, ks, shape)
    if basis == FIRST_TOKEN:
        return {
            "model": "config" if config is not None else model,
            "like": like,
            "basis": basis,
            **_in_time(None if config is not None else model, like, ratio, shape, ks),
        }
    quantity = BASES.get(basis, basis) if isinstance(basis, str) else None
    if quantity not in QUANTITIES:
        known = ", ".join((*BASES, *QUANTITIES, FIRST_TOKEN))
        raise InvalidBudgetError(f"basis must be one of {known}, not {str(basis)[:40]!r}.")
    target = Target.of_model(small, small_workload, quantity, convention, ratio=ratio)
    rows = [_row(found) for found in solve_all(shape, workload, target, ks)]
    return {
        "model": "config" if config is not None else model,
        "like": like,
        "basis": basis,
        **asdict(workload),
        "target": asdict(target),
        "rows": rows,
    }


def _check(ratio: float, ks: list | None, shape: ModelShape) -> None:
    if ks is not None and (not isinstance(ks, list) or len(ks) > shape.decoder.layers):
        raise InvalidBudgetError(f"ks must be a list of at most {shape.decoder.layers} layers.")
    real(ratio, "ratio", above=0, high=1e6, error=InvalidBudgetError)


def _in_time(model: str | None, like: str, ratio: float, shape: ModelShape, ks: list | None) -> dict:
    """Rows for a time to first token; the target is None where that of ``like`` was not measured."""
    for k in ks or ():
        check_pruning(k, 0.0, shape.decoder.layers)
    ks = list(range(shape.decoder.layers)) if ks is None else ks
    reference = measured(like)
    if reference is None:
        reason = f"Time to first token was not measured for {like}."
        return {"target": None, "rows": [_row(Unknown(k, reason)) for k in ks]}
    seconds, device = ratio * reference.unpruned.first_token_seconds, str(reference.machine["device"])
    target = {"quantity": "first_token_seconds", "amount": seconds, "convention": f"measured on {device}"}
    return {
        "target": target,
        "rows": [_row(solve_time(measured(model) if model else None, seconds, k, device=device)) for k in ks],
    }


def add() -> None:
    """Adds ``/cost`` and ``/budget`` to the Blocks that are open."""
    for function in (cost, budget):
        gr.api(as_endpoint(function), api_name=function.__name__, queue=False)


def prompt_of(
    model: str,
    config: dict | None,
    text_tokens: int,
    visual_tokens: int | None,
    answer_tokens: int,
    pictures: int,
    batch: int,
    dtype: str,
) -> tuple[ModelShape, Workload]:
    """The sizes and the prompt that an endpoint's parameters ask for. Raises InvalidInputError."""
    counts = {
        "text_tokens": text_tokens,
        "visual_tokens": 0 if visual_tokens is None else visual_tokens,
        "answer_tokens": answer_tokens,
        "pictures": pictures,
        "batch": batch,
    }
    for name, count in counts.items():
        whole(count, name, low=0, high=_MOST, error=InvalidInputError)
    if config is None:
        shape = configs.shape_of(model)
    elif len(json.dumps(config)) > configs.LONGEST_CONFIG:
        raise InvalidInputError(f"The config is longer than {configs.LONGEST_CONFIG:,} characters.")
    else:
        shape = configs.of_settings(config)
    workload = Workload(text_tokens, visual_tokens or 0, answer_tokens, pictures, dtype, batch)
    if visual_tokens is None:
        workload = workload_for(shape, workload, model if config is None else None, pictures)
    return shape, workload


def _row(found: Solution | TimeSolution | NotReachable | Unknown) -> dict:
    values = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(found).items()}
    return {"reachable": isinstance(found, Solution | TimeSolution), **values}
