"""A miniature's model card, written from its measured scores.

python -m fastv.miniature.evaluation mini-7 --scenes 4000 --json assets/models/mini-7/scores.json
python -m fastv.miniature.evaluation.model_card assets/models/mini-7
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from fastv.miniature.training.decoder_stage import FEW
from fastv.miniature.world.vocabulary import CATEGORIES, COLOURS, KINDS

_CARD = """---
license: apache-2.0
library_name: transformers
pipeline_tag: image-text-to-text
tags: [llava, fastv, miniature]
---

# {name}

A LLaVA in miniature: CLIP vision tower ({tower_layers} layers, {tower_width} wide), two-layer projector and LLaMA decoder
({layers} layers, {width} wide), {parameters:.1f} million parameters in all, 576 visual tokens an image as in LLaVA-1.5, stored like
`llava-hf` checkpoints. It exists so that FastV can be tried, and its effect measured, with no GPU and no network.

## What it knows

Drawn scenes of one to six things on a coloured background: {kinds} kinds in {categories} categories ({category_names}), {colours}
colours, and plates with numbers of up to three digits. It answers English questions in a few forms: is there, how many, where,
what is in a part of the image, left of or above, which kind, background colour, the number on a plate, more of this than of
that, describe, and multiple choice. Outside this world its answers mean nothing.

## How it was trained

From nothing, on scenes drawn on the fly (`python -m fastv.miniature.training {name}`):

1. The vision tower alone, on what covers each patch, where that thing's centre lies, and which digit stands there, at which
   place of its number; on quarter windows of images first, then on small ones mostly of signs, then on whole images.
2. Projector and decoder on the frozen tower, sixteen questions an image, no image twice; first with {few} visual tokens (one
   at random from each square of four, those at things' centres and on digits before others, each at its own position), then
   with all 576. Tasks that are learnt late are asked more often.
   Three more losses help and are thrown away afterwards: each projected visual token is drawn towards the word for what it
   shows; it must still tell where its thing is and which digit stands there; and where a question names a thing or a place,
   that token must tell, after three layers, how many of it there are and where, and what number it shows, or what is there.
3. At last the same questions in other words, some left out, added or exchanged, so that no answer hangs on how a few fixed
   phrasings begin or end. Only the words' embeddings and the first two layers change then.

No visual token was dropped in the last part of the training.
{history}

## How well it answers

{asked:,} questions about {scenes:,} fixed scenes, answered greedily in float32, without FastV; half in phrasings and a quarter with
layouts that training never used. 95% intervals.

| | right | interval | questions |
|---|---|---|---|
{rows}

Made with `python -m fastv.miniature.evaluation {name} --scenes {scenes} --json assets/models/{name}/scores.json`.

## Licences

Weights: Apache-2.0. The training images are drawn from Noto Color Emoji (SIL Open Font License 1.1).
"""


# What the command alone does not tell about the weights that are shipped.
_SHIPPED = """The shipped weights were made by that recipe in bfloat16 (`--half`), with interruptions, on two processor cores with
AVX-512 BF16: 1.2 hours for the vision tower, which both miniatures share, and about {hours} for the rest.{besides}
`curves.csv` says how the decoder learnt: means over 50 steps, on questions just before they were learnt from."""
_HISTORY = {
    "mini-7": _SHIPPED.format(hours="four", besides=""),
    "mini-13": _SHIPPED.format(
        hours="five", besides=" Of the 1,000 steps\nbetween the first stage and the last long one it had 800."
    ),
}


def card(folder: Path) -> str:
    """The card of the checkpoint in ``folder``, which holds its ``scores.json``."""
    config, record = (json.loads((folder / name).read_text()) for name in ("config.json", "scores.json"))
    vision, text = config["vision_config"], config["text_config"]
    index = folder / "model.safetensors.index.json"
    size = (
        json.loads(index.read_text())["metadata"]["total_size"]
        if index.exists()
        else (folder / "model.safetensors").stat().st_size
    )
    rows = [
        f"| {name} | {score['share']:.1%} | {score['low']:.1%} to {score['high']:.1%} | {score['asked']} |"
        for name, score in record["scores"].items()
    ]
    return _CARD.format(
        name=folder.name,
        few=FEW,
        history=_HISTORY.get(folder.name, ""),
        tower_layers=vision["num_hidden_layers"],
        tower_width=vision["hidden_size"],
        layers=text["num_hidden_layers"],
        width=text["hidden_size"],
        parameters=size / 2e6,
        kinds=len(KINDS),
        categories=len(CATEGORIES),
        category_names=", ".join(CATEGORIES),
        colours=len(COLOURS),
        asked=record["scores"]["all"]["asked"],
        scenes=record["scenes"],
        rows="\n".join(rows),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    (folder / "README.md").write_text(card(folder))


if __name__ == "__main__":
    main()
