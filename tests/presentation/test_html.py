"""Templates: escaped by default, complete, and every one of them in use."""

from __future__ import annotations

import re

import pytest
from jinja2 import TemplateNotFound, UndefinedError
from markupsafe import Markup

from fastv.paths import PACKAGE
from fastv.presentation.html import ENVIRONMENT, FOLDER, SUFFIX, render
from tests.support.comparisons import HOSTILE, Tags, words

TEMPLATES = ENVIRONMENT.list_templates()
SOURCES = {path: path.read_text(encoding="utf-8") for path in PACKAGE.rglob(f"{FOLDER}/*{SUFFIX}")}


def test_plain_text_is_escaped_and_markup_is_not():
    html = render("app/shared/status", words=HOSTILE, fraction=None, problem=False)
    assert HOSTILE in words(html)
    assert [tag for tag, _ in Tags(html).tags] == ["p"]
    html = render("app/shared/status", words=Markup("<b>bold</b>"), fraction=None, problem=False)
    assert [tag for tag, _ in Tags(html).tags] == ["p", "b"]


def test_a_missing_value_is_an_error():
    with pytest.raises(UndefinedError):
        render("app/shared/status", words="x", problem=False)


@pytest.mark.parametrize("name", ["presentation/nothing", "../secrets", "presentation/../html", "/etc/passwd", ""])
def test_only_templates_of_the_package_are_found(name):
    with pytest.raises(TemplateNotFound):
        render(name)


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_compiles_and_is_used(name):
    ENVIRONMENT.get_template(name)
    code = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    assert f'"{name}"' in code or any(f'"{name}"' in source for source in SOURCES.values())


def test_templates_were_found():
    assert len(TEMPLATES) == len(SOURCES) > 0


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_template_turns_escaping_off(path):
    assert not re.search(r"\|\s*safe\b|autoescape\s+false|Markup\(", SOURCES[path])
