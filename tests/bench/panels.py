"""The panels in a real JupyterLab and Chromium: how soon they are there, what they weigh, how quickly they answer."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from siwork import Run, Sizes, launch, run

sys.path.insert(0, str(Path(__file__).parent.parent))
from labserver import READY, RUN, ask, chromium, evaluate, jupyterlab, write_notebook

TABS = ("Overview", "Diversity", "Tail", "Verifier", "Collapse")
SMALL = Sizes(train=100, heldout=60, beyond=0, samples=32)
LARGE = Sizes(train=200, heldout=60, beyond=0, samples=32)  # × 16 samples × 20 rounds: 100 000 rows
DRAWN = "name => [...document.querySelectorAll(`.sw-${name} .sw-plot`)].some(p => p.dataset.drawn)"
GROWN = """n => { const plot = document.querySelector('.sw-overview-0 .sw-plot'); plot.scrollIntoView({block: 'nearest'});
  return plot.data?.some(t => t.customdata && t.x?.length >= n); }"""  # out of sight nothing is drawn
CLICKED = """([button, said]) => { globalThis.answered = new Promise(done => {
  document.querySelector(button).addEventListener('click', () => { const began = performance.now();
    new MutationObserver(() => document.querySelector(said) && done(performance.now() - began))
      .observe(document.querySelector('.sw-panel'), {subtree: true, childList: true, attributes: true, characterData: true});
  }); }); }"""
# the first cell, for JupyterLab keeps the last one in sight
WATCH = """
import asyncio, time, resource
worst = [0.0]
async def _watch():
    while True:
        began = time.perf_counter(); await asyncio.sleep(0.01); worst[0] = max(worst[0], time.perf_counter() - began - 0.01)
_task = asyncio.get_event_loop().create_task(_watch())
"""


MOVED = """() => { globalThis.pictured = new Promise(done => {
  const plot = document.querySelector('.sw-simulator .sw-plot');
  document.addEventListener('keydown', () => { const began = performance.now();
    new MutationObserver((_, seen) => { seen.disconnect(); requestAnimationFrame(() => done(performance.now() - began)); })
      .observe(plot, {attributeFilter: ['data-drawn']});
  }, {capture: true, once: true}); }); }"""


class Page:
    """A notebook page that counts what it receives."""

    def __init__(self, browser: Any, url: str, home: Path, name: str, cells: list[str]) -> None:
        write_notebook(home / name, cells)
        self.page = browser.new_context(viewport={"width": 1280, "height": 1000}).new_page()
        self.page.set_default_timeout(120_000)
        self.page.goto(url % name)
        evaluate(self.page, READY)
        self.wire = self.page.context.new_cdp_session(self.page)
        self.bytes = 0
        self.wire.send("Network.enable")
        self.wire.on("Network.webSocketFrameReceived", lambda e: self._count(e["response"]))
        self.wire.on("Network.dataReceived", lambda e: self._more(e["dataLength"]))

    def _count(self, frame: dict[str, Any]) -> None:
        self._more(len(frame["payloadData"]) * (3 / 4 if frame["opcode"] == 2 else 1))  # binary frames come as base64

    def _more(self, size: float) -> None:
        self.bytes += size

    def run(self) -> float:
        """Run all cells; seconds."""
        began = time.perf_counter()
        faults = evaluate(self.page, RUN, 120)
        if faults:
            raise RuntimeError(str(faults))
        return time.perf_counter() - began

    def heap(self) -> float:
        """Megabytes of the page's own objects."""
        self.wire.send("HeapProfiler.collectGarbage")
        return self.wire.send("Runtime.getHeapUsage")["usedSize"] / 1e6

    def turning(self, tab: str) -> float:
        """Seconds from the choice of a tab to its first figure."""
        began = time.perf_counter()
        self.turn(tab)
        return time.perf_counter() - began

    def turn(self, tab: str) -> None:
        """Choose a tab and wait until its first figure is there."""
        self.page.locator(".sw-tabs").first.get_by_role("tab", name=tab, exact=True).first.click()
        self.page.wait_for_function(DRAWN, arg=tab.lower())


@contextmanager
def _desk() -> Iterator[tuple[Any, str, Path]]:
    with tempfile.TemporaryDirectory() as folder, jupyterlab(Path(folder)) as url, chromium() as browser:
        yield browser, url, Path(folder)


def bench() -> Iterator[str]:
    """Lines of the table."""
    with _desk() as desk:
        yield from _opening(*desk)
        yield from _launching(*desk)
        yield from _simulator(*desk)
        yield from _large(*desk)


def _opening(browser: Any, url: str, home: Path) -> Iterator[str]:
    run("vanilla", "countdown", "tabular", rounds=4, problems=SMALL, seed=0, folder=home / "runs" / "small")
    page = Page(browser, url, home, "open.ipynb", ["from siwork_widgets import Lab\nlab = Lab('runs/small')\nlab"])
    heap = page.heap()
    for kind in ("first time in a kernel", "again, another run of that size"):
        began = time.perf_counter()
        page.run()
        page.page.locator(".sw-tabs").first.wait_for()
        shell = time.perf_counter() - began
        page.turn(TABS[0])
        first = time.perf_counter() - began
        ask(page.page, "lab.source.wait()")
        sent = time.perf_counter() - began
        seconds = [page.turning(tab) for tab in TABS[1:]]
        told = f"shell {shell:.2f} s, Overview drawn {first:.2f} s, all pictures made {sent:.2f} s"
        yield f"Lab of 5 rounds, {kind}: {told}   (target 2 s)"
        yield f"  turning to a tab until its first figure is drawn: {', '.join(f'{s:.2f}' for s in seconds)} s"
        if kind.startswith("first"):
            figures = page.page.locator(".sw-plot").count()
            yield f"  {figures} figures: received {page.bytes / 1e6:.1f} MB (< 7), heap +{page.heap() - heap:.0f} MB (< 70)"
            run("vanilla", "countdown", "tabular", rounds=4, problems=SMALL, seed=1, folder=home / "runs" / "next")
            (home / "runs" / "small").rename(home / "runs" / "past")
            (home / "runs" / "next").rename(home / "runs" / "small")
    page.page.context.close()


