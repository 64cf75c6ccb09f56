"""The app's theme: neutral grays, system fonts, and the colors of ``fastv.presentation.palette``."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from fastv.presentation.palette import variables

FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Liberation Sans", "Arial", "sans-serif")
MONOSPACE = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")
STYLE = Path(__file__).with_name("style.css")

_INK = gr.themes.Color(
    c50="#f7f8f9",
    c100="#eef0f2",
    c200="#dfe3e7",
    c300="#c8ced5",
    c400="#98a2ad",
    c500="#6b7682",
    c600="#4d5763",
    c700="#38414b",
    c800="#232a32",
    c900="#171c22",
    c950="#0e1216",
    name="ink",
)


# Gradio's middle size, its smallest ones larger: much of what this page shows is in small print.
_TEXT = gr.themes.Size(name="text_fastv", xxs="10px", xs="12px", sm="13px", md="14px", lg="16px", xl="22px", xxl="26px")


def theme() -> gr.themes.Base:
    """Neutral controls: color is left to the two sides of a comparison."""
    ink, paper = "*neutral_800", "white"
    base = gr.themes.Base(
        primary_hue=_INK,
        secondary_hue=_INK,
        neutral_hue=_INK,
        font=FONT,
        font_mono=MONOSPACE,
        radius_size=gr.themes.sizes.radius_md,
        text_size=_TEXT,
    )
    return base.set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color="*neutral_800",
        body_text_color_dark="*neutral_100",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        background_fill_primary=paper,
        background_fill_primary_dark="*neutral_900",
        background_fill_secondary="*neutral_50",
        background_fill_secondary_dark="*neutral_950",
        border_color_primary="*neutral_200",
        border_color_primary_dark="*neutral_700",
        block_background_fill=paper,
        block_background_fill_dark="*neutral_900",
        block_border_width="1px",
        block_border_color="*neutral_200",
        block_border_color_dark="*neutral_800",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_label_border_width="0px",
        block_label_text_color="*neutral_600",
        block_label_text_color_dark="*neutral_300",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        block_title_text_weight="600",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
        input_background_fill=paper,
        input_background_fill_dark="*neutral_950",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        input_border_width="1px",
        input_border_color_focus="*neutral_600",
        input_border_color_focus_dark="*neutral_300",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_500",
        button_primary_background_fill=ink,
        button_primary_background_fill_hover="*neutral_950",
        button_primary_background_fill_dark="*neutral_100",
        button_primary_background_fill_hover_dark="white",
        button_primary_text_color=paper,
        button_primary_text_color_dark="*neutral_900",
        button_secondary_background_fill=paper,
        button_secondary_background_fill_dark="*neutral_900",
        button_secondary_background_fill_hover="*neutral_100",
        button_secondary_background_fill_hover_dark="*neutral_800",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_700",
        button_border_width="1px",
        button_transition="background-color 0.12s ease",
        slider_color=ink,
        slider_color_dark="*neutral_200",
        checkbox_background_color_selected=ink,
        checkbox_background_color_selected_dark="*neutral_500",
        checkbox_border_color_selected=ink,
        checkbox_border_color_selected_dark="*neutral_300",
        checkbox_label_background_fill=paper,
        checkbox_label_background_fill_dark="*neutral_900",
        checkbox_label_background_fill_selected="*neutral_100",
        checkbox_label_background_fill_selected_dark="*neutral_800",
        checkbox_label_border_color_selected="*neutral_500",
        checkbox_label_border_color_selected_dark="*neutral_400",
        checkbox_label_text_color_selected="*neutral_900",
        checkbox_label_text_color_selected_dark="*neutral_50",
    )


def color_variables() -> str:
    """The palette as CSS variables, in light and dark."""
    return f":root {{{variables(0)}}} .dark {{{variables(1)}}}"
