// Shows untrusted text, and nothing of it is markup: textContent only.
export default {
  render({ model, el }) {
    const pre = el.appendChild(document.createElement("pre"));
    pre.className = "sw-text";
    pre.tabIndex = 0;
    pre.setAttribute("role", "group");
    pre.style.cssText = "margin:0;white-space:pre-wrap;overflow-wrap:anywhere;overflow:auto";

    const span = ([kind, text]) => {
      const node = document.createElement("span");
      node.textContent = text; // a mark keeps its character, to be copied; the style shows its number instead
      node.className = kind && `sw-${kind}`;
      if (kind === "mark") node.dataset.code = text.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
      return node;
    };

    function update() {
      const below = pre.scrollHeight - pre.clientHeight;
      const followed = below > 0 && pre.scrollTop > below - 4; // a log read at its end stays at its end
      pre.style.maxHeight = `${1.45 * model.get("lines")}em`;
      pre.setAttribute("aria-label", model.get("label"));
      pre.replaceChildren(...model.get("spans").map(span));
      if (followed) pre.scrollTop = pre.scrollHeight;
    }
    model.on("change", update);
    update();
    return () => model.off("change", update);
  },
};
