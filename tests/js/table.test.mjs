import assert from "node:assert/strict";
import test from "node:test";
import { load, model, open } from "./page.mjs";

const table = await load("table.js");
const ROWS = Array.from({ length: 30 }, (_, i) => [`r${i}`, [["", "a"], ["mark", "\u202e"]]]);

function show(more = {}) {
  const page = open();
  const state = { columns: ["round", "answer"], rows: ROWS, chosen: null, sorted_by: [], label: "completions", note: "" };
  const [el, shown] = [page.make("div"), model({ ...state, picks: true, sorts: true, ...more })];
  const clean = table.render({ model: shown, el });
  return { page, el, state: shown, clean, body: el.querySelector("tbody") };
}

test("cells are text, whatever they hold", () => {
  const { el, body } = show({ rows: [["<img src=x onerror=alert(1)>", "$x$"]] });
  assert.equal(body.rows[0].textContent, "<img src=x onerror=alert(1)>$x$");
  assert.equal(el.querySelectorAll("img").length, 0);
});

test("a cell with a hidden character keeps it and shows its number", () => {
  const { body } = show();
  assert.equal(body.rows[0].rows[1].textContent, "a\u202e");
  assert.equal(body.rows[0].querySelector(".sw-mark").dataset.code, "202E");
});

test("it says what a grid has to say", () => {
  const { el, body } = show({ chosen: 3, sorted_by: [1, true], note: "30 rows" });
  const grid = el.querySelector("table");
  assert.deepEqual(["role", "aria-label", "aria-rowcount"].map((name) => grid.getAttribute(name)), ["grid", "completions", "31"]);
  assert.deepEqual(el.querySelectorAll("th").map((head) => head.getAttribute("aria-sort")), [null, "descending"]);
  assert.deepEqual([2, 3].map((i) => body.rows[i].getAttribute("aria-selected")), ["false", "true"]);
  assert.equal(el.querySelector(".sw-note").textContent, "30 rows");
});

test("one row is in the order of focus: the chosen one, or the first", () => {
  const stops = ({ body }) => body.rows.flatMap((row, i) => (row.tabIndex === 0 ? [i] : []));
  assert.deepEqual(stops(show()), [0]);
  assert.deepEqual(stops(show({ chosen: 7 })), [7]);
});

test("arrow keys, pages and ends move the focus and stop at the edges", () => {
  const { page, body } = show();
  const at = () => body.rows.indexOf(page.document.activeElement);
  body.rows[0].focus();
  const found = [["ArrowUp", 0], ["ArrowDown", 1], ["PageDown", 11], ["End", 29], ["PageDown", 29], ["PageUp", 19], ["Home", 0]];
  for (const [key, place] of found) {
    assert.equal(page.document.activeElement.fire("keydown", { key }), true);
    assert.equal(at(), place, key);
  }
  assert.equal(body.rows[0].fire("keydown", { key: "x" }), false);
});

test("Enter, the space bar and a click pick", () => {
  const { state, body } = show();
  body.rows[4].fire("keydown", { key: "Enter" });
  body.rows[5].fire("keydown", { key: " " });
  body.rows[6].rows[1].fire("click");
  assert.deepEqual(state.sent, [{ pick: 4 }, { pick: 5 }, { pick: 6 }]);
});

test("where nothing can be picked nothing is sent, and where nothing sorts no head is a button", () => {
  const { el, state, body } = show({ picks: false, sorts: false });
  body.rows[4].fire("click");
  assert.deepEqual(state.sent, []);
  assert.equal(el.querySelectorAll("button").length, 0);
});

test("a head asks for its column, the second time the other way round", () => {
  const { el, state } = show({ sorted_by: [0, false] });
  const [first, second] = el.querySelectorAll("button");
  first.fire("click");
  second.fire("click");
  state.set({ sorted_by: [0, true] });
  el.querySelectorAll("button")[0].fire("click");
  assert.deepEqual(state.sent, [{ sort: 0, down: true }, { sort: 1, down: false }, { sort: 0, down: false }]);
});

test("new rows keep the focus where it was; another choice does not draw rows anew", () => {
  const { page, state, body } = show();
  const before = body.rows[5];
  before.focus();
  state.set({ chosen: 9 });
  assert.equal(body.rows[5], before);
  state.set({ rows: ROWS.slice(0, 3) });
  assert.equal(body.rows.indexOf(page.document.activeElement), 2);
});

test("no rows are fine, and after the view is gone nothing listens", () => {
  const { state, body, clean } = show({ rows: [] });
  assert.equal(body.rows.length, 0);
  clean();
  assert.equal(state.heard.length, 0);
});
