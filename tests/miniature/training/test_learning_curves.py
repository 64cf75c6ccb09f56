import csv

import torch

from fastv.miniature.training import learning_curves, trainer
from fastv.miniature.training.trainer import StageConfig, train


def test_all_stages_stand_in_one_table_and_a_step_done_again_counts_once(tmp_path):
    for stage, steps in (("first", (50, 100, 50)), ("second", (50,))):
        (tmp_path / stage).mkdir()
        for number, step in enumerate(steps):
            learning_curves.note(
                tmp_path / stage, {"step": step, "loss": 1 / 3 + number, **({"task": 0.5} if number else {})}
            )
    learning_curves.tabulate(tmp_path, ("first", "second", "never begun"), tmp_path / "curves.csv")
    with (tmp_path / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["stage"], row["step"], row["loss"], row["task"]) for row in rows] == [
        ("first", "50", "2.3333", "0.5"),
        ("first", "100", "1.3333", "0.5"),
        ("second", "50", "0.3333", ""),
    ]


def test_what_came_before_stands_before_it(tmp_path):
    for stage, figures in (("old", {"loss": 1.0, "helper": 2.0}), ("new", {"loss": 0.5})):
        (tmp_path / stage).mkdir()
        learning_curves.note(tmp_path / stage, {"step": 50, **figures})
    table = tmp_path / "curves.csv"
    learning_curves.tabulate(tmp_path, ["old"], table)
    learning_curves.tabulate(tmp_path, ["new"], table, earlier=table)  # in its place
    assert table.read_text() == "stage,step,loss,helper\nold,50,1.0,2.0\nnew,50,0.5,\n"


def test_the_loop_notes_the_means_of_its_figures(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "_LOG_EVERY", 2)
    module, values = torch.nn.Linear(1, 1), iter([0.1, 0.3, 0.7, 0.9])

    def loss(batch):
        return module(batch).sum(), {"right": next(values)}

    train(
        module,
        loss,
        lambda skip: iter([torch.ones(1, 1)] * 4),
        StageConfig(4, pictures=3, warmup=1),
        tmp_path / "stage",
    )
    learning_curves.tabulate(tmp_path, ["stage"], tmp_path / "curves.csv")
    with (tmp_path / "curves.csv").open() as file:
        assert [(row["step"], row["pictures"], row["right"]) for row in csv.DictReader(file)] == [
            ("2", "6", "0.2"),
            ("4", "12", "0.8"),
        ]
