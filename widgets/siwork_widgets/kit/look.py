"""The look of panels and of their static pages: one style sheet, with the cards of the report in it."""

from __future__ import annotations

from pathlib import Path

import siwork

# the cards' rules are nested, or they would style whatever else JupyterLab shows
CARDS = (Path(siwork.__file__).parent / "reporting" / "cards.css").read_text(encoding="utf-8")
PANEL = f"{Path(__file__).with_name('panel.css').read_text(encoding='utf-8')}\n.sw-panel {{\n{CARDS}}}\n"