def _launching(browser: Any, url: str, home: Path) -> Iterator[str]:
    page = Page(browser, url, home, "launch.ipynb", [WATCH, "from siwork_widgets import Lab\nlab = Lab()\nlab"])
    page.run()
    page.page.locator(".sw-launcher").wait_for()
    live = launch("vanilla", "countdown", "tiny", rounds=30, problems=SMALL, seed=2, folder=home / "runs" / "live")
    ask(page.page, "import siwork; lab.add(siwork.Run('runs/live'))")
    page.page.wait_for_function(DRAWN, arg="overview")
    page.page.locator(".sw-overview .sw-plot").first.scroll_into_view_if_needed()  # out of sight it is not drawn anew
    ask(page.page, "worst[0] = 0.0")
    late = [_behind(page, live) for _ in range(8)]
    yield f"a finished round is on screen after {median(late):.2f} s, median of 8, largest {max(late):.2f} s   (target 1 s)"
    yield f"  longest wait of the kernel's own loop meanwhile: {_worst(page):.0f} ms   (target 300 ms)"
    live.request_stop()
    button = page.page.locator("button.sw-stop")
    button.scroll_into_view_if_needed()
    page.page.evaluate(CLICKED, ["button.sw-stop", ".sw-launcher .sw-said pre:not(:empty)"])
    button.click()
    yield f"click to first feedback {page.page.evaluate('answered'):.0f} ms   (target 200 ms)"
    page.page.context.close()


def _behind(page: Page, live: Run) -> float:
    """Seconds from the next DONE to its point on screen."""
    done = live.rounds_done
    while live.rounds_done == done:
        time.sleep(0.01)
    began = time.perf_counter()
    page.page.wait_for_function(GROWN, arg=done + 1, polling=20)
    return time.perf_counter() - began


def _worst(page: Page) -> float:
    """Milliseconds that the kernel's loop was kept waiting, at most."""
    return 1000 * float(ask(page.page, "print(worst[0])"))


def _simulator(browser: Any, url: str, home: Path) -> Iterator[str]:
    cell = "from siwork_widgets import Simulator\nsim = Simulator('vanilla')\nsim"
    page = Page(browser, url, home, "simulator.ipynb", [cell])
    page.run()
    page.page.wait_for_function("() => document.querySelectorAll('.sw-simulator .sw-plot[data-drawn]').length >= 3")
    ask(page.page, "sim.seeds.value = 1\nsim.knobs['problems'].value = 1000\nsim.knobs['rounds'].value = 20")
    page.page.wait_for_timeout(2000)
    handle = page.page.locator(".sw-knob-fp .noUi-handle").first
    handle.focus()
    seconds = []
    for _ in range(25):
        page.page.evaluate(MOVED)
        handle.press("ArrowRight")
        seconds.append(page.page.evaluate("pictured"))
        page.page.wait_for_timeout(300)
    picture = f"{median(seconds):.0f} ms, median of 25, largest {max(seconds):.0f} ms"
    yield f"Simulator, 1 000 problems × 20 rounds: slider to picture {picture}   (target 150 ms)"
    page.page.context.close()


def _large(browser: Any, url: str, home: Path) -> Iterator[str]:
    run("vanilla", "countdown", "tabular", rounds=20, problems=LARGE, seed=0, folder=home / "runs" / "large")
    page = Page(
        browser, url, home, "large.ipynb", [WATCH, "from siwork_widgets import Lab\nlab = Lab('runs/large')\nlab"]
    )
    began = time.perf_counter()
    page.run()
    page.turn("Overview")
    rows = len(Run(home / "runs" / "large").rows(columns=["problem"]))
    yield f"Lab of {rows:,} rows: Overview after {time.perf_counter() - began:.1f} s"
    ask(page.page, "lab.source.wait(120)")
    page.page.wait_for_timeout(2000)
    ask(page.page, "worst[0] = 0.0")
    seconds = [page.turning(tab) for tab in (*TABS[1:], *TABS)]
    page.page.locator(".sw-tabs").first.get_by_role("tab", name="Samples", exact=True).first.click()
    began = time.perf_counter()
    page.page.locator(".sw-samples tbody tr").first.wait_for()
    seconds.append(time.perf_counter() - began)
    memory = float(ask(page.page, "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"))
    yield f"  switching tabs: {', '.join(f'{s:.2f}' for s in seconds)} s"
    yield f"  switching tabs: median {median(seconds):.2f} s, largest {max(seconds):.2f} s   (target 1 s)"
    yield f"  kernel memory at most {memory:.0f} MB   (target 1 000 MB)"
    yield f"  longest wait of the kernel's own loop: {_worst(page):.0f} ms   (target 300 ms)"
    page.page.context.close()
