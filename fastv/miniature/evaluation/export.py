"""Drawn scenes as files that any program can ask about: images, and a table of questions with their answers.

    python -m fastv.miniature.evaluation.export scenes --scenes 600
    fastv sweep mini-7 scenes -k 2 -r 0.5

The same scenes every time, one question about each, none of which training or the other measurements use.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from fastv.errors import InvalidInputError
from fastv.miniature.evaluation.dataset import benchmark
from fastv.miniature.world.question_templates import GROUP_OF
from fastv.validation import whole

FIRST_SCENE = 20_000


def export(folder: Path, scenes: int) -> Path:
    """Write so many scenes and their table into a folder, which is made where it is not there.

    Returns
    -------
    Path
        The table, with the columns image, question, answer, task and group.

    Raises
    ------
    InvalidInputError
        For a number of scenes below 1, and where the folder cannot be written.
    """
    whole(scenes, "The number of scenes", low=1, error=InvalidInputError)
    table = folder / "questions.csv"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with table.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("image", "question", "answer", "task", "group"))
            for item in benchmark(scenes, 1, first=FIRST_SCENE):
                name, asked = f"scene-{item.scene.seed}.png", item.question
                item.scene.picture.save(folder / name)
                writer.writerow((name, asked.text, asked.answer, asked.task, GROUP_OF[asked.task]))
    except OSError as error:
        raise InvalidInputError(f"{folder} cannot be written: {error}") from error
    return table


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m fastv.miniature.evaluation.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scenes", type=int, default=600, help="default: %(default)s")
    arguments = parser.parse_args()
    print(export(arguments.folder, arguments.scenes))


if __name__ == "__main__":
    main()
