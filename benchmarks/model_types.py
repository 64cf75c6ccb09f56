"""Which image-text-to-text types of the installed transformers FastV prunes exactly, on small models of each.

    python benchmarks/model_types.py                       # all of them, some minutes; rewrites the table
    python benchmarks/model_types.py --types internvl aria # some, and their rows alone

Each type is built small with random weights and asked about a prompt with visual tokens, by their token alone, without
pixels: pruning happens in the decoder. ``fastv.measurement.model_check`` compares the pruned run with the masked one.
A type runs in a process of its own, so that none can end the others.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]
WINDOW = 16  # tokens, fewer than the prompt has
TABLE = ROOT / "assets" / "measured" / "model_types" / "exactness.json"


def checked(model_type: str) -> dict[str, Any]:
    """A row of the table: model_type, status (exact, refused, differs, not run) and the reason or differences."""
    import transformers
    from tiny_configs import tiny_model

    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    try:
        model: Any = tiny_model(model_type)
        row = _row(model_type, model)
        slides = getattr(model.config.get_text_config(decoder=True), "sliding_window", None)
        if (
            row["status"] == "exact"
            and slides
            and _row(model_type, tiny_model(model_type, WINDOW))["status"] != "exact"
        ):
            row["limit"] = "prompt and answer within the sliding window"
    except Exception as error:
        return {"model_type": model_type, "status": "not run", "reason": f"it was not built ({_short(error)})"}
    return row


def _row(model_type: str, model: Any) -> dict[str, Any]:
    import torch

    from fastv.errors import UnsupportedModelError
    from fastv.families.registry import family_of
    from fastv.measurement.model_check import check

    row = {"model_type": model_type, "class": type(model).__name__}
    try:
        token = family_of(model).visual_token_ids(model.config)[0]
    except UnsupportedModelError as error:
        return row | {"status": "refused", "reason": str(error).partition("): ")[2] or str(error)}
    model.generation_config.pad_token_id = 0
    text = range(40, 60)  # special tokens stand elsewhere
    ids = torch.tensor([[*text[:6], *[token] * 12, *text[6:9], *[token] * 6, *text[9:16]]])
    found = check(model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)})
    if found.failure:
        return row | {"status": "not run", "reason": found.failure}
    if found.refusal:
        return row | {"status": "refused", "reason": found.refusal}
    row |= {
        "family": found.family,
        "ranks_by_attention": found.ranks_by_attention,
        "difference": float(f"{found.worst:.1e}"),
    }
    if found.exact:
        return row | {"status": "exact"}
    bad = [one.k for one in found.layers if not (one.same_tokens and one.difference <= found.tolerance)]
    return row | {"status": "differs", "reason": f"differs from the masked run at K = {', '.join(map(str, bad))}"}


def _short(error: Exception) -> str:
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    named = f"{type(error).__name__}: " if not type(error).__module__.startswith("fastv") else ""
    return f"{named}{line}"[:200]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--types", nargs="*", help="only these; their rows are rewritten, of the same release of transformers"
    )
    only = parser.parse_args().types

    import transformers
    from tiny_configs import MODEL_TYPES

    import fastv.measurement.model_check  # noqa: F401  # once, for all processes

    rows = []
    for model_type in only or MODEL_TYPES:
        with ProcessPoolExecutor(1, get_context("fork")) as pool:
            try:
                row = pool.submit(checked, model_type).result()
            except BrokenProcessPool:
                row = {"model_type": model_type, "status": "not run", "reason": "its process was ended"}
        rows.append(row)
        print(json.dumps(row), flush=True)
    about = {"transformers": transformers.__version__, "command": "python benchmarks/model_types.py"}
    if only:
        record = json.loads(TABLE.read_text(encoding="utf-8"))
        if record["transformers"] != about["transformers"]:
            raise SystemExit(f"Nothing was written: the table is of transformers {record['transformers']}.")
        found = {row["model_type"]: row for row in rows}
        rows = [found.get(row["model_type"], row) for row in record["types"]]
    TABLE.write_text(json.dumps(about | {"types": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
