"""The picture of the README, from the report of a demo: `siwork demo && python data/pictures/make.py report.html`."""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HERE = Path(__file__).parent


def main(page_file: str) -> None:
    """Print the first figures of a report."""
    with sync_playwright() as play, play.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS) as browser:
        page = browser.new_context(viewport={"width": 1280, "height": 1000}, device_scale_factor=1).new_page()
        page.goto(Path(page_file).resolve().as_uri())
        page.wait_for_function("() => document.querySelectorAll('.js-plotly-plot .main-svg').length >= 8")
        page.add_style_tag(content=".modebar { display: none }")
        box = page.locator("section[aria-labelledby='figures']").bounding_box()
        page.screenshot(path=HERE / "first_rounds.png", clip=box | {"height": min(box["height"], 860)}, full_page=True)


if __name__ == "__main__":
    main(sys.argv[1])
