// The page without a kernel: tabs, and the kit's own modules with models that never change.
const SENT = "The completions behind a point can be read in the notebook, with the panel.";
globalThis[Symbol.for("siwork.plotly")] = Promise.resolve(globalThis.Plotly);

function still(state, send) {
  return { get: (key) => state[key], set() {}, save_changes() {}, on() {}, off() {}, send };
}

function fill(place, { kind, state }) {
  const said = document.createElement("p");
  said.className = "sw-note";
  said.setAttribute("role", "status");
  const send = (content) => (said.textContent = [content.said, SENT].filter(Boolean).join(". "));
  kit[kind].render({ model: still(state, send), el: place });
  if (kind === "figure") place.append(said);
}

const widgets = JSON.parse(document.getElementById("sw-widgets").textContent);
for (const place of document.querySelectorAll(".sw-place")) fill(place, widgets[place.dataset.widget]);

const tabs = [...document.querySelectorAll('[role="tab"]')];
function open(chosen) {
  for (const tab of tabs) {
    tab.setAttribute("aria-selected", tab === chosen);
    tab.tabIndex = tab === chosen ? 0 : -1;
    document.getElementById(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
  }
}
for (const [i, tab] of tabs.entries()) {
  tab.addEventListener("click", () => open(tab));
  tab.addEventListener("keydown", ({ key }) => {
    const next = { ArrowRight: i + 1, ArrowLeft: i - 1 + tabs.length, Home: 0, End: tabs.length - 1 }[key];
    if (next === undefined) return;
    open(tabs[next % tabs.length]);
    tabs[next % tabs.length].focus();
  });
}
if (tabs.length) open(tabs[0]);
