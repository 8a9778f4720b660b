import assert from "node:assert/strict";
import test, { mock } from "node:test";
import { load, model, open } from "./page.mjs";

const clock = await load("clock.js");

function start(state = {}) {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setInterval", "Date"] });
  const page = open();
  const root = page.make("div", "sw-panel");
  const [el, shown] = [page.make("div", "", root), model({ seconds: 0.25, answered: 0, fault: "", label: "the panel", ...state })];
  const clean = clock.render({ model: shown, el });
  return { page, root, el, state: shown, clean, wait: (ms) => mock.timers.tick(ms) };
}

test("a tick waits for the answer to the last one", () => {
  const { state, wait } = start();
  wait(2000);
  assert.equal(state.sent.length, 1);
  state.set({ answered: 1 });
  wait(250);
  wait(250);
  assert.equal(state.sent.length, 2);
});

test("an answer that is lost does not stop it for ever", () => {
  const { state, wait } = start();
  for (let second = 0; second <= 31; second++) wait(1000);
  assert.equal(state.sent.length, 2);
});

test("another pace is taken up at once, and 0 seconds stop it", () => {
  const { state, wait } = start();
  state.set({ seconds: 0 });
  wait(5000);
  assert.equal(state.sent.length, 0);
  state.set({ seconds: 1 });
  wait(999);
  assert.equal(state.sent.length, 0);
  wait(1);
  assert.equal(state.sent.length, 1);
});

test("a fault is said as text, and taken back", () => {
  const { el, state } = start();
  const line = el.querySelector("p");
  assert.equal(line.hidden, true);
  state.set({ fault: "<b>no such run</b>" });
  assert.deepEqual([line.textContent, line.hidden, line.getAttribute("role")], ["<b>no such run</b>", false, "status"]);
  state.set({ fault: "" });
  assert.equal(line.hidden, true);
});

test("whatever has the focus in the panel is out of reach of JupyterLab's keys", () => {
  const { page, root } = start();
  const button = page.make("button", "", root);
  button.fire("focusin");
  assert.equal(button.getAttribute("data-lm-suppress-shortcuts"), "");
});

test("the panel is a region with a name", () => {
  const { root } = start();
  assert.deepEqual([root.getAttribute("role"), root.getAttribute("aria-label")], ["region", "the panel"]);
});

test("slider handles get the name of their slider, also those that come later", () => {
  const { page, root } = start();
  const slider = page.make("div", "jupyter-widgets widget-slider", root);
  page.make("label", "widget-label", slider).textContent = "temperature ";
  const [from, to] = ["noUi-handle noUi-handle-lower", "noUi-handle noUi-handle-upper"].map((name) => page.make("div", name, slider));
  const single = page.make("div", "widget-slider", root);
  page.make("label", "widget-label", single).textContent = "k";
  const only = page.make("div", "noUi-handle noUi-handle-lower", single);
  page.changes.forEach((told) => told());
  assert.deepEqual([from, to, only].map((one) => one.getAttribute("aria-label")), ["temperature, from", "temperature, to", "k"]);
});

test("it waits until it is in the page", async () => {
  mock.timers.reset();
  const page = open();
  const el = page.document.createElement("div");
  clock.render({ model: model({ seconds: 0, answered: 0, fault: "", label: "late" }), el });
  await page.frame();
  const root = page.make("div", "sw-panel");
  root.appendChild(el);
  await page.frame();
  assert.equal(root.getAttribute("aria-label"), "late");
  assert.equal(page.frames.size, 0);
});

test("after the view is gone nothing ticks and nothing listens", () => {
  const { page, root, state, clean, wait } = start();
  clean();
  wait(5000);
  assert.deepEqual([state.sent.length, state.heard.length, page.changes.size], [0, 0, 0]);
  assert.deepEqual(root.heard.get("focusin"), []);
});
