"""``fastv models``: the catalogue and its sizes."""

from __future__ import annotations

import json

from fastv.cli.main import run
from fastv.families.catalogue import CATALOGUE


def test_every_model_of_the_catalogue_is_listed_with_its_sizes(capsys):
    assert run(["models", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["key"] for one in told] == [entry.key for entry in CATALOGUE]
    for one in told:
        sizes = one["weights_bytes"]
        assert sizes["float32"] > sizes["float16"] > sizes["8bit"] > sizes["4bit"] > 0
        assert one["embedded"] == (one["download_bytes"] == 0)


def test_the_table_has_a_line_for_every_model(capsys):
    assert run(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == [entry.key for entry in CATALOGUE]


def test_what_fits_this_machine_is_said_for_every_model(capsys):
    assert run(["models", "--fit", "4bit", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert all(isinstance(one["fits"], bool) and one["fit_reason"] for one in told)
    assert next(one for one in told if one["key"] == "mini-7")["fits"]
