"""A tab is a package that exposes ``TAB`` and one entry of ``TABS``: all that the page does with tabs reads that."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import pytest

import fastv.app
from fastv.app import page, url_sync
from fastv.app.service.model_pool import ModelPool
from fastv.app.shared.tab import BuiltTab, Tab, TabContext, Updates
from fastv.app.tabs import TABS
from fastv.loading.load import load
from tests.support.browser import opened
from tests.support.standins import save_llava_checkpoint


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "standin"
    save_llava_checkpoint(folder, seed=3)
    return ModelPool(load(str(folder)))


class MadeUp:
    """A tab of one field, which is kept in links as ``colour``."""

    def __init__(self, folder: Path):
        self.css = folder / "made_up.css"
        self.css.write_text("#colour { color: red; }")
        self.tab = Tab("made-up", "Made up", self.build, ("colour",), self.css)

    def build(self, context: TabContext) -> BuiltTab:
        self.context, self.colour = context, gr.Textbox("red", elem_id="colour")
        query = gr.Textbox(visible="hidden")
        self.colour.change(lambda colour: f"colour={colour}", self.colour, query)
        return BuiltTab(query, (self.colour,), self.follow)

    def follow(self, query) -> Updates:
        return {self.colour: query["colour"]} if "colour" in query else {}


def test_a_made_up_tab_is_on_the_page_with_its_style(pool, tmp_path):
    made_up = MadeUp(tmp_path)
    built = page.build(pool, tabs_to_show=(*TABS, made_up.tab))
    parts = built.blocks.config["components"]
    assert [part["props"]["label"] for part in parts if part["type"] == "tabitem"] == [tab.title for tab in TABS] + [
        "Made up"
    ]
    assert built.styles[-1] == made_up.css
    assert made_up.context.pool is pool
    assert made_up.context.pruning is not None  # K and R of the tab that owns them


def test_its_link_field_is_kept_in_the_address_and_followed(pool, tmp_path):
    made_up = MadeUp(tmp_path)
    with gr.Blocks() as blocks:
        with gr.Tabs():
            built = page.build_tabs((made_up.tab,), pool, page.RunPolicy())
        url_sync.connect(blocks, built)
    scripts = [function.js for function in blocks.fns.values() if function.js]
    assert any('["colour"]' in script for script in scripts) and any('"made-up"' in script for script in scripts)
    assert url_sync.follow(built, {"colour": "blue", "tab": "made-up", "k": "3"})[made_up.colour] == "blue"
    assert url_sync.follow(built, {"tab": "no such tab"}) == {}


def test_events_that_show_no_progress_tell_no_component_of_it(pool):
    functions = [function for function in page.build(pool).blocks.fns.values() if function.targets]  # not the API's
    quiet = [function for function in functions if function.show_progress == "hidden"]
    assert len(quiet) > len(functions) / 2 and all(function.show_progress_on == [] for function in quiet)


def test_no_two_tabs_share_an_id_or_a_link_field():
    ids = [tab.id for tab in TABS]
    fields = [field for tab in TABS for field in (*tab.link_fields, url_sync.TAB_FIELD)]
    assert len(set(ids)) == len(ids)
    assert len(set(fields)) == len(fields) - (len(TABS) - 1)
    assert all(tab.css is None or tab.css.is_file() for tab in TABS)


def test_every_tab_is_a_package_of_its_own():
    folder = Path(fastv.app.__file__).parent
    assert all((folder / tab.id / "__init__.py").is_file() for tab in TABS)


def test_back_and_forward_go_from_tab_to_tab_and_keep_what_is_chosen(browser, app):
    def shows(tab: str) -> None:
        page.wait_for_selector(f"button[role=tab][data-tab-id={tab}][aria-selected=true]")

    with opened(browser, app.address, within=app.address) as page:
        page.get_by_role("tab", name="Explore").click()
        page.wait_for_function("location.search.includes('tab=explore')")
        page.get_by_role("tab", name="Attention").click()
        page.wait_for_function("location.search.includes('tab=attention')")
        page.fill("#attention-question textarea", "What is red?")
        page.wait_for_function("location.search.includes('a_question=What')")
        page.go_back()
        shows("explore")
        page.go_back()
        shows("compare")
        page.wait_for_function("location.search.includes('a_question=What')")
        page.go_forward()
        shows("explore")
        page.go_forward()
        shows("attention")
        assert page.input_value("#attention-question textarea") == "What is red?"
        page.wait_for_function("location.search.includes('tab=attention') && location.search.includes('a_question=')")
