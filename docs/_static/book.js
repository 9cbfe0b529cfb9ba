/* Two comforts. Every page can be read without them. */

// A formula that is copied is its TeX, not a line for each of its glyphs.
document.addEventListener("copy", (event) => {
  const selection = getSelection();
  if (selection.isCollapsed) return;
  const range = selection.getRangeAt(0).cloneRange();
  const formula = (node) =>
    (node instanceof Element ? node : node.parentElement)?.closest("mjx-container");
  const [first, last] = [formula(range.startContainer), formula(range.endContainer)];
  if (first) range.setStartBefore(first);
  if (last) range.setEndAfter(last);
  const copied = document.createElement("div");
  copied.append(range.cloneContents());
  const formulas = copied.querySelectorAll("mjx-container");
  if (!formulas.length) return;
  for (const each of formulas) {
    const fence = each.hasAttribute("display") ? "$$" : "$";
    each.replaceWith(fence + each.dataset.tex + fence);
  }
  copied.querySelectorAll(".gp, .go, .headerlink, .eqcard").forEach((each) => each.remove());
  document.body.append(copied); // only what is on the page has lines
  event.clipboardData.setData("text/plain", copied.innerText);
  copied.remove();
  event.preventDefault();
});

// Escape closes the formula that a pointer has opened, until the pointer comes back.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const each of document.querySelectorAll(".eqref:hover")) {
    each.classList.add("closed");
    const open = () => each.classList.remove("closed");
    each.addEventListener("pointerleave", open, { once: true });
  }
});
