"""What small machines make of it: time and memory of one answer, in every precision, with and without FastV.

    python benchmarks/edge.py --threads 2 --record edge.json

The models are the miniature and a LLaVA of random weights with the sizes of TinyLlama-1.1B and CLIP ViT-L/14-336: 576
visual tokens, 1.4 billion weights. It is written once, in 16 bits (2.8 GB on the disk, in --folder or a temporary
one), and loaded in each precision as a real checkpoint is. Prints a Markdown table; --record also writes all numbers
and the machine as JSON. Answers have a fixed length: what random weights say means nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil
import torch
from transformers import AutoProcessor, CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration
from transformers.utils.logging import disable_progress_bar

from fastv import FastV
from fastv.errors import FastVError
from fastv.families.catalogue import find
from fastv.families.config_reader import read_shape
from fastv.loading.load import DTYPES, LoadedModel, free_memory, load
from fastv.measurement.machine import Machine
from fastv.measurement.memory import peak_memory, weight_bytes
from fastv.measurement.timing import Pass, Timing, generate, interleaved

PICTURE, PATCH, VOCABULARY, IMAGE_TOKEN = 336, 14, 32_064, 32_000
MIB = 2**20


@dataclass(frozen=True)
class Side:
    """One side's times and its peak, weights included."""

    timing: Timing
    peak_bytes: int


@dataclass(frozen=True)
class Row:
    """A model in one precision; ``problem`` says why the rest is empty where it does not run."""

    model: str
    dtype: str
    parameters: int = 0
    weight_bytes: int = 0
    baseline: Side | None = None
    fastv: Side | None = None
    problem: str = ""


def write_random(folder: Path, settings: argparse.Namespace) -> None:
    """A LLaVA checkpoint of random weights, in bfloat16 from the start: float32 would take twice the memory."""
    vision = CLIPVisionConfig(
        hidden_size=settings.tower_width,
        intermediate_size=4 * settings.tower_width,
        num_hidden_layers=settings.tower_layers,
        num_attention_heads=settings.tower_width // 64,
        image_size=PICTURE,
        patch_size=PATCH,
    )
    text = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=settings.width,
        num_hidden_layers=settings.layers,
        intermediate_size=settings.width * 11 // 4,
        num_attention_heads=settings.width // 64,
        num_key_value_heads=max(1, settings.width // 512),
        max_position_embeddings=2_048,
    )
    torch.manual_seed(0)
    config = LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=IMAGE_TOKEN, image_seq_length=(PICTURE // PATCH) ** 2
    )
    LlavaForConditionalGeneration._from_config(config, dtype=torch.bfloat16).save_pretrained(folder)
    # Loading asks for a processor; no picture goes through it here.
    AutoProcessor.from_pretrained(find("mini-7").source, backend="pil").save_pretrained(folder)


