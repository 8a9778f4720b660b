// Draws one plotly figure. plotly.js itself arrives once, packed, in a model that all figures share.
const PLOTLY = Symbol.for("siwork.plotly");
const TYPES = {
  f8: Float64Array, f4: Float32Array, i4: Int32Array, i2: Int16Array, i1: Int8Array,
  u4: Uint32Array, u2: Uint16Array, u1: Uint8Array,
};
const CONFIG = {
  displaylogo: false, typesetMath: false, toImageButtonOptions: { format: "svg" },
  modeBarButtons: [["toImage", "zoomIn2d", "zoomOut2d", "resetScale2d"]], // none that sends data away
};
const HIDDEN = "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap";
const STEPS = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };

async function unbox(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const [source, before, module] = [await new Response(stream).text(), globalThis.Plotly, { exports: {} }];
  new Function("module", "exports", "define", source)(module, module.exports, undefined);
  if (before) globalThis.Plotly = before; // the page's own, of another version perhaps
  return module.exports;
}

function plotly(model) {
  const name = model.get("library")?.slice("IPY_MODEL_".length);
  globalThis[PLOTLY] ??= model.widget_manager.get_model(name).then((box) => unbox(box.get("source")));
  return globalThis[PLOTLY].catch((error) => {
    delete globalThis[PLOTLY]; // the next figure tries again
    throw error;
  });
}

function array({ dtype, shape, bytes }) {
  const flat = new TYPES[dtype](bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  const rows = (part, [count, ...inner]) => {
    if (!inner.length) return part;
    const size = part.length / count;
    return Array.from({ length: count }, (_, i) => rows(part.subarray(i * size, (i + 1) * size), inner));
  };
  return rows(flat, shape);
}

// a fresh copy, for plotly writes into what it is given
function unpack(value) {
  if (Array.isArray(value)) return value.map(unpack);
  if (value === null || typeof value !== "object") return value;
  if (value.bytes) return array(value);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unpack(inner)]));
}

function render({ model, el }) {
  const add = (name, className) => el.appendChild(Object.assign(document.createElement(name), { className }));
  el.classList.add("sw-figure");
  const plot = add("div", "sw-plot");
  const [live, why, note] = [add("p", "sw-live"), add("p", "sw-why"), add("p", "sw-note")];
  plot.tabIndex = 0;
  plot.setAttribute("data-lm-suppress-shortcuts", ""); // JupyterLab's command keys stay away
  live.setAttribute("aria-live", "polite");
  live.style.cssText = HIDDEN;
  let Plotly, frame = 0, timer = 0, at = -1, width = 0;
  let stale = true, busy = false, gone = false;

  const open = (point, trace, index) => model.send({ open: point, trace, index, said: words() });
  const words = () =>
    [...plot.querySelectorAll(".hoverlayer .hovertext")]
      .map((label) => [...label.querySelectorAll("tspan.line")].map((line) => line.textContent).join(", ") || label.textContent)
      .join("; ");

  async function draw({ spec }) {
    Plotly ??= await plotly(model);
    if (gone) return;
    const { data, layout } = unpack(spec);
    const font = { ...layout.font, color: getComputedStyle(el).color };
    await Plotly.react(plot, data, { ...layout, width, height: layout.height ?? 320, font }, CONFIG);
    if (!gone && !plot.dataset.drawn) {
      plot.on("plotly_click", ({ points }) => {
        const hit = points.find((point) => point.customdata);
        if (hit) open(hit.customdata, hit.curveNumber, hit.pointNumber);
      });
    }
    plot.dataset.drawn = Number(plot.dataset.drawn ?? 0) + 1;
  }

  async function paint() {
    frame = 0;
    const shown = model.get("shown");
    width = el.clientWidth;
    if (busy || gone || !stale || !width || !shown.spec) return;
    [busy, stale] = [true, false];
    await draw(shown).catch((error) => (why.textContent = `This figure cannot be drawn here: ${error.message}`));
    busy = false;
    if (stale) schedule();
  }

  function schedule() {
    stale = true;
    frame ||= requestAnimationFrame(paint);
  }

  function update() {
    const shown = model.get("shown");
    plot.hidden = !shown.spec;
    plot.setAttribute("role", model.get("keys") ? "application" : "img"); // an image gets no arrow keys
    plot.setAttribute("aria-label", [shown.label, model.get("keys")].filter(Boolean).join(" "));
    plot.style.minHeight = shown.spec ? `${shown.spec.layout.height ?? 320}px` : "";
    why.textContent = shown.why ?? "";
    note.textContent = shown.note ?? "";
    if (shown.spec) return schedule();
    Plotly?.purge(plot);
    delete plot.dataset.drawn;
  }

  const visible = ({ visible }) => visible !== false && visible !== "legendonly";
  const spots = () =>
    (plot.data ?? []).flatMap((trace, curveNumber) =>
      !visible(trace) || !trace.customdata ? [] : [...trace.customdata].flatMap((point, row) =>
        Array.isArray(point)
          ? point.flatMap((inner, column) => (inner ? [{ trace, curveNumber, pointNumber: [row, column], point: inner }] : []))
          : point ? [{ trace, curveNumber, pointNumber: row, point }] : []));

  function walk(event) {
    const all = spots();
    const here = all[at];
    if (["Enter", " "].includes(event.key) && here) open(here.point, here.curveNumber, here.pointNumber);
    else if (event.key in STEPS) at = Math.min(Math.max(at + STEPS[event.key], 0), all.length - 1);
    else if (["ArrowUp", "ArrowDown"].includes(event.key)) at = beside(all, here, event.key === "ArrowDown" ? 1 : -1);
    else return;
    event.preventDefault();
    if (!all[at] || !Plotly) return;
    const { trace, curveNumber, pointNumber } = all[at];
    Plotly.Fx.hover(plot, [{ curveNumber, pointNumber }], (trace.xaxis ?? "x") + (trace.yaxis ?? "y"));
    clearTimeout(timer);
    timer = setTimeout(() => (live.textContent = words()), 100); // plotly draws the label within 50 ms
  }

  // the same place in the next trace, or in the one before
  function beside(all, here, step) {
    const curves = [...new Set(all.map((one) => one.curveNumber))];
    const next = curves[curves.indexOf(here?.curveNumber) + step] ?? here?.curveNumber ?? curves[0];
    const [mine, theirs] = [here?.curveNumber, next].map((curve) => all.filter((one) => one.curveNumber === curve));
    return all.indexOf(theirs[Math.min(Math.max(mine.indexOf(here), 0), theirs.length - 1)]);
  }

  const size = new ResizeObserver(() => (stale || el.clientWidth !== width) && schedule());
  const theme = new MutationObserver(schedule);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  size.observe(el);
  theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
  dark.addEventListener("change", schedule);
  plot.addEventListener("keydown", walk);
  plot.addEventListener("blur", () => Plotly?.Fx.unhover(plot));
  model.on("change:shown", update);
  update();
  return () => {
    gone = true;
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    size.disconnect();
    theme.disconnect();
    dark.removeEventListener("change", schedule);
    model.off("change:shown", update);
    Plotly?.purge(plot);
  };
}

export default { render };
