"""What each model needs and whether it fits this machine, to be read before anything is downloaded. As HTML."""

from __future__ import annotations

from html import escape

from fastv.app.service.model_pool import ModelPool
from fastv.families.catalogue import ModelEntry
from fastv.loading.machine_memory import Room
from fastv.loading.memory_fit import fit, gb, need

_PRECISIONS = {"16 bits": "float16", "8 bits": "8bit", "4 bits": "4bit"}


def models_table(pool: ModelPool, room: Room) -> str:
    """Every model of a pool: what is fetched, the memory it takes in each precision, and what this machine can do."""
    head = '<th scope="col">Model</th>' + "".join(
        f'<th scope="col">{title}<br><span class="unit">GB</span></th>' for title in ("Download", *_PRECISIONS)
    )
    rows = "".join(_row(pool, entry, room) for entry in pool.entries.values())
    return (
        f'<div class="wide"><table class="models"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        '<p class="note">Memory: weights and the KV cache of a usual prompt, by arithmetic. A model and the one it is '
        "compared with share the memory.</p>"
    )


def _row(pool: ModelPool, entry: ModelEntry, room: Room) -> str:
    fetched = "none" if entry.embedded else _gb(entry.download_bytes)
    sizes = [need(entry, dtype) for dtype in _PRECISIONS.values()]
    refusal = pool.unavailable.get(entry.key)
    here = refusal.sentence if refusal else fit(entry, pool.dtype, room).sentence
    cells = "".join(f"<td>{cell}</td>" for cell in (fetched, *map(_gb, sizes)))
    return (
        f'<tr><th scope="row">{escape(entry.name)}</th>{cells}</tr>'
        f'<tr class="here"><td colspan="{2 + len(sizes)}">{escape(here)}</td></tr>'
    )


def _gb(size: float | None) -> str:
    """Without the unit, which the column says."""
    return gb(size).removesuffix(" GB") if size else "not known"
