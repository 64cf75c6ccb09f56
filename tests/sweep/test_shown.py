"""What samples show: pictures and clips, from files, archives and tables alike."""

from __future__ import annotations

import json

import pytest

from fastv.inputs.video import FRAMES, Clip
from fastv.sweep.cells import sample_id
from fastv.sweep.datasets.embedded import EmbeddedFile
from fastv.sweep.datasets.registry import read_dataset
from fastv.sweep.quality_pass import answers_to
from fastv.sweep.shown import open_shown
from tests.support.video_files import video

pytest.importorskip("av", reason="the extra video is not installed")


@pytest.fixture
def clip(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(video())
    (tmp_path / "q.jsonl").write_text(json.dumps({"video": "clip.mp4", "question": "What happens?"}))
    (sample,) = read_dataset(tmp_path / "q.jsonl").samples
    return sample


def test_a_video_is_shown_as_a_clip(clip):
    shown = open_shown(clip)
    assert isinstance(shown, Clip) and len(shown.frames) == FRAMES
    table = type(clip)(EmbeddedFile("row 1", clip.image.read_bytes), clip.question, is_video=True)
    assert sample_id(table) == sample_id(clip)
    assert open_shown(table).seconds == shown.seconds


def test_a_model_of_pictures_alone_says_so(mini, clip):
    (found,) = answers_to(mini, [(clip, sample_id(clip))], [], answer_tokens=2)
    assert "video" in found.problem
