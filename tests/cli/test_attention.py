"""``fastv attention``, with the smaller miniature."""

import json

import pytest

from fastv.cli.main import run
from fastv.paths import ASSETS

ASKED = ["attention", "mini-7", str(ASSETS / "examples" / "scene.png"), "Where is the dog?"]


def test_shares_and_rows_of_every_layer_are_told(capsys):
    assert run([*ASKED, "--heads", "--token", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["visual_tokens"], told["grids"], len(told["layers"])) == (576, [[24, 24]], 8)
    for layer in told["layers"]:
        assert sum(layer["shares"].values()) == pytest.approx(1, abs=1e-4)
        assert sum(layer["visual"]) == pytest.approx(layer["shares"]["image"], abs=1e-4)
        mean = [sum(column) / len(layer["heads"]) for column in zip(*layer["heads"])]
        assert mean == pytest.approx(layer["visual"], abs=1e-5)
        assert layer["shares"]["answer"] > 0


def test_a_token_beyond_the_answer_is_refused(capsys):
    for token in ("40", "-1"):
        assert run([*ASKED, "--token", token]) == 1
    assert "token" in capsys.readouterr().err
    assert run(ASKED) == 0
    assert capsys.readouterr().out.count("%") >= 8 * 4
