"""``fastv attention``: where each layer looks for one image and question, in shares."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from fastv.cli.command import Command, Output
from fastv.cli.progress import ProgressLine
from fastv.cli.table import table
from fastv.costs.memory import DTYPES
from fastv.errors import InvalidInputError
from fastv.formatting import percent

if TYPE_CHECKING:
    from fastv.loading.load import LoadedModel
    from fastv.measurement.attention_map import AttentionMap


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("model", help="a name of fastv models, a folder or a hub id")
    parser.add_argument("image", help="an image file")
    parser.add_argument("question")
    parser.add_argument(
        "--dtype", choices=("auto", *DTYPES), default="auto", help="precision of the weights (default: auto)"
    )
    parser.add_argument(
        "--token",
        type=int,
        metavar="I",
        default=0,
        help="of which token: that which writes token I of the answer; 0 is the last prompt token (default: 0)",
    )
    parser.add_argument("--heads", action="store_true", help="with --json: also each head's row over the image")


def _run(arguments: Namespace) -> Output:
    if arguments.token < 0:
        raise InvalidInputError("--token counts the answer's tokens from 0.")
    with ProgressLine() as progress:
        progress.show("Importing torch")
        loaded, found = _read(arguments, progress)
    position = found.last + arguments.token
    if position not in found.rows:
        raise InvalidInputError(
            f"The answer has {len(found.answer)} tokens: --token is at most {len(found.answer) - 1}."
        )
    data = _data(loaded, found, position, arguments)
    return Output(data, _text(data, found, position))


def _read(arguments: Namespace, progress: ProgressLine) -> tuple[LoadedModel, AttentionMap]:
    from fastv.inputs.image import check_question, open_picture
    from fastv.loading.load import load
    from fastv.measurement.attention_map import attention_map
    from fastv.measurement.prompt import prompt_of

    model, tokens = arguments.model, arguments.token + 1
    loaded = load(model, dtype=arguments.dtype, report=lambda at: progress.show(f"{model}: {at.sentence}"))
    question = check_question(arguments.question, loaded.processor.tokenizer)
    prompt = prompt_of(loaded, open_picture(arguments.image), question, answer_tokens=tokens)
    wanted = [prompt.tokens - 1 + arguments.token]
    progress.show("Reading every layer")
    heads = wanted if arguments.heads else ()
    return loaded, attention_map(loaded, prompt, max_new_tokens=tokens, of=wanted, per_head=heads)


def _data(loaded: LoadedModel, found: AttentionMap, position: int, arguments: Namespace) -> dict[str, Any]:
    from fastv.measurement.attention_map import PARTS
    from fastv.measurement.prompt import answer_text

    heads = found.image_by_head(position) if arguments.heads else None
    rows = zip(found.layers, found.shares(position).tolist(), found.image(position).tolist(), strict=True)
    return {
        "model": loaded.entry.key,
        "question": arguments.question,
        "token": arguments.token,
        "answer": answer_text(loaded, found.answer),
        "prompt_tokens": found.prompt.tokens,
        "visual_tokens": found.prompt.visual_tokens,
        "grids": [list(place.grid) for place in found.prompt.places],
        "layers": [
            {
                "layer": layer,
                "shares": dict(zip(PARTS, shares, strict=True)),
                "visual": row,
                **({} if heads is None else {"heads": heads[index].tolist()}),
            }
            for index, (layer, shares, row) in enumerate(rows)
        ],
    }


def _text(data: dict[str, Any], found: AttentionMap, position: int) -> str:
    from fastv.measurement.attention_map import PARTS

    names = {"system": "before the image", "image": "image", "question": "question", "answer": "answer so far"}
    effective = (1 / (row / row.sum()).square().sum() for row in found.image(position))
    rows = [
        [str(one["layer"]), *(percent(round(one["shares"][part], 3)) for part in PARTS), f"{spread:.0f}"]
        for one, spread in zip(data["layers"], effective, strict=True)
    ]
    headings = ["layer", *(names[part] for part in PARTS), "spread, tokens"]
    who = "last prompt token" if data["token"] == 0 else f"token that writes token {data['token']} of the answer"
    note = "Spread: over how many visual tokens its attention to the image is spread (1 / sum of squared shares)."
    return f"Attention of the {who}, by decoder layer, mean over heads\n\n{table(headings, rows)}\n\n{note}"


COMMAND = Command(
    "attention",
    "show how much of a token's attention each decoder layer gives to image, question and answer",
    'fastv attention mini-7 assets/examples/scene.png "Where is the dog?"',
    _add_arguments,
    _run,
)
