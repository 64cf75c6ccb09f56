"""The line under the Run button: how far, what is wrong, and nobody's markup but our own."""

from fastv.app.shared import status
from tests.support.comparisons import HOSTILE, Tags, words


def test_a_bar_is_there_only_while_something_runs():
    bars = [attributes for tag, attributes in Tags(status.status("Half", 0.5)).tags if tag == "progress"]
    assert [bar["value"] for bar in bars] == ["0.500"] and "<progress" not in status.status("Done")


def test_foreign_text_is_never_markup():
    for html in (status.status(HOSTILE, 0.5), status.problem(HOSTILE)):
        assert not any(tag == "img" for tag, _ in Tags(html).tags) and HOSTILE in words(html)


def test_a_message_that_pops_up_is_plain_text_too(monkeypatch):
    shown = []
    monkeypatch.setattr(status.gr, "Warning", shown.append)
    status.warn(HOSTILE)
    assert not Tags(shown[0]).tags and words(shown[0]) == HOSTILE
