// As much of a browser as the kit needs: elements, selectors, events, frames; and a model that answers like a widget's.
import { readFile } from "node:fs/promises";

const WIDGETS = new URL("../../widgets/siwork_widgets/kit/", import.meta.url);

export async function load(name) {
  const source = await readFile(new URL(name, WIDGETS), "utf8");
  return (await import(`data:text/javascript,${encodeURIComponent(source)}`)).default;
}

const matches = (node, selector) =>
  selector.split(",").some((one) => {
    const parts = one.trim().split(/\s+/);
    const [last, above] = [parts.pop(), parts.join(" ")];
    const [plain, not] = last.split(":not");
    const names = plain.match(/[.]?[\w-]+/g) ?? [];
    const fits = names.every((name) =>
      name[0] === "." ? node.classList.contains(name.slice(1)) : node.localName === name);
    const spared = !not || !node.attributes.has(not.slice(2, -2));
    return fits && spared && (!above || Boolean(node.parentNode?.closest?.(above)));
  });

class Element {
  constructor(localName, page) {
    Object.assign(this, { localName, page, childNodes: [], parentNode: null, dataset: {}, style: {} });
    Object.assign(this, { attributes: new Map(), heard: new Map(), own: "", className: "", clientWidth: 600 });
  }
  get classList() {
    const all = () => this.className.split(/\s+/).filter(Boolean);
    return { contains: (name) => all().includes(name), add: (name) => (this.className = [...all(), name].join(" ")) };
  }
  get textContent() {
    return this.own + this.childNodes.map((child) => child.textContent).join("");
  }
  set textContent(text) {
    this.replaceChildren();
    this.own = String(text);
  }
  get rows() {
    return this.childNodes;
  }
  appendChild(node) {
    node.parentNode = this;
    this.childNodes.push(node);
    return node;
  }
  replaceChildren(...nodes) {
    if (this.page.document.activeElement?.closest(`${this.localName}`) === this) this.page.document.activeElement = null;
    [this.own, this.childNodes] = ["", []];
    nodes.forEach((node) => this.appendChild(node));
  }
  setAttribute(name, value) {
    this.attributes.set(name, String(value));
  }
  getAttribute(name) {
    return this.attributes.get(name) ?? null;
  }
  closest(selector) {
    return matches(this, selector) ? this : (this.parentNode?.closest(selector) ?? null);
  }
  querySelectorAll(selector) {
    return this.childNodes.flatMap((child) => [...(matches(child, selector) ? [child] : []), ...child.querySelectorAll(selector)]);
  }
  querySelector(selector) {
    return this.querySelectorAll(selector)[0] ?? null;
  }
  focus() {
    this.page.document.activeElement = this;
  }
  addEventListener(name, listener) {
    this.heard.set(name, [...(this.heard.get(name) ?? []), listener]);
  }
  removeEventListener(name, listener) {
    this.heard.set(name, (this.heard.get(name) ?? []).filter((one) => one !== listener));
  }
  // an event that goes up; gives whether its default was prevented
  fire(name, more = {}) {
    const event = { target: this, prevented: false, preventDefault: () => (event.prevented = true), ...more };
    for (let node = this; node; node = node.parentNode) (node.heard.get(name) ?? []).forEach((one) => one(event));
    this[`on${name}`]?.(event);
    return event.prevented;
  }
}

// a new page; its frames run and its observers are told when the test says so
export function open() {
  delete globalThis[Symbol.for("siwork.queue")];
  const page = { frames: new Map(), sizes: new Set(), sights: new Set(), changes: new Set(), media: new Set(), count: 0 };
  const observer = (set) =>
    class {
      constructor(told) {
        this.told = told;
      }
      observe() {
        set.add(this.told);
      }
      disconnect() {
        set.delete(this.told);
      }
    };
  page.document = { activeElement: null, createElement: (name) => new Element(name, page) };
  page.document.body = page.document.createElement("body");
  page.make = (name, className = "", parent = page.document.body) =>
    parent.appendChild(Object.assign(page.document.createElement(name), { className }));
  page.frame = async () => {
    const due = [...page.frames.values()];
    page.frames.clear();
    due.forEach((one) => one());
    await new Promise((done) => setImmediate(done));
  };
  Object.assign(globalThis, {
    document: page.document,
    requestAnimationFrame: (one) => (page.frames.set(++page.count, one), page.count),
    cancelAnimationFrame: (id) => page.frames.delete(id),
    ResizeObserver: observer(page.sizes),
    IntersectionObserver: observer(page.sights),
    MutationObserver: observer(page.changes),
    getComputedStyle: () => ({ color: page.ink ?? "rgb(1, 2, 3)" }),
    matchMedia: () => ({ addEventListener: (_, f) => page.media.add(f), removeEventListener: (_, f) => page.media.delete(f) }),
  });
  return page;
}

export function model(state, managed = {}) {
  const heard = [];
  return {
    sent: [],
    heard,
    get: (key) => state[key],
    set(change) {
      Object.assign(state, change);
      const names = ["change", ...Object.keys(change).map((key) => `change:${key}`)];
      heard.filter(([name]) => names.includes(name)).forEach(([, listener]) => listener());
    },
    on: (name, listener) => heard.push([name, listener]),
    off: (name, listener) => heard.splice(heard.findIndex((one) => one[0] === name && one[1] === listener), 1),
    send(content) {
      this.sent.push(content);
    },
    widget_manager: { get_model: async (id) => managed[id] },
  };
}
