"""Every family's files, by folder and from the hub's cache, in 16 and in 4 bits: loaded, and proved by the command line
to be pruned as if masked, as far as so few bits tell.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from fastv.cli.main import run
from fastv.families.registry import FAMILIES, family_for
from fastv.loading.load import load
from fastv.measurement import model_check
from tests.support import fake_hub
from tests.support.standins import ALL_STANDINS

_NOWHERE = "http://127.0.0.1:9"  # what is in the cache is loaded without asking
#: Decoders that have their kinds of layers only as they are.
_WHOLE = {"gemma4", "lfm2_vl", "qwen3_5", "qwen3_5_moe"}
_SAVED: dict[str, Path] = {}


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


def cached(key: str, cache: Path) -> Path:
    """A family's files where the hub's client keeps those of ``owner/KEY``."""
    if key not in _SAVED:
        repository = cache / f"models--owner--{key}"
        folder = repository / "snapshots" / fake_hub.COMMIT
        for part in (folder, repository / "refs"):
            part.mkdir(parents=True, exist_ok=True)
        (repository / "refs" / "main").write_text(fake_hub.COMMIT)
        ALL_STANDINS[key].save(folder, width=64, ffn_width=128, **({} if key in _WHOLE else {"layers": 2}))
        _SAVED[key] = folder
    return _SAVED[key]


def test_every_model_type_has_a_stand_in():
    assert {name for family in FAMILIES for name in family.model_types} == set(ALL_STANDINS)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bfloat16", "4bit"])
@pytest.mark.parametrize("key", ALL_STANDINS)
def test_files_load_in_fewer_bits_and_are_proved(key, dtype, cache, monkeypatch, capsys):
    """In one precision by the folder, in the other by the hub id; and loaded the other way round."""
    pytest.importorskip("bitsandbytes")
    family, names = family_for(key), [str(cached(key, cache)), f"owner/{key}"]
    fake_hub.use(_NOWHERE, cache, monkeypatch, offline=True)
    monkeypatch.setattr(model_check, "ANSWER_TOKENS", 2)
    monkeypatch.setattr(model_check, "check", partial(model_check.check, ks=(1,)))  # all K: test_further_families
    proved, loaded_too = names if dtype == "bfloat16" else reversed(names)
    assert run(["models", "--check", proved, "--dtype", dtype, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["family"] == family.name and told["geometry"] and told["ranks_by_attention"]
    for layer in told["layers"]:
        assert layer["same_tokens"]
        assert max(layer["difference"], layer["uncached_difference"]) <= told["tolerance"]
    loaded = load(loaded_too, dtype, "cpu")
    assert loaded.family is family and loaded.dtype == dtype
    kinds = {type(part).__name__ for part in family.decoder(loaded.model).layers.modules()}
    assert ("Linear4bit" in kinds) == (dtype == "4bit")
