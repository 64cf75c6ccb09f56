"""All settings of a served app: options of the command line or environment variables, checked alike.

The command line goes before the environment, and the environment before the default. Knows neither torch nor Gradio.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NoReturn

from fastv.costs.memory import DTYPES
from fastv.inputs.image import MAX_PICTURE_BYTES, MAX_PICTURE_PIXELS, MAX_QUESTION_CHARACTERS

_LONGEST_ANSWER = 1_024  # tokens, as in fastv.measurement.compare, which imports torch
_YES, _NO = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            number = int(text.replace("_", ""))
        except ValueError:
            number = None
        if number is None or not least <= number <= most:
            raise ValueError(f"a whole number from {least:,} to {most:,}")
        return number

    return read


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text

    return read


def _switch(text: str) -> bool:
    if text.lower() not in _YES + _NO:
        raise ValueError("yes or no")
    return text.lower() in _YES


def _setting(default: Any, read: Callable[[str], Any], words: str) -> Any:
    return field(default=default, metadata={"read": read, "help": words})


@dataclass(frozen=True)
class Settings:
    """What the operator chose. Limits of 0 runs, uploads or seconds mean: no limit."""

    model: str | None = _setting(None, str, "a model of the catalogue, a model folder or a hub id (default: mini-7)")
    dtype: str = _setting(
        "auto",
        _one_of("auto", *DTYPES),
        f"how weights are held: {', '.join(DTYPES)}; auto: float32 on CPUs, float16 on GPUs",
    )
    host: str | None = _setting(None, str, "address to listen on; 0.0.0.0 is everywhere (default: this machine only)")
    port: int | None = _setting(None, _whole(1, 65_535), "port to listen on (default: the first free one from 7860)")
    share: bool = _setting(False, _switch, "also open a public link, through Gradio's servers")
    real_models: str = _setting(
        "auto",
        _one_of("auto", "yes", "no"),
        "yes, no or auto: whether visitors may load models that do not come with "
        "the project; auto: yes, but not with --share, nor on a Space without a GPU",
    )
    queue: int = _setting(20, _whole(1, 1_000), "most runs that may wait; further ones are refused as busy")
    waiting_per_visitor: int = _setting(4, _whole(1, 1_000), "most waiting runs per visitor")
    picture_pixels: int = _setting(
        MAX_PICTURE_PIXELS, _whole(1_000, MAX_PICTURE_PIXELS), "most pixels of an image or of a video frame"
    )
    picture_bytes: int = _setting(MAX_PICTURE_BYTES, _whole(1_000, MAX_PICTURE_BYTES), "most bytes of an uploaded file")
    question_characters: int = _setting(MAX_QUESTION_CHARACTERS, _whole(1, MAX_QUESTION_CHARACTERS), "longest question")
    answer_tokens: int = _setting(_LONGEST_ANSWER, _whole(1, _LONGEST_ANSWER), "longest answer, tokens")
    run_seconds: int = _setting(
        300, _whole(0, 86_400), "seconds a run may take; it then ends with the rounds timed so far"
    )
    runs_per_minute: int = _setting(30, _whole(0, 100_000), "runs per minute per visitor")
    runs_per_minute_of_address: int = _setting(
        120, _whole(0, 100_000), "runs per minute per IP address, which a classroom may share"
    )
    uploads_per_minute: int = _setting(60, _whole(0, 100_000), "uploads per minute per IP address")
    trust_proxy: int | None = _setting(
        None,
        _whole(0, 10),
        "number of trusted reverse proxies in front of the app that append to X-Forwarded-For; 0: "
        "the header is ignored (default: 0, on a Space 1)",
    )
    forget_seconds: int = _setting(3_600, _whole(10, 3_600), "seconds until a visitor's files are deleted")
    log: str = _setting("-", str, "a file for one line of JSON per run; -: standard error, none: nowhere")
    log_text: bool = _setting(False, _switch, "also log questions and answers; images are never logged")

    def __post_init__(self) -> None:
        if self.waiting_per_visitor > self.queue:
            object.__setattr__(self, "waiting_per_visitor", self.queue)


def parse_command_line(
    arguments: Sequence[str], environment: Mapping[str, str], description: str | None = None
) -> Settings:
    """The settings of a command line and an environment. Ends the program, with a sentence, when one is unusable."""
    parser = _Parser(description=description)
    add_arguments(parser)
    return from_arguments(vars(parser.parse_args(arguments)), environment, parser.error)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds a switch for every setting."""
    for setting in fields(Settings):
        flag = f"--{setting.name.replace('_', '-')}"
        words = f"{setting.metadata['help']}{_default(setting)} [{variable(setting.name)}]"
        if setting.type == "bool":
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, help=words)
        else:
            kind = str(setting.type).split()[0]
            parser.add_argument(flag, metavar="N" if kind == "int" else "TEXT", help=words)


def from_arguments(
    given: Mapping[str, Any], environment: Mapping[str, str], refuse: Callable[[str], NoReturn]
) -> Settings:
    """The settings of a parsed command line; ``refuse`` ends the program with a sentence."""
    values = {}
    for setting in fields(Settings):
        name = setting.name
        if isinstance(given[name], bool):
            values[name] = given[name]
        elif given[name] is not None:
            values[name] = _read(refuse, setting, given[name], f"--{name.replace('_', '-')}")
        elif environment.get(variable(name), "").strip():
            values[name] = _read(refuse, setting, environment[variable(name)].strip(), variable(name))
    return Settings(**values)


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"FASTV_{name.upper()}"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{message[:1].upper()}{message[1:]}. See --help.\n")


def _default(setting: Any) -> str:
    told = setting.default is None or setting.type == "bool"
    return "" if told else f" (default: {setting.default})"


def _read(refuse: Callable[[str], NoReturn], setting: Any, text: str, name: str) -> Any:
    try:
        return setting.metadata["read"](text)
    except ValueError as error:
        refuse(f"{name} must be {error}, not “{text}”")
