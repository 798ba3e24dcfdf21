// What the controls of an explorer are called, for readers who hear the page: ipywidgets names neither the handle of a slider
// nor a picture. Front end of Names. Nothing is drawn; an explorer's parts may come and go, so it looks again when they do.

function name(root, model) {
  for (const slider of root.querySelectorAll(".widget-slider")) {
    const label = slider.querySelector(".widget-label")?.textContent ?? "";
    for (const handle of slider.querySelectorAll(".noUi-handle"))
      if (label && handle.getAttribute("aria-label") !== label) handle.setAttribute("aria-label", label);
  }
  for (const picture of root.querySelectorAll("img.widget-image")) picture.alt = model.get("alt") || "picture";
}

function render({ model, el }) {
  el.style.display = "none";
  let root = null;
  const again = () => root && name(root, model);
  const watch = new MutationObserver(again);
  const start = () => {
    root = el.closest(".cvq-explorer");
    if (!root) return requestAnimationFrame(start); // not attached to the page yet
    watch.observe(root, { childList: true, subtree: true });
    again();
  };
  start();
  model.on("change:alt", again);
  return () => (watch.disconnect(), model.off("change:alt", again));
}

export default { render };
