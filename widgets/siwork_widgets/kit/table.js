// Rows of untrusted text: textContent only. Arrow keys move, Enter or a click picks a row, a head asks for sorting.
const PAGE = 10;

export default {
  render({ model, el }) {
    el.classList.add("sw-tablebox");
    const make = (name, className, parent) => {
      const node = parent.appendChild(document.createElement(name));
      if (className) node.className = className;
      return node;
    };
    const scroll = make("div", "sw-scroll", el);
    const grid = make("table", "sw-table", scroll);
    const [head, body] = [make("thead", "", grid), make("tbody", "", grid)];
    const note = make("p", "sw-note", el);
    grid.setAttribute("role", "grid");
    let rows; // those drawn last

    const fill = (node, cell) => {
      if (typeof cell === "string") return (node.textContent = cell);
      for (const [kind, text] of cell) {
        const span = make("span", kind && `sw-${kind}`, node);
        span.textContent = text;
        if (kind === "mark") span.dataset.code = text.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
      }
    };

    function drawHead() {
      const [by, down] = model.get("sorted_by");
      const held = [...head.querySelectorAll("button")].indexOf(document.activeElement);
      head.replaceChildren();
      const line = make("tr", "", head);
      for (const [i, name] of model.get("columns").entries()) {
        const cell = make("th", "", line);
        cell.scope = "col";
        cell.setAttribute("role", "columnheader");
        if (i === by) cell.setAttribute("aria-sort", down ? "descending" : "ascending");
        if (!model.get("sorts")) fill(cell, name);
        else {
          const button = make("button", "", cell);
          button.type = "button";
          fill(button, name);
          button.onclick = () => model.send({ sort: i, down: i === by && !down });
        }
      }
      head.querySelectorAll("button")[held]?.focus();
    }

    function drawBody() {
      const held = [...body.rows].indexOf(document.activeElement);
      body.replaceChildren();
      for (const [i, cells] of model.get("rows").entries()) {
        const line = make("tr", "", body);
        line.setAttribute("aria-rowindex", i + 2);
        line.setAttribute("data-lm-suppress-shortcuts", ""); // JupyterLab's command keys stay away
        for (const cell of cells) {
          const place = make("td", "", line);
          place.setAttribute("role", "gridcell");
          fill(make("div", "", place), cell);
        }
      }
      if (held >= 0) body.rows[Math.min(held, body.rows.length - 1)]?.focus({ preventScroll: true });
    }

    function update() {
      grid.setAttribute("aria-label", model.get("label"));
      grid.setAttribute("aria-rowcount", model.get("rows").length + 1);
      note.textContent = model.get("note");
      drawHead();
      if (rows !== model.get("rows")) drawBody();
      rows = model.get("rows");
      const chosen = model.get("chosen");
      for (const [i, line] of [...body.rows].entries()) {
        line.setAttribute("aria-selected", i === chosen);
        line.tabIndex = i === Math.max(0, chosen ?? 0) ? 0 : -1;
      }
    }

    const place = (event) => [...body.rows].indexOf(event.target.closest("tbody tr"));
    const pick = (i) => model.get("picks") && i >= 0 && model.send({ pick: i });
    const click = (event) => pick(place(event));

    function key(event) {
      const [i, last] = [place(event), body.rows.length - 1];
      const moves = { ArrowDown: i + 1, ArrowUp: i - 1, PageDown: i + PAGE, PageUp: i - PAGE, Home: 0, End: last };
      if (i < 0 || !(event.key in moves || event.key === "Enter" || event.key === " ")) return;
      event.preventDefault();
      if (!(event.key in moves)) return pick(i);
      const next = body.rows[Math.min(Math.max(moves[event.key], 0), last)];
      for (const line of body.rows) line.tabIndex = line === next ? 0 : -1;
      next.focus();
    }

    body.addEventListener("click", click);
    body.addEventListener("keydown", key);
    model.on("change", update);
    update();
    return () => model.off("change", update);
  },
};
