"""The parts of a comparison as HTML, for the page and for reports."""

from fastv.presentation.answers_html import EMPTY_ANSWER, answers
from fastv.presentation.cost_table import rows_of, table
from fastv.presentation.kept_html import kept, kept_placeholder

__all__ = ["EMPTY_ANSWER", "answers", "kept", "kept_placeholder", "rows_of", "table"]
