"""A real JupyterLab or Voila of its own and a real Chromium, for the tests of the panels and their timings."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
QUIET = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
NOTIFICATIONS = "settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
PLACES = {"HOME": "", "JUPYTER_CONFIG_DIR": "c", "JUPYTER_DATA_DIR": "d", "JUPYTER_RUNTIME_DIR": "r", "IPYTHONDIR": "i"}
PLACES |= {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "w"}
TEMPLATE = "d/voila/templates/offline"  # Voila's own template loads an icon font from a server
OFFLINE = """{%- extends 'voila/templates/lab/index.html.j2' -%}
{%- block notebook_css -%}{{ resources.include_js("static/voila-style.js") }}{{ super.super() }}{%- endblock -%}"""
READY = """async () => { const nap = () => new Promise(r => setTimeout(r, 20)); let w;
  while (!window.jupyterapp) await nap();
  await jupyterapp.restored;
  while (!(w = jupyterapp.shell.currentWidget)?.sessionContext) await nap();
  await w.context.ready; await w.sessionContext.ready;
  while (!w.sessionContext.session?.kernel) await nap();
  await w.sessionContext.session.kernel.info; }"""
RUN = """async () => { await jupyterapp.commands.execute('notebook:run-all-cells');
  return jupyterapp.shell.currentWidget.content.widgets.flatMap(c => c.model.outputs?.toJSON() ?? [])
    .filter(o => o.output_type === 'error').map(o => o.ename + ': ' + o.evalue); }"""
SAVE = "async () => { await jupyterapp.commands.execute('docmanager:save'); }"
RESTART = """async () => { const k = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  await k.restart(); await k.info; }"""
SHUTDOWN = "() => jupyterapp.shell.currentWidget.sessionContext.shutdown()"
LIMIT = """([js, s]) => Promise.race([eval('(' + js + ')')(), new Promise((_, no) => setTimeout(() => no(new Error(
  'timed out; open dialogs: ' + [...document.querySelectorAll('.jp-Dialog')].map(d => d.innerText))), 1000 * s))])"""
ASK = """code => new Promise(done => { const k = jupyterapp.shell.currentWidget.sessionContext.session.kernel; let said = '';
  const f = k.requestExecute({code, store_history: false});
  f.onIOPub = m => { if (m.header.msg_type === 'stream') said += m.content.text;
    if (m.header.msg_type === 'error') said += m.content.ename + ': ' + m.content.evalue; };
  f.done.then(() => done(said)); })"""


def evaluate(page: Any, script: str, seconds: float = 60) -> Any:
    """Run an async function in the page, with a limit, which Playwright itself does not set."""
    return page.evaluate(LIMIT, [script, seconds])


def ask(page: Any, code: str) -> str:
    """Run code in the notebook's kernel beside its cells; what it prints."""
    return page.evaluate(ASK, code)


def write_notebook(path: Path, cells: Sequence[str]) -> None:
    """A notebook of code cells for this Python."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play, play.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS) as browser:
        yield browser


@contextmanager
def jupyterlab(home: Path) -> Iterator[str]:
    """A server with settings of its own below `home`, its root; the address of a notebook, with a place for its name."""
    token, port = secrets.token_hex(16), _free_port()
    more = ["--ServerApp.port_retries=0", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={home}"]
    more += ["--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly", "--LabApp.news_url=None"]
    _write_settings(home)
    command = ["-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", *more]
    with _serving(home, [*command, f"--ServerApp.port={port}"], f"http://127.0.0.1:{port}/api/status?token={token}"):
        yield f"http://127.0.0.1:{port}/lab/tree/%s?token={token}&reset"


@contextmanager
def voila(home: Path, notebook: Path) -> Iterator[str]:
    """A Voila that serves one notebook and asks no other server for anything; its address."""
    port = _free_port()
    _write_settings(home)
    (home / TEMPLATE).mkdir(parents=True)
    (home / TEMPLATE / "conf.json").write_text(json.dumps({"base_template": "lab"}))
    (home / TEMPLATE / "index.html.j2").write_text(OFFLINE)
    command = ["-m", "voila", str(notebook), "--no-browser", "--Voila.ip=127.0.0.1", f"--port={port}"]
    command.append("--template=offline")
    with _serving(home, command, f"http://127.0.0.1:{port}/voila/static/voila.js", seconds=90, any_answer=True):
        yield f"http://127.0.0.1:{port}/"


def _write_settings(home: Path) -> None:
    file = home / NOTIFICATIONS
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(QUIET))


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextmanager
def _serving(
    home: Path, command: Sequence[str], status: str, *, seconds: float = 60, any_answer: bool = False
) -> Iterator[None]:
    log = home / "server.log"
    env = os.environ | {key: str(home / place) for key, place in PLACES.items()}
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, *command], env=env, stdout=out, stderr=subprocess.STDOUT, cwd=home, start_new_session=True
        )
    try:
        _wait(server, status, log, seconds, any_answer)
        yield
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _wait(server: subprocess.Popen[bytes], status: str, log: Path, seconds: float, any_answer: bool) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(status, timeout=2).close()
            return
        except urllib.error.HTTPError:
            if any_answer:
                return
        except OSError:
            pass
        if server.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the server did not come up: {log.read_text()[-2000:]}")
        time.sleep(0.1)
