// What the theme leaves out for those who read by keyboard or by ear.
document.addEventListener("DOMContentLoaded", () => {
  for (const caption of document.querySelectorAll("p.caption[role=heading]")) caption.setAttribute("aria-level", "2");
  document.querySelector(".sidebar-drawer")?.setAttribute("aria-label", "pages");
  document.querySelector(".toc-drawer")?.setAttribute("aria-label", "on this page");
  const reach = () => { // what scrolls by itself can be reached
    for (const box of document.querySelectorAll("article pre, article table.docutils, .cell_output, .table-wrapper, .output, .math-wrapper"))
      if (box.scrollWidth > box.clientWidth || box.matches(".math-wrapper")) box.tabIndex = 0;
  };
  reach();
  addEventListener("resize", reach);
  document.addEventListener("toggle", reach, true); // an output that was folded
});
