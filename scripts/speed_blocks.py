"""Blocks on speed on a processor: small machines, prefill, busy cores."""

from __future__ import annotations

from collections.abc import Callable

from scripts.block_parts import duration, record, table, wrapped


def small_machines() -> str:
    """The runs of benchmarks/edge.py."""
    rows = []
    for row in record("edge")["rows"]:
        cells = [
            row["model"],
            f"{row['parameters'] / 1e6:,.1f} M",
            row["dtype"],
            f"{row['weight_bytes'] / 2**20:,.0f} MiB",
        ]
        for name in ("prefill_seconds", "decode_seconds_per_token"):
            before, after = (row[side]["timing"][name]["median"] for side in ("baseline", "fastv"))
            cells += [duration(before), f"{duration(after)} ({before / after:.2f}x)"]
        cells += [f"{row[side]['peak_bytes'] / 2**20:,.0f} MiB" for side in ("baseline", "fastv")]
        rows.append(cells)
    return table(
        ["model", "weights", "held as", "in memory", "first token", "pruned", "per token", "pruned", "peak", "pruned"],
        rows,
    )


def small_machines_setting() -> str:
    """How benchmarks/edge.py was run."""
    measured = record("edge")
    settings, machine = measured["settings"], measured["machine"]
    return (
        f"K={settings['k']}, R={settings['r']:.0%}, {settings['text']} text and 576 visual tokens, answers of "
        f"{settings['answer']} tokens, medians of {settings['repeats']} runs in which the sides alternate; "
        f"{machine['threads']} threads on {machine['device']}, torch {machine['torch']}"
    )


def prefill_saving() -> str:
    """The run of benchmarks/prefill.py."""
    measured = record("prefill")
    settings, before, after = measured["settings"], measured["baseline"], measured["fastv"]
    ratio = before["seconds"]["median"] / after["seconds"]["median"]
    predicted = before["flops"] / after["flops"]
    saved = before["peak_bytes"] - after["peak_bytes"]
    names = {"k": "-k", "r": "-r"}
    options = " ".join(
        f"{names.get(name, f'--{name}')} {settings[name]}"
        for name in ("width", "layers", "visual", "text", "k", "r", "threads")
    )
    return wrapped(
        f"`python benchmarks/prefill.py {options}` ({settings['dtype']}, random weights): {ratio:.2f} times as fast, "
        f"where the decoder's FLOPs predict {predicted:.2f}; {measured['fastv_share']['median']:.1%} of the prefill is "
        f"spent on ranking and gathering; peak memory is {saved / 2**20:.1f} MiB below the "
        f"baseline's {before['peak_bytes'] / 2**30:.2f} GiB."
    )


def contention() -> str:
    """The run of benchmarks/contention.py, with as many threads as cores, and with as many as are free."""
    measured = record("contention")
    most = max(one["threads"] for one in measured["measured"] if one["threads"] != "fitting")
    found = {(one["policy"], one["threads"], one["condition"]): one for one in measured["measured"]}

    def cells(policy: str, threads: int | str, quantity: str) -> list[str]:
        idle, beside = (found[policy, threads, condition][quantity]["median"] for condition in ("idle", "contended"))
        return [f"{idle * 1e3:.1f} ms", f"{beside * 1e3:.1f} ms", f"{beside / idle:.2f}x"]

    rows = [
        [
            f"`{policy}`",
            "free cores" if threads == "fitting" else str(threads),
            *cells(policy, threads, "prefill_seconds"),
            *cells(policy, threads, "decode_seconds_per_token"),
        ]
        for policy, threads in [("default", "fitting"), *((policy, most) for policy in measured["policies"])]
    ]
    heading = ["wait policy", "threads", "prefill, idle", "beside", "ratio", "a token, idle", "beside", "ratio"]
    return table(heading, rows)


BLOCKS: dict[str, Callable[[], str]] = {
    "small-machines": small_machines,
    "small-machines-setting": small_machines_setting,
    "prefill-saving": prefill_saving,
    "contention": contention,
}
