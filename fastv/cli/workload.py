"""Arguments that ``cost`` and ``budget`` share: a model by its config, and the prompt that is costed."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from fastv.costs import configs
from fastv.costs.flops import CONVENTIONS
from fastv.costs.memory import DTYPES
from fastv.costs.solver import Workload
from fastv.errors import InvalidInputError
from fastv.families.shapes import ModelShape

MODEL_HELP = "a model with a known config (fastv models lists them), a model folder, or a config.json"


def add_arguments(parser: ArgumentParser, convention: str) -> None:
    """Adds the prompt's arguments; ``convention`` is the default way to count FLOPs."""
    prompt = parser.add_argument_group("the prompt")
    prompt.add_argument("--text-tokens", type=int, default=36, metavar="N", help="tokens of text (default: 36)")
    prompt.add_argument(
        "--visual-tokens",
        type=int,
        metavar="N",
        help="visual tokens in total (default: as many as the model uses per image)",
    )
    prompt.add_argument("--answer-tokens", type=int, default=1, metavar="N", help="tokens of the answer (default: 1)")
    prompt.add_argument("--images", type=int, default=1, metavar="N", help="images in the prompt (default: 1)")
    prompt.add_argument("--batch", type=int, default=1, metavar="N", help="prompts processed together (default: 1)")
    prompt.add_argument("--dtype", choices=DTYPES, default="float16", help="of weights and cache (default: float16)")
    parser.add_argument(
        "--convention",
        choices=CONVENTIONS,
        default=convention,
        help="how FLOPs are counted: the paper's formula per decoder layer, or exact, with two FLOPs per multiply-add, "
        f"vision tower, projector and lm_head (default: {convention})",
    )


def shape_of(model: str) -> ModelShape:
    """The sizes of a model. Raises InvalidInputError where its config is not at hand."""
    if model in configs.known():
        return configs.shape_of(model)
    path = Path(model)
    path = path / "config.json" if path.is_dir() else path
    if not path.is_file():
        known = ", ".join(configs.known())
        raise InvalidInputError(
            f"There is no config of “{model}”: give a model folder, a config.json, or one of {known}."
        )
    try:
        return configs.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"“{model}” cannot be read: {error}") from error


def workload_of(arguments: Namespace, shape: ModelShape, model: str) -> Workload:
    """The prompt as it was asked for, for one model."""
    for name in ("text_tokens", "visual_tokens", "answer_tokens", "images", "batch"):
        value = getattr(arguments, name)
        if value is not None and not (name == "batch") <= value <= 10**7:
            least = int(name == "batch")
            raise InvalidInputError(f"--{name.replace('_', '-')} must be from {least} to 10,000,000, not {value:,}.")
    tokens, frames = configs.visual_input(shape, model if model in configs.known() else None)
    images = arguments.images
    asked = arguments.visual_tokens
    return Workload(
        arguments.text_tokens,
        images * tokens if asked is None else asked,
        arguments.answer_tokens,
        images * frames if asked is None else images,
        arguments.dtype,
        arguments.batch,
    )
