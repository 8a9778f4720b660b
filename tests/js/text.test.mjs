import assert from "node:assert/strict";
import test from "node:test";
import { load, model, open } from "./page.mjs";

const text = await load("text.js");

function show(spans, more = {}) {
  const page = open();
  const [el, state] = [page.make("div"), model({ spans, label: "answer", lines: 20, ...more })];
  const clean = text.render({ model: state, el });
  return { el, state, clean, pre: el.querySelector("pre") };
}

test("every span is text, its kind is a class", () => {
  const { pre } = show([["", "<img src=x onerror=alert(1)> "], ["added", "4"]]);
  assert.equal(pre.textContent, "<img src=x onerror=alert(1)> 4");
  assert.deepEqual(pre.childNodes.map((span) => [span.localName, span.className]), [["span", ""], ["span", "sw-added"]]);
  assert.equal(pre.querySelectorAll("img").length, 0);
});

test("a hidden character stays in the text and has its number beside it", () => {
  const { pre } = show([["", "a"], ["mark", "\u202e"], ["mark", "\x1b"]]);
  assert.equal(pre.textContent, "a\u202e\x1b");
  assert.deepEqual(pre.querySelectorAll(".sw-mark").map((span) => span.dataset.code), ["202E", "001B"]);
});

test("it has a name, takes the focus, and is as high as its lines", () => {
  const { pre } = show([], { lines: 10 });
  assert.equal(pre.getAttribute("aria-label"), "answer");
  assert.equal(pre.tabIndex, 0);
  assert.equal(pre.style.maxHeight, "14.5em");
});

test("new text replaces the old; a log that was read at its end stays there", () => {
  const { pre, state } = show([["", "one"]]);
  Object.assign(pre, { scrollHeight: 500, clientHeight: 100, scrollTop: 400 });
  state.set({ spans: [["", "two"]] });
  assert.equal(pre.textContent, "two");
  assert.equal(pre.scrollTop, 500);
  pre.scrollTop = 100;
  state.set({ spans: [["", "three"]] });
  assert.equal(pre.scrollTop, 100);
});

test("after the view is gone nothing listens", () => {
  const { state, clean } = show([]);
  clean();
  assert.equal(state.heard.length, 0);
});
