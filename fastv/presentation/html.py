"""HTML from Jinja2 templates: every value is escaped unless it is markup already, and an undefined name is an error.

Templates lie in ``templates`` folders beside the code that uses them. A template is named by its package and file:
``presentation/filmstrip`` is ``fastv/presentation/templates/filmstrip.html.j2``, ``app/shared/status`` is
``fastv/app/shared/templates/status.html.j2``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound
from markupsafe import Markup

from fastv import formatting
from fastv.paths import PACKAGE

FOLDER, SUFFIX = "templates", ".html.j2"


class _Loader(BaseLoader):
    """Finds ``package/name`` in the ``templates`` folder of a package of fastv."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        package, _, name = template.rpartition("/")
        parts = template.split("/")
        path = PACKAGE.joinpath(*package.split("/"), FOLDER, name + SUFFIX)
        if not all(part.isidentifier() for part in parts) or not path.is_file():
            raise TemplateNotFound(template)
        return path.read_text(encoding="utf-8"), str(path), lambda: True

    def list_templates(self) -> list[str]:
        found = []
        for path in PACKAGE.rglob(f"{FOLDER}/*{SUFFIX}"):
            package = path.parent.parent.relative_to(PACKAGE).as_posix()
            found.append(f"{package}/{path.name.removesuffix(SUFFIX)}")
        return sorted(found)


ENVIRONMENT = Environment(
    loader=_Loader(),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
ENVIRONMENT.filters |= {
    "percent": formatting.percent,
    "points": formatting.points,
    "times": formatting.times,
    "number": formatting.number,
    "sized": formatting.sized,
    "count": lambda amount: f"{amount:,}",
}


def render(template: str, **values: Any) -> Markup:
    """Renders a template.

    Parameters
    ----------
    template : str
        Package and name, such as ``"presentation/filmstrip"``.
    **values
        What the template needs. Plain strings are escaped; ``markupsafe.Markup``, which this function returns too, is
        inserted as it is.

    Returns
    -------
    markupsafe.Markup
        HTML, a ``str`` that other templates do not escape again.

    Raises
    ------
    jinja2.TemplateNotFound
        There is no such template.
    jinja2.UndefinedError
        The template uses a name that ``values`` lack.
    """
    return Markup(ENVIRONMENT.get_template(template).render(**values).strip())
