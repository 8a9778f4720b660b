import assert from "node:assert/strict";
import test from "node:test";
import { gzipSync } from "node:zlib";
import { load, model, open } from "./page.mjs";

const figure = await load("figure.js");
const PLOTLY = Symbol.for("siwork.plotly");
const SPEC = {
  data: [
    { x: [0, 1, 2], y: [1, null, 3], customdata: [{ round: 0 }, { round: 1 }, { round: 2 }], xaxis: "x2", yaxis: "y2" },
    { x: [0, 1, 2], y: [1, 2, 3], customdata: [{ n: 0 }, { n: 1 }, { n: 2 }] },
    { y: [4, 5] },
    { y: [1], customdata: [{ hidden: true }], visible: "legendonly" },
    { z: [[1, 2]], customdata: [[{ cell: 0 }, { cell: 1 }]] },
  ],
  layout: { height: 300, font: { size: 12 } },
};
const view = (array) => new DataView(array.buffer, array.byteOffset, array.byteLength);
const turn = () => new Promise((done) => setTimeout(done, 5));

function fake() {
  const calls = { react: [], hover: [], purged: 0, unhovered: 0 };
  const Plotly = {
    async react(plot, data, layout, config) {
      calls.react.push({ data, layout, config });
      plot.data = data;
      plot.on = (name, listener) => plot.addEventListener(name, ({ points }) => listener({ points }));
    },
    purge: () => (calls.purged += 1),
    Fx: { hover: (...given) => calls.hover.push(given.slice(1)), unhover: () => (calls.unhovered += 1) },
  };
  return { Plotly, calls };
}

async function show(shown = { spec: SPEC, label: "two curves", note: "look" }, more = {}) {
  const page = open();
  const { Plotly, calls } = fake();
  globalThis[PLOTLY] = Promise.resolve(Plotly);
  const [el, state] = [page.make("div"), model({ shown, hint: "Arrow keys walk.", ...more })];
  const clean = figure.render({ model: state, el });
  await page.frame();
  await turn();
  return { page, el, state, calls, clean, Plotly, plot: el.querySelector(".sw-plot") };
}

test("it draws once, in the page's ink, as wide as its place, and with no button that sends", async () => {
  const { calls, plot } = await show();
  assert.equal(calls.react.length, 1);
  const [{ layout, config }] = calls.react;
  assert.deepEqual([layout.width, layout.height, layout.font], [600, 300, { size: 12, color: "rgb(1, 2, 3)" }]);
  assert.equal(config.displaylogo, false);
  assert.equal(config.typesetMath, false);
  assert.equal(JSON.stringify(config).includes("Cloud"), false);
  assert.equal(plot.dataset.drawn, 1);
});

test("label, note and reason are text, and the keys are told", async () => {
  const { el, plot, state } = await show();
  assert.equal(plot.getAttribute("aria-label"), "two curves Arrow keys walk.");
  assert.equal(plot.getAttribute("role"), "application");
  assert.equal(el.querySelector(".sw-note").textContent, "look");
  state.set({ shown: { why: "<b>unknown</b>: no truth" } });
  assert.equal(el.querySelector(".sw-why").textContent, "<b>unknown</b>: no truth");
  assert.equal(plot.hidden, true);
  assert.equal((await show(undefined, { hint: "" })).plot.getAttribute("role"), "img");
});

test("bytes become typed arrays, from the wire and from a file, at any offset, and rows of them", async () => {
  const numbers = new Float64Array([1, NaN, Infinity, 4]);
  const odd = new Uint8Array(33);
  odd.set(new Uint8Array(numbers.buffer), 1);
  const data = [{
    x: { dtype: "f8", shape: [4], bytes: new DataView(odd.buffer, 1, 32) },
    y: { dtype: "f8", shape: [4], bytes: Buffer.from(numbers.buffer).toString("base64") },
    z: { dtype: "i2", shape: [2, 3], bytes: view(new Int16Array([1, 2, 3, 4, 5, 6])) },
    none: { dtype: "u1", shape: [0], bytes: "" },
    text: ["a", null],
  }];
  const { calls } = await show({ spec: { data, layout: {} } });
  const [drawn] = calls.react[0].data;
  assert.deepEqual(drawn.x, numbers);
  assert.deepEqual(drawn.y, numbers);
  assert.deepEqual(drawn.z, [new Int16Array([1, 2, 3]), new Int16Array([4, 5, 6])]);
  assert.deepEqual(drawn.none, new Uint8Array(0));
  assert.deepEqual(drawn.text, ["a", null]);
});

