"""The picture of the workbench, from the runs of a demo: `siwork demo && python data/pictures/workbench.py runs/demo-1`."""

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "tests"))
from labserver import READY, RUN, chromium, evaluate, jupyterlab, write_notebook  # noqa: E402


def main(runs: str) -> None:
    """Print the tab Tail of a Lab that follows those runs."""
    with tempfile.TemporaryDirectory() as folder, jupyterlab(Path(folder)) as url, chromium() as browser:
        cell = f"from siwork_widgets import Lab\nlab = Lab({str(Path(runs).resolve())!r})\nlab.wait(120)\nlab"
        write_notebook(Path(folder) / "a.ipynb", [cell])
        page = browser.new_context(viewport={"width": 1280, "height": 1400}).new_page()
        page.goto(url % "a.ipynb")
        evaluate(page, READY)
        evaluate(page, "async () => { await jupyterapp.commands.execute('application:toggle-left-area'); }")
        evaluate(page, RUN, 180)
        page.locator(".sw-tabs").get_by_role("tab", name="Tail", exact=True).first.click()
        page.wait_for_function("() => [...document.querySelectorAll('.sw-tail .sw-plot')].some(p => p.dataset.drawn)")
        box = page.locator(".sw-lab").bounding_box()
        page.screenshot(path=HERE / "workbench.png", clip=box | {"height": min(box["height"], 760)})


if __name__ == "__main__":
    main(sys.argv[1])
