"""Tests run offline, whatever the machine's settings are."""

import gc
import os
import shutil

import pytest

from fastv.app.hosting.gradio_import import skip_type_stubs

os.environ |= {"HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False", "NO_PROXY": "127.0.0.1,localhost"}
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"  # workers share the cores: threads of all would wait for each other
skip_type_stubs()

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# One process for all pages, and none kept in reserve: a page opens in two thirds of the time.
LEAN = (
    "--renderer-process-limit=1",
    "--disable-features=SpareRendererForSitePerProcess,IsolateOrigins,site-per-process",
)


def pytest_collection_modifyitems(items):
    """Marks what drives a browser, and what starts the app, which takes seconds, so that ``-m`` can leave them out.

    Modules that drive a browser, which wait more than they compute, are spread among the others, so that workers do
    not all have one at a time.
    """
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "browser" in fixtures:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.flaky(reruns=2))  # a busy machine may keep a browser waiting for a minute
        if "app" in fixtures:
            item.add_marker(pytest.mark.slow)
    modules: dict[str, list] = {}
    for item in items:
        modules.setdefault(item.nodeid.split("::")[0], []).append(item)
    waiting, others = [], []
    for tests in modules.values():
        (waiting if any(test.get_closest_marker("browser") for test in tests) else others).append(tests)
    apart = max(1, len(others) // (len(waiting) + 1))
    for number, tests in enumerate(waiting):
        others.insert(number * (apart + 1), tests)
    items[:] = [test for tests in others for test in tests]


def pytest_collection_finish():
    """Leaves modules and tests, a million objects, out of garbage collection: one comes before each memory pass."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _old_objects_are_frozen():
    """Leaves out too what modules before made to last, such as libraries they imported: each load that fails collects
    all garbage there is."""
    if len(gc.get_objects(generation=2)) > 100_000:
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def served_app(tmp_path_factory):
    """The app served with a stand-in model, once for all the tests of a worker."""
    from tests.support.serving import served  # Gradio takes seconds to import, and few tests need it

    with served(tmp_path_factory.mktemp("models")) as app:
        yield app


@pytest.fixture(scope="module")
def app(served_app):
    """The served app; what other modules' tests turned to is forgotten."""
    served_app.strangers.clear()
    return served_app


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files to send to the app: name -> path."""
    from tests.support.serving import files_to_send

    return files_to_send(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="session")
def browser():
    """A real browser without a screen, the one the machine has, once for all the tests of a worker."""
    chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
    if chromium is None:
        pytest.skip("no Chromium on this machine: install the package chromium to run the browser tests")
    sync_api = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", *LEAN])
        yield browser
        browser.close()
