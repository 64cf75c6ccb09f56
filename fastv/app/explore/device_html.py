"""Lower bounds for time and memory on a device, from its peak rates, beside what was published, as HTML."""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup

from fastv.app.explore.state import ExploreSettings
from fastv.costs import roofline
from fastv.errors import InvalidInputError
from fastv.evidence.published import LatencyRow, latency
from fastv.formatting import number, sized
from fastv.presentation.html import render

# Devices and precisions of fastv.costs -> as the published latency table names them.
_PUBLISHED_DEVICES = {"a100-80g": "A100-80G"}
_PUBLISHED_PRECISIONS = {"float16": "fp16", "4bit": "4bit"}
_UNKNOWN = "–"


def device_pane(chosen: ExploreSettings, key: str) -> Markup:
    """Lower bounds on a device, with the published figures of the same model, device and precision where there are any.

    Parameters
    ----------
    chosen : ExploreSettings
        The model, prompt and (K, R).
    key : str
        A key of ``roofline.devices()``.

    Raises
    ------
    InvalidInputError
        There is no such device.
    """
    device = device_of(key)
    before = roofline.estimate(chosen.shape, chosen.workload, device, None, 0.0)
    after = roofline.estimate(chosen.shape, chosen.workload, device, chosen.k, chosen.r)
    rows = [
        ("First token, at least", sized(before.prefill_seconds, "seconds"), sized(after.prefill_seconds, "seconds")),
        *_published(chosen, key, "First token", _seconds),
        ("Prefill limited by", before.prefill_bound, after.prefill_bound),
        (
            "Per token, at least",
            sized(before.decode_seconds_per_token, "seconds"),
            sized(after.decode_seconds_per_token, "seconds"),
        ),
        ("Decoding limited by", before.decode_bound, after.decode_bound),
        ("Memory, at least", sized(before.memory_bytes, "bytes"), sized(after.memory_bytes, "bytes")),
        *_published(chosen, key, "Memory", _gigabytes),
        (f"Fits in {device.memory_bytes / 1e9:.0f} GB", _yes(before.fits), _yes(after.fits)),
    ]
    links = [{"url": url, "site": url.split("/")[2]} for url in device.urls]
    return render("app/explore/device", device=device, rows=rows, links=links)


def device_of(key: str) -> roofline.Device:
    """A device by its key. Raises InvalidInputError where there is none."""
    if key not in roofline.devices():
        raise InvalidInputError(f"Unknown device {key!r}: choose one of {', '.join(roofline.devices())}.")
    return roofline.devices()[key]


def _published(
    chosen: ExploreSettings, device: str, quantity: str, cell: Callable[[LatencyRow | None], str]
) -> list[tuple[str, str, str]]:
    """A row with a published quantity of the same model on the same device, for one picture at a time."""
    if chosen.pictures != 1 or chosen.workload.batch != 1:
        return []
    wanted = (chosen.model, _PUBLISHED_DEVICES.get(device), _PUBLISHED_PRECISIONS.get(chosen.workload.dtype))
    rows = [row for row in latency() if (row.model, row.device, row.precision) == wanted]
    plain = next((row for row in rows if row.k is None), None)
    if plain is None:
        return []
    pruned = next((row for row in rows if row.k == chosen.k and abs(row.r - chosen.r) < 1e-3), None)
    return [(f"{quantity}, published ({plain.source})", cell(plain), cell(pruned))]


def _seconds(row: LatencyRow | None) -> str:
    return _UNKNOWN if row is None else sized(row.first_token_seconds, "seconds")


def _gigabytes(row: LatencyRow | None) -> str:
    return _UNKNOWN if row is None else f"{number(row.gpu_memory_gb)} GB"


def _yes(fits: bool) -> str:
    return "yes" if fits else "no"
