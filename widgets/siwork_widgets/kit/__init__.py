"""What every panel is made of: the widgets that draw and show text, their clock, controls from knobs, the static page."""
