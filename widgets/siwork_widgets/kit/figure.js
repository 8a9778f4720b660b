// Draws one plotly figure. plotly.js itself arrives once, packed, in a model that all figures share.
const PLOTLY = Symbol.for("siwork.plotly");
const QUEUE = Symbol.for("siwork.queue");
const NAMES = { f: "Float", i: "Int", u: "Uint" };
const CONFIG = {
  displaylogo: false, typesetMath: false, toImageButtonOptions: { format: "svg" },
  modeBarButtons: [["toImage", "zoomIn2d", "zoomOut2d", "resetScale2d"]], // none that sends data away
};
const UNSEEN = "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap";
const STEPS = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };
const PATIENCE = 5000; // ms; a figure that takes longer must not keep the others from being drawn
const LABEL = 100; // ms; plotly draws a point's label within 50
const TURNS = { ArrowDown: 1, ArrowUp: -1 };

async function unbox(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const [source, before, module] = [await new Response(stream).text(), globalThis.Plotly, { exports: {} }];
  new Function("module", "exports", "define", source)(module, module.exports, undefined);
  if (before) globalThis.Plotly = before; // the page's own, of another version perhaps
  return module.exports;
}

function plotly(model) {
  const name = model.get("plotlyjs")?.slice("IPY_MODEL_".length);
  return loaded(() => model.widget_manager.get_model(name));
}

function loaded(box) {
  globalThis[PLOTLY] ??= box().then((model) => unbox(model.get("source")));
  return globalThis[PLOTLY].catch((error) => {
    delete globalThis[PLOTLY]; // the next figure tries again
    throw error;
  });
}

// one figure a frame, in the order asked for: the page shows each and answers in between
async function queue(paint) {
  const waiting = (globalThis[QUEUE] ??= []);
  if (waiting.push(paint) > 1) return;
  while (waiting.length) {
    let timer;
    await Promise.race([waiting[0](), new Promise((done) => (timer = setTimeout(done, PATIENCE)))]);
    clearTimeout(timer);
    waiting.shift();
    if (waiting.length) await new Promise(requestAnimationFrame);
  }
}

function array({ dtype, shape, bytes }) {
  const raw = typeof bytes === "string" ? Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0)) : bytes;
  const Type = globalThis[`${NAMES[dtype[0]]}${8 * dtype[1]}Array`];
  const flat = new Type(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.byteLength));
  if (shape.length < 2) return flat;
  const width = flat.length / shape[0];
  return Array.from({ length: shape[0] }, (_, i) => flat.subarray(i * width, (i + 1) * width));
}

// a fresh copy, for plotly writes into what it is given
function unpack(value) {
  if (Array.isArray(value)) return value.map(unpack);
  if (value === null || typeof value !== "object") return value;
  if ("bytes" in value) return array(value);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unpack(inner)]));
}

// the points that the keyboard reaches: those that can be seen and say which rows are behind them
function spots(data = []) {
  const known = (values, i) => values?.[i] !== null && !Number.isNaN(values?.[i]);
  const of = (trace, curve) => {
    const shown = trace.visible !== false && trace.visible !== "legendonly" && trace.customdata;
    const each = (shown || []).flatMap((row, i) =>
      Array.isArray(row) ? row.map((point, j) => ({ point, index: [i, j] })) : { point: row, index: i });
    const there = each.filter(({ point, index }) => point && known(trace.x, index) && known(trace.y, index));
    return there.map((one) => ({ ...one, curve, subplot: (trace.xaxis ?? "x") + (trace.yaxis ?? "y") }));
  };
  return data.flatMap(of);
}