test("many pushes are drawn as one: the newest", async () => {
  const { page, state, calls } = await show();
  for (let i = 1; i <= 20; i++) state.set({ shown: { spec: { data: [{ y: [i] }], layout: {} }, label: "" } });
  await page.frame();
  await turn();
  assert.equal(calls.react.length, 2);
  assert.deepEqual(calls.react[1].data, [{ y: [20] }]);
});

test("a push while it draws is drawn after it, never beside it", async () => {
  const { page, state, calls, Plotly } = await show();
  let done;
  Plotly.react = () => new Promise((go) => ((done = go), calls.react.push({})));
  const push = (i) => state.set({ shown: { spec: { data: [{ y: [i] }], layout: {} } } });
  push(1);
  await page.frame();
  await turn();
  push(2);
  await page.frame();
  await turn();
  assert.equal(calls.react.length, 2);
  done();
  await turn();
  await page.frame();
  await turn();
  assert.equal(calls.react.length, 3);
  done();
});

test("what is hidden is drawn when it is shown, and what changes its width is drawn anew", async () => {
  const { page, el, state, calls } = await show();
  el.clientWidth = 0;
  state.set({ shown: { spec: SPEC, label: "later" } });
  await page.frame();
  assert.equal(calls.react.length, 1);
  el.clientWidth = 480;
  page.sizes.forEach((told) => told());
  await page.frame();
  await turn();
  assert.equal(calls.react[1].layout.width, 480);
  page.sizes.forEach((told) => told());
  assert.equal(page.frames.size, 0); // the same width: nothing to do
});

test("out of sight it is not drawn anew until it comes into sight", async () => {
  const { page, state, calls } = await show();
  const look = (isIntersecting) => page.sights.forEach((told) => told([{ isIntersecting }]));
  look(false);
  state.set({ shown: { spec: { ...SPEC, layout: { height: 200 } }, label: "" } });
  await page.frame();
  await turn();
  assert.equal(calls.react.length, 1);
  look(true);
  await page.frame();
  await turn();
  assert.equal(calls.react.length, 2);
  assert.equal(calls.react[1].layout.height, 200);
});

test("another theme means another ink", async () => {
  const { page, calls } = await show();
  for (const told of [...page.changes, ...page.media]) {
    page.ink = `rgb(${calls.react.length}, 0, 0)`;
    told();
    await page.frame();
    await turn();
  }
  assert.deepEqual(calls.react.slice(1).map(({ layout }) => layout.font.color), ["rgb(1, 0, 0)", "rgb(2, 0, 0)"]);
});

test("a click sends what is behind the point, once, however often it was drawn", async () => {
  const { page, state, plot } = await show();
  state.set({ shown: { spec: SPEC, label: "again" } });
  await page.frame();
  await turn();
  plot.fire("plotly_click", { points: [{ curveNumber: 2, pointNumber: 0 }, { curveNumber: 1, pointNumber: 2, customdata: { n: 2 } }] });
  plot.fire("plotly_click", { points: [{ curveNumber: 2, pointNumber: 0 }] });
  assert.deepEqual(state.sent, [{ open: { n: 2 }, trace: 1, index: 2, said: "" }]);
});

test("arrow keys reach every point that has rows behind it, Enter opens it", async () => {
  const { plot, calls, state, page } = await show();
  const press = (key) => plot.fire("keydown", { key });
  const last = () => [calls.hover.at(-1)[0][0].curveNumber, calls.hover.at(-1)[0][0].pointNumber, calls.hover.at(-1)[1]];
  press("Enter"); // no point is reached yet
  const walked = [
    ["ArrowRight", [0, 0, "x2y2"]], ["ArrowLeft", [0, 0, "x2y2"]], ["ArrowRight", [0, 2, "x2y2"]], // y is null at 1
    ["ArrowDown", [1, 1, "xy"]], ["ArrowDown", [4, [0, 1], "xy"]], ["ArrowDown", [4, [0, 1], "xy"]],
    ["Home", [0, 0, "x2y2"]], ["ArrowUp", [0, 0, "x2y2"]], ["End", [4, [0, 1], "xy"]],
  ];
  for (const [key, found] of walked) {
    assert.equal(press(key), true);
    assert.deepEqual(last(), found, key);
  }
  const label = page.make("g", "hovertext", plot);
  for (const words of ["star · round 2", "0.55"]) page.make("tspan", "line", label).textContent = words;
  press("Enter");
  await new Promise((done) => setTimeout(done, 120));
  assert.deepEqual(state.sent, [{ open: { cell: 1 }, trace: 4, index: [0, 1], said: "star · round 2, 0.55" }]);
  assert.equal(plot.parentNode.querySelector(".sw-live").textContent, "star · round 2, 0.55");
  assert.equal(press("a"), false);
});

