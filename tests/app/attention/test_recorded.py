"""The recorded examples are what the shipped weights give, and small."""

from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest

from fastv.app.attention.record import payload
from fastv.app.attention.recorded import FOLDER, recorded
from fastv.app.attention.xray_html import recorded_xray, xray
from fastv.evidence.findings import PAIR
from fastv.evidence.measurements import fingerprint
from fastv.families.catalogue import find
from fastv.loading.load import load


@pytest.mark.parametrize("model", PAIR)
def test_records_are_of_the_shipped_weights(model):
    found = recorded(model)
    assert found["weights"] == fingerprint(Path(find(model).source)) and found["payload"]["model"] == model
    assert (FOLDER / f"{model}.json").stat().st_size < 320_000


@pytest.mark.slow
def test_a_record_is_made_again():
    now, then = payload(load("mini-7")), recorded("mini-7")["payload"]
    assert {**now, "shares": 0, "maps": 0, "ranking": 0, "head_maps": 0, "head_shares": 0, "frames": 0} == {
        **then, "shares": 0, "maps": 0, "ranking": 0, "head_maps": 0, "head_shares": 0, "frames": 0
    }  # fmt: skip
    np.testing.assert_allclose(now["shares"], then["shares"], atol=2e-3)
    rows = [np.frombuffer(b64decode(one["ranking"]), "<f4") for one in (now, then)]
    np.testing.assert_allclose(*rows, atol=1e-4)


def test_the_pane_escapes_what_it_was_told():
    made = xray({**recorded("mini-7")["payload"], "question": "<i>'\"", "answer": "</section>"}, word=2)
    assert "<i>'" not in made and "</section>" not in made.removesuffix("</section>") and 'data-word="2"' in made
    assert recorded_xray("no such model") == recorded_xray("mini-13")