def prompt(loaded: LoadedModel, text_tokens: int) -> dict[str, torch.Tensor]:
    """One picture of noise with random text around it, on the model's device."""
    config = loaded.model.config
    size = config.vision_config.image_size
    visual = (size // config.vision_config.patch_size) ** 2
    generator = torch.Generator().manual_seed(0)
    words = torch.arange(5, config.get_text_config().vocab_size)  # the first ones are control tokens
    words = words[words != config.image_token_id]
    ids = words[torch.randint(len(words), (1, text_tokens + visual), generator=generator)]
    ids[0, text_tokens // 4 : text_tokens // 4 + visual] = config.image_token_id
    pixels = torch.randn(1, 3, size, size, generator=generator)
    return {
        "input_ids": ids.to(loaded.device),
        "attention_mask": torch.ones_like(ids).to(loaded.device),
        "pixel_values": pixels.to(loaded.device, loaded.model.dtype),
    }


def measured(name: str, source: str, dtype: str, settings: argparse.Namespace) -> Row:
    try:
        loaded = load(source, dtype, settings.device)
    except FastVError as error:
        return Row(name, dtype, problem=str(error))
    model, inputs = loaded.model, prompt(loaded, settings.text)
    model.generation_config.eos_token_id = None
    budget = FastV(k=settings.k, r=settings.r)

    def plain() -> Pass:
        return generate(model, inputs, max_new_tokens=settings.answer)

    def pruned() -> Pass:
        with budget(model):
            return plain()

    passes = interleaved([plain, pruned], repeats=settings.repeats, warmup=settings.warmup)
    sides = []
    for run, side in zip(passes, (plain, pruned)):
        with peak_memory(model) as memory:
            side()
        sides.append(Side(Timing.of(run), memory.peak_bytes))
    return Row(name, dtype, read_shape(model.config).parameters, weight_bytes(model), *sides)


def rows(settings: argparse.Namespace) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(settings.folder or temporary) / "random-llava"
        sources = {"mini": ("mini-7", "mini-7"), "random": ("random LLaVA", str(folder))}
        if "random" in settings.models and not folder.is_dir():
            write_random(folder, settings)
        for model in settings.models:
            for dtype in settings.dtypes:
                yield measured(*sources[model], dtype, settings)
                free_memory(torch.device(settings.device))


HEAD = (
    "model | weights | held as | in memory | first token | with FastV | per token | with FastV | peak memory | "
    "with FastV"
)


def line(row: Row) -> str:
    """One row of the Markdown table."""
    if row.problem:
        return f"| {row.model} | | {row.dtype} | {row.problem} " + "| " * 6 + "|"
    before, after = row.baseline, row.fastv
    cells = [row.model, f"{row.parameters / 1e6:,.1f} M", row.dtype, f"{row.weight_bytes / MIB:,.0f} MiB"]
    for seconds in ("prefill_seconds", "decode_seconds_per_token"):
        pair = [getattr(side.timing, seconds).median for side in (before, after)]
        cells += [people(pair[0]), f"{people(pair[1])} ({pair[0] / pair[1]:.2f}x)"]
    cells += [f"{side.peak_bytes / MIB:,.0f} MiB" for side in (before, after)]
    return f"| {' | '.join(cells)} |"


def people(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.1f} ms"


def main() -> None:
    settings = arguments()
    torch.set_num_threads(settings.threads)
    disable_progress_bar()
    print(f"| {HEAD} |\n|{'---|' * len(HEAD.split('|'))}", flush=True)
    done = []
    for row in rows(settings):
        print(line(row), flush=True)
        done.append(row)
    machine = asdict(Machine.here(torch.device(settings.device)))
    machine |= {"cores": psutil.cpu_count(logical=False), "memory_bytes": psutil.virtual_memory().total}
    print(
        f"\n{machine['device']}, {settings.threads} threads, {machine['memory_bytes'] / 2**30:.0f} GiB; torch "
        f"{machine['torch']}, transformers {machine['transformers']}; {settings.text} text and "
        f"{(PICTURE // PATCH) ** 2} visual tokens, answers of {settings.answer}; k={settings.k} r={settings.r}; "
        f"medians of {settings.repeats} after {settings.warmup}, the sides in turn"
    )
    if settings.record:
        kept = {name: value for name, value in vars(settings).items() if name not in ("record", "folder")}
        record = {"machine": machine, "settings": kept, "rows": [asdict(row) for row in done]}
        settings.record.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=("mini", "random"), default=["mini", "random"])
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES[1:], default=["float32", "bfloat16", "8bit", "4bit"])
    parser.add_argument("--width", type=int, default=2_048, help="decoder width, in steps of 64 (default: %(default)s)")
    parser.add_argument("--layers", type=int, default=22, help="decoder layers (default: %(default)s)")
    parser.add_argument("--tower-width", type=int, default=1_024, help="vision tower, likewise (default: %(default)s)")
    parser.add_argument("--tower-layers", type=int, default=24, help="(default: %(default)s)")
    parser.add_argument("--text", type=int, default=36, help="text tokens of the prompt (default: %(default)s)")
    parser.add_argument("--answer", type=int, default=16, help="tokens of the answer (default: %(default)s)")
    parser.add_argument("-k", type=int, default=2, help="prune on entering this layer (default: %(default)s)")
    parser.add_argument("-r", type=float, default=0.5, help="fraction of visual tokens to drop (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each side (default: %(default)s)")
    parser.add_argument("--warmup", type=int, default=1, help="untimed runs of each side before (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="as for the page's models (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="keeps the random checkpoint here, for the next time")
    parser.add_argument("--record", type=Path, help="writes all numbers to this JSON file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
