// The panel's clock and its keyboard: ticks come from the page, for a kernel's threads may not touch widgets.
const PATIENCE = 30000; // ms; after that an answer is taken as lost

export default {
  render({ model, el }) {
    el.classList.add("sw-clock");
    const fault = el.appendChild(document.createElement("p"));
    fault.setAttribute("role", "status");
    let timer = 0, waiting = null, since = 0, frame = 0, root = null;

    function tick() {
      const answered = model.get("answered");
      if (waiting === answered && Date.now() - since < PATIENCE) return;
      [waiting, since] = [answered, Date.now()];
      try {
        model.send({ tick: answered });
      } catch {
        clearInterval(timer); // the kernel that would answer is gone
      }
    }

    function pace() {
      clearInterval(timer);
      timer = model.get("seconds") > 0 ? setInterval(tick, 1000 * model.get("seconds")) : 0;
    }

    function say() {
      fault.textContent = model.get("fault");
      fault.hidden = !fault.textContent;
    }

    // JupyterLab takes `d d` on a focused button for "delete this cell" unless the button itself says no
    const guard = (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "");

    function name() {
      for (const handle of root.querySelectorAll(".noUi-handle:not([aria-label])")) {
        const box = handle.closest(".widget-slider, .jupyter-widgets");
        const label = box?.querySelector(".widget-label")?.textContent.trim();
        const several = box?.querySelectorAll(".noUi-handle").length > 1;
        const end = !several ? "" : handle.classList.contains("noUi-handle-lower") ? ", from" : ", to";
        if (label) handle.setAttribute("aria-label", label + end);
      }
    }
    const added = new MutationObserver(name);

    function settle() {
      frame = 0;
      root = el.closest(".sw-panel");
      if (!root) return (frame = requestAnimationFrame(settle)); // not in the page yet
      root.setAttribute("role", "region");
      root.setAttribute("aria-label", model.get("label"));
      root.addEventListener("focusin", guard);
      added.observe(root, { childList: true, subtree: true });
      name();
    }

    model.on("change:seconds", pace);
    model.on("change:fault", say);
    pace();
    say();
    settle();
    return () => {
      clearInterval(timer);
      cancelAnimationFrame(frame);
      added.disconnect();
      root?.removeEventListener("focusin", guard);
      model.off("change:seconds", pace);
      model.off("change:fault", say);
    };
  },
};