test("a figure without points is not walked through", async () => {
  const { plot, calls } = await show({ spec: { data: [{ y: [1] }], layout: {} }, label: "" });
  for (const key of ["ArrowRight", "ArrowDown", "End", "Enter"]) plot.fire("keydown", { key });
  assert.deepEqual(calls.hover, []);
});

test("what cannot be drawn is said, and the next picture is tried", async () => {
  const { page, el, state, Plotly } = await show();
  const react = Plotly.react;
  Plotly.react = async () => { throw new Error("<b>bad</b>"); };
  state.set({ shown: { spec: SPEC, label: "" } });
  await page.frame();
  await turn();
  assert.equal(el.querySelector(".sw-why").textContent, "This figure cannot be drawn here: <b>bad</b>");
  Plotly.react = react;
  state.set({ shown: { spec: SPEC, label: "" } });
  await page.frame();
  await turn();
  assert.equal(el.querySelector(".sw-why").textContent, "");
});

test("after the view is gone nothing is observed, heard or kept", async () => {
  const { page, state, calls, clean } = await show();
  state.set({ shown: { spec: SPEC, label: "" } });
  clean();
  await page.frame();
  await turn();
  assert.equal(calls.react.length, 1);
  assert.equal(calls.purged, 1);
  assert.deepEqual([page.sizes.size, page.changes.size, page.media.size, page.frames.size, state.heard.length], [0, 0, 0, 0, 0]);
});

test("the library is unpacked and run once a page, and its names stay inside", async () => {
  const source = `globalThis.runs = (globalThis.runs ?? 0) + 1;
    if (typeof define !== "undefined") throw new Error("AMD is not shadowed");
    module.exports = { react: async (plot) => { plot.on = () => {}; }, purge() {}, Fx: {} }; globalThis.Plotly = module.exports;`;
  const box = { get: () => view(new Uint8Array(gzipSync(source))) };
  delete globalThis[PLOTLY];
  globalThis.Plotly = "the page's own";
  globalThis.define = () => {};
  const page = open();
  const all = Array.from({ length: 8 }, () => {
    const el = page.make("div");
    const state = model({ shown: { spec: SPEC, label: "" }, hint: "", plotlyjs: "IPY_MODEL_abc" }, { abc: box });
    figure.render({ model: state, el });
    return el.querySelector(".sw-plot");
  });
  for (let i = 0; i < 50 && all.some((plot) => !plot.dataset.drawn); i++) await Promise.all([page.frame(), turn()]);
  assert.deepEqual(all.map((plot) => plot.dataset.drawn), Array(8).fill(1));
  assert.equal(globalThis.runs, 1);
  assert.equal(globalThis.Plotly, "the page's own");
  delete globalThis.define;
});

test("figures are drawn one a frame, in the order asked for", async () => {
  const page = open();
  const { Plotly, calls } = fake();
  globalThis[PLOTLY] = Promise.resolve(Plotly);
  const heights = [100, 200, 300];
  for (const height of heights) {
    figure.render({ model: model({ shown: { spec: { ...SPEC, layout: { height } } }, hint: "" }), el: page.make("div") });
  }
  for (let i = 1; i <= 3; i++) {
    await page.frame();
    await turn();
    assert.deepEqual(calls.react.map(({ layout }) => layout.height), heights.slice(0, i));
  }
});

test("a library that cannot be had is said, and asked for again", async () => {
  delete globalThis[PLOTLY];
  const page = open();
  const el = page.make("div");
  const state = model({ shown: { spec: SPEC, label: "" }, hint: "", plotlyjs: "IPY_MODEL_gone" });
  figure.render({ model: state, el });
  await page.frame();
  await turn();
  assert.match(el.querySelector(".sw-why").textContent, /^This figure cannot be drawn here: /);
  assert.equal(globalThis[PLOTLY], undefined);
});
