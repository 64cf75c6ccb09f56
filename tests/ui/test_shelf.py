"""Which models can be had, which stay in memory, and what a failed choice leaves behind."""

from __future__ import annotations

import pytest
from standins import save_llava_checkpoint

from fastv.errors import ModelLoadError
from fastv.models import loading
from fastv.models.catalogue import CATALOGUE, ModelEntry
from fastv.ui.shelf import Shelf


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("shelf")
    for name in ("one", "two", "mini-7"):
        save_llava_checkpoint(root / name)
    return root


@pytest.fixture
def first(folders):
    return loading.load(str(folders / "one"))


def test_the_first_model_is_there_under_its_name_and_its_path_is_not(folders, first):
    shelf = Shelf(first)
    assert shelf.default == "one" and shelf.take(None).model is first.model is shelf.take("one").model
    assert list(shelf.entries) == ["one", *(entry.key for entry in CATALOGUE)]
    assert not any(str(folders) in key or str(folders) in entry.name for key, entry in shelf.entries.items())
    assert shelf.take(None).entry.key == "one"


def test_a_folder_named_like_a_catalogue_model_does_not_hide_it(folders):
    shelf = Shelf(loading.load(str(folders / "mini-7")))
    assert shelf.default == "mini-7 (given)" and shelf.entries["mini-7"] in CATALOGUE


@pytest.mark.parametrize("key", ["two", "/etc", "owner/name", "", 7, ["one"]])
def test_nothing_else_can_be_had(first, key):
    with pytest.raises(ModelLoadError, match="There is no model"):
        Shelf(first).take(key)


def test_only_embedded_models_stay_in_memory(folders, first):
    listed = (
        ModelEntry("small", "Small", str(folders / "mini-7"), "", embedded=True),
        ModelEntry("big", "Big", str(folders / "two"), ""),
    )
    shelf = Shelf(first, catalogue=listed)
    small = shelf.take("small").model
    assert [key for key in shelf.entries if shelf.is_loaded(key)] == ["small"]
    assert shelf.take("big").entry == listed[1] and shelf.take("small").model is small
    assert shelf.take("one").entry.key == "one"  # from its folder again
    assert [key for key in shelf.entries if shelf.is_loaded(key)] == ["one", "small"]


def test_a_model_that_cannot_be_loaded_leaves_the_others(first):
    shelf = Shelf(first, catalogue=(ModelEntry("gone", "Gone", "/nowhere/at/all", ""),))
    with pytest.raises(ModelLoadError):
        shelf.take("gone")
    assert shelf.is_loaded("one") and not shelf.is_loaded("gone")


def test_both_models_of_a_comparison_stay_whichever_was_there_first(folders, first):
    big = [ModelEntry(name, name, str(folders / name), "") for name in ("two", "mini-7")]
    shelf = Shelf(first, catalogue=tuple(big))

    def there() -> set[str]:
        return {key for key in shelf.entries if shelf.is_loaded(key)}

    one, other = shelf.both("one", "two")
    assert one.model is first.model and one is shelf.take("one") and other is shelf.take("two")
    assert there() == {"one", "two"}
    assert shelf.both("mini-7", "two")[1] is other and there() == {"mini-7", "two"}
    assert shelf.both("two", "mini-7")[0] is other and there() == {"mini-7", "two"}
    assert shelf.both("two", "two") == (other, other) and there() == {"mini-7", "two"}
    shelf.take("one")
    assert there() == {"one"}


def test_of_two_models_the_one_that_cannot_be_loaded_leaves_the_others(first, folders):
    shelf = Shelf(first, catalogue=(ModelEntry("gone", "Gone", "/nowhere/at/all", ""),))
    for pair in (("one", "gone"), ("gone", "one"), ("one", "nobody")):
        with pytest.raises(ModelLoadError):
            shelf.both(*pair)
        assert shelf.is_loaded("one")
    assert shelf.gpu_bytes == 0