function render({ model, el }) {
  const add = (name, className) => el.appendChild(Object.assign(document.createElement(name), { className }));
  const [plot, live] = [add("div", "sw-plot"), add("p", "sw-live")];
  const [why, note] = [add("p", "sw-why"), add("p", "sw-note")];
  let Plotly, frame = 0, timer = 0, at = -1, width = 0;
  let stale = true, queued = false, gone = false, near = true;
  el.classList.add("sw-figure");
  plot.tabIndex = 0;
  plot.setAttribute("data-lm-suppress-shortcuts", ""); // JupyterLab's command keys stay away
  live.setAttribute("aria-live", "polite");
  live.style.cssText = UNSEEN;

  const open = (point, trace, index) => model.send({ open: point, trace, index, said: words() });
  const line = (label) => [...label.querySelectorAll("tspan.line")].map((part) => part.textContent).join(", ");
  const words = () =>
    [...plot.querySelectorAll(".hovertext")].map((label) => line(label) || label.textContent).join("; ");

  async function draw({ spec }) {
    const { data, layout } = unpack(spec);
    const font = { ...layout.font, color: getComputedStyle(el).color };
    await Plotly.react(plot, data, { ...layout, width, height: layout.height ?? 320, font }, CONFIG);
    if (!plot.dataset.drawn) {
      plot.on("plotly_click", ({ points }) => {
        const hit = points.find((point) => point.customdata);
        if (hit) open(hit.customdata, hit.curveNumber, hit.pointNumber);
      });
    }
    plot.dataset.drawn = Number(plot.dataset.drawn ?? 0) + 1;
  }

  async function paint() {
    const shown = model.get("shown");
    queued = false;
    if (gone || !shown.spec) return;
    [stale, why.textContent] = [false, ""];
    await draw(shown).catch(fail);
  }

  async function look() {
    frame = 0;
    width = el.clientWidth; // 0 in a hidden tab: drawn when it is shown
    if (queued || gone || !stale || !width || !model.get("shown").spec) return;
    if (!near && plot.dataset.drawn) return; // drawn anew once it comes into sight
    queued = true;
    try {
      Plotly ??= await plotly(model);
      queue(paint);
    } catch (error) {
      queued = false;
      fail(error);
    }
  }

  function fail(error) {
    why.textContent = `This figure cannot be drawn here: ${error.message}`;
  }

  function schedule() {
    stale = true;
    frame ||= requestAnimationFrame(look);
  }

  function update() {
    const shown = model.get("shown");
    plot.hidden = !shown.spec;
    plot.setAttribute("role", model.get("hint") ? "application" : "img"); // an image gets no arrow keys
    plot.setAttribute("aria-label", [shown.label, model.get("hint")].filter(Boolean).join(" "));
    plot.style.minHeight = shown.spec ? `${shown.spec.layout.height ?? 320}px` : "";
    why.textContent = shown.why ?? "";
    note.textContent = shown.note ?? "";
    schedule();
  }

  // the same place in the next trace, or in the one before
  function beside(all, here, step) {
    const curves = [...new Set(all.map((one) => one.curve))];
    const next = curves[curves.indexOf(here?.curve) + step] ?? here?.curve ?? curves[0];
    const [mine, theirs] = [here?.curve, next].map((curve) => all.filter((one) => one.curve === curve));
    return all.indexOf(theirs[Math.min(Math.max(mine.indexOf(here), 0), theirs.length - 1)]);
  }

  function walk(event) {
    const all = spots(plot.data);
    const here = all[at];
    if (here && (event.key === "Enter" || event.key === " ")) setTimeout(open, LABEL, here.point, here.curve, here.index);
    else if (event.key in STEPS) at = Math.min(Math.max(at + STEPS[event.key], 0), all.length - 1);
    else if (event.key in TURNS) at = beside(all, here, TURNS[event.key]);
    else return;
    event.preventDefault();
    if (!all[at]) return;
    Plotly.Fx.hover(plot, [{ curveNumber: all[at].curve, pointNumber: all[at].index }], all[at].subplot);
    clearTimeout(timer);
    timer = setTimeout(() => (live.textContent = words()), LABEL);
  }

  const size = new ResizeObserver(() => (stale || el.clientWidth !== width) && schedule());
  const sight = new IntersectionObserver(([entry]) => (near = entry.isIntersecting) && stale && schedule(), { rootMargin: "200px" });
  const theme = new MutationObserver(schedule);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  size.observe(el);
  sight.observe(el);
  theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
  dark.addEventListener("change", schedule);
  plot.addEventListener("keydown", walk);
  plot.addEventListener("blur", () => plot.dataset.drawn && Plotly.Fx.unhover(plot));
  model.on("change:shown", update);
  update();
  return () => {
    gone = true;
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    size.disconnect();
    sight.disconnect();
    theme.disconnect();
    dark.removeEventListener("change", schedule);
    model.off("change:shown", update);
    Plotly?.purge(plot);
  };
}

// of the model that holds plotly.js: unpacked as soon as it arrives, while the kernel still measures
function initialize({ model }) {
  if (model.get("source")) loaded(async () => model).catch(() => {}); // a figure says what is wrong
}

export default { initialize, render };
