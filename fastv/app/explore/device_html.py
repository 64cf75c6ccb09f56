"""What a device could do at best, from its peak rates, as HTML."""

from __future__ import annotations

from markupsafe import Markup

from fastv.app.explore.state import Settings
from fastv.costs import roofline
from fastv.errors import InvalidInputError
from fastv.formatting import sized
from fastv.presentation.html import render


def device_pane(chosen: Settings, key: str) -> Markup:
    """key: one of ``roofline.devices()``. Raises InvalidInputError for another."""
    if key not in roofline.devices():
        raise InvalidInputError(f"There is no device {key!r} here: choose one of {', '.join(roofline.devices())}.")
    device = roofline.devices()[key]
    before = roofline.estimate(chosen.shape, chosen.workload, device, None, 0.0)
    after = roofline.estimate(chosen.shape, chosen.workload, device, chosen.k, chosen.r)
    rows = [
        ("First token, at best", sized(before.prefill_seconds, "seconds"), sized(after.prefill_seconds, "seconds")),
        ("Prefill limited by", before.prefill_bound, after.prefill_bound),
        (
            "A decode step, at best",
            sized(before.decode_seconds_per_token, "seconds"),
            sized(after.decode_seconds_per_token, "seconds"),
        ),
        ("Decoding limited by", before.decode_bound, after.decode_bound),
        ("Memory needed", sized(before.memory_bytes, "bytes"), sized(after.memory_bytes, "bytes")),
        (f"Fits in {device.memory_bytes / 1e9:.0f} GB", _yes(before.fits), _yes(after.fits)),
    ]
    links = [{"url": url, "site": url.split("/")[2]} for url in device.urls]
    return render("app/explore/device", device=device, rows=rows, links=links)


def _yes(fits: bool) -> str:
    return "yes" if fits else "no"
