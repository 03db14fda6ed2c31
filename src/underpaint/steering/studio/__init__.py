"""Painting and picking by hand, for models that are too large for a browser.

`desk` holds what is done, without a window; `page` lays it out with Gradio, an optional extra.
"""

from .desk import Canvas, Desk, Glimpse, Stroke, glimpse, open_desk, paint

__all__ = ["Canvas", "Desk", "Glimpse", "Stroke", "glimpse", "open_desk", "paint"]
