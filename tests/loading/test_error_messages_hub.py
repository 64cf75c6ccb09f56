"""What goes wrong between here and the hub: each failure is told in one sentence that says what to do."""

from __future__ import annotations

import errno
import shutil

import pytest

from fastv.loading import hub as loading_hub
from fastv.loading.load import load
from fastv.worker import Stopped
from tests.support import fake_hub as fakehub
from tests.support.fake_hub import NAME
from tests.support.hub_layouts import change_config


@pytest.mark.parametrize(
    "source, told",
    [
        (
            "owner/nothing",
            "There is no model owner/nothing on the hub, or it is private: check the name, or log in",
        ),
        (f"{NAME}@v9", f"{NAME} has no revision “v9”: choose one that"),
    ],
)
def test_what_the_hub_does_not_have(hub, failure, source, told):
    assert told in failure(source)


def test_a_gated_repository(hub, failure):
    hub.repositories[NAME].gated = True
    told = failure(NAME)
    assert f"{NAME} is gated: accept its terms at {hub.address}/{NAME} and log in with “hf auth l" in told


def test_a_repository_that_is_no_model(hub, copy, failure):
    (copy / "config.json").unlink()
    assert f"{NAME} has no config.json" in failure(NAME)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_hub_that_is_busy(hub, failure, status):
    hub.status = status
    assert f"The hub answered {status} when asked for {NAME}: try again later" in failure(NAME)


def test_no_network(hub, failure, monkeypatch, tmp_path):
    fakehub.use("http://127.0.0.1:9", tmp_path / "cache", monkeypatch)  # a port without a server
    told = failure(NAME)
    assert f"{NAME} is incomplete on this machine" in told and "check the network" in told
    assert f"“hf download {NAME}”" in told


def test_no_network_by_choice(hub, failure, monkeypatch, tmp_path):
    fakehub.use(hub.address, tmp_path / "cache", monkeypatch, offline=True)
    assert "HF_HUB_OFFLINE" in failure(NAME) and "download the model first with “hf d" in failure(NAME)


def test_a_download_broken_off_and_then_no_network(hub, failure, monkeypatch, tmp_path):
    stop_after(NAME, "downloading", 0.3)
    fakehub.use("http://127.0.0.1:9", tmp_path / "cache", monkeypatch)
    assert "is incomplete on this machine" in failure(NAME)


def test_a_disk_too_small_for_the_download(hub, failure, monkeypatch):
    monkeypatch.setattr(loading_hub.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 1_000))
    told = failure(NAME)
    assert "is a download of" in told and "are free on the disk" in told and "set HF_HOME" in told
    assert hub.downloads() == ["config.json"]


@pytest.mark.parametrize(
    "code, told",
    [
        (errno.ENOSPC, "The disk filled up while"),
        (errno.EACCES, "check its permissions"),
    ],
)
def test_a_disk_that_does_not_take_the_download(hub, failure, monkeypatch, code, told):
    def refuse(*args, **kwargs):
        raise OSError(code, "the disk says no")

    loading_hub.hf_hub_download(NAME, "config.json")
    monkeypatch.setattr("huggingface_hub.file_download.http_get", refuse)
    assert told in failure(NAME)


def test_a_model_too_large_is_refused_before_its_weights_are_fetched(hub, copy, failure):
    change_config(copy, hidden_size=8192, num_hidden_layers=100_000)
    assert "GB of memory and" in failure(NAME)
    assert hub.downloads() == ["config.json"]


def test_a_damaged_file_in_the_cache_is_to_be_fetched_again(hub, failure):
    load(NAME, "float32")
    for path in (loading_hub.Path(loading_hub.constants.HF_HUB_CACHE)).rglob("*.safetensors"):
        path.resolve().write_bytes(b"\0" * 9)
    assert f"damaged or incomplete: fetch them again with “hf download {NAME} --force-download”" in failure(NAME)


# Stopping


def stop_after(source: str, stage: str, fraction: float) -> str:
    """Loads until ``fraction`` of a stage is done; what is said then."""
    seen = []
    with pytest.raises(Stopped) as stopped:
        load(
            source,
            "float32",
            report=seen.append,
            stopped=lambda: any(step.stage == stage and step.fraction >= fraction for step in seen),
        )
    assert seen[-1].stage == stage and seen[-1].fraction < 1
    return str(stopped.value)


def test_a_download_that_is_stopped_goes_on_where_it_was(hub):
    assert "was stopped." in stop_after(NAME, "downloading", 0.3)
    before = set(hub.downloads())
    hub.requests.clear()
    assert load(NAME, "float32").entry.repository == NAME
    again = hub.downloads()
    assert again and len(again) < len(before | set(again))


def test_transfers_in_other_threads_are_cut_off(hub, monkeypatch):
    """hf_xet ends its transfer with an error of its own then, whatever the bar raised."""
    cut = []
    monkeypatch.setattr("huggingface_hub.utils._xet.abort_xet_session", lambda: cut.append(True), raising=False)

    def transfer(url, temp_file, *, tqdm_class=None, **kwargs):
        try:
            with tqdm_class(unit="B", total=1) as bar:
                bar.update(1)
                bar.update(1)
        finally:
            raise RuntimeError("session aborted")

    loading_hub.hf_hub_download(NAME, "config.json")
    monkeypatch.setattr("huggingface_hub.file_download.http_get", transfer)
    seen = []
    with pytest.raises(Stopped, match="was stopped"):
        load(NAME, "float32", report=seen.append, stopped=lambda: any(step.done_bytes for step in seen))
    assert cut


def test_loading_that_is_stopped_leaves_nothing_behind(copy, monkeypatch):
    assert "was stopped" in stop_after(str(copy), "loading", 0.5)
    assert load(str(copy), "float32").dtype == "float32"
