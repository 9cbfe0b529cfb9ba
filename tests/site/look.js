// What look.py asks of a page, in the page.
const look = (() => {
  const shown = (box) => box.checkVisibility({ visibilityProperty: true });
  const markup = (box) => box.cloneNode().outerHTML.slice(0, 160);
  const clips = (box) => getComputedStyle(box).overflowX !== "visible";
  const scrolls = (box) =>
    ["auto", "scroll"].includes(getComputedStyle(box).overflowX) &&
    !box.matches("html, body, .content");

  // What is off the page on purpose: drawers that a click brings in, and what is said
  // to those who listen.
  const ASIDE = "mjx-assistive-mml, .sidebar-drawer, .toc-drawer, .skip-to-content";
  const ASIDES = `:is(${ASIDE}), :is(${ASIDE}) *, mjx-math *, script, style, svg *`;

  // The box whose edges an element must keep to: the nearest that cuts off or scrolls.
  const around = (box, known) => {
    const outer = box.parentElement;
    if (!known.has(outer)) {
      const keeps = !outer.parentElement || clips(outer);
      known.set(outer, keeps ? outer : around(outer, known));
    }
    return known.get(outer);
  };

  const isCut = (box, known) => {
    const { left, right, width, height } = box.getBoundingClientRect();
    if (!width || !height) return false;
    const outer = around(box, known);
    const edges = outer.getBoundingClientRect();
    const starts = outer.parentElement ? edges.left : 0;
    if (left < starts - 1 && outer.scrollLeft === 0) return true;
    const ends = outer.parentElement ? edges.right : innerWidth;
    return !scrolls(outer) && right > Math.min(ends, innerWidth) + 1;
  };

  // The colors behind an element: of all that it stands in, as far as they show.
  const behind = (box, known) => {
    if (!box) return "";
    if (!known.has(box)) {
      const { backgroundColor, backgroundImage, opacity } = getComputedStyle(box);
      const own = `${backgroundColor} ${backgroundImage} ${opacity}`;
      const clear = own === "rgba(0, 0, 0, 0) none 1";
      known.set(box, behind(box.parentElement, known) + (clear ? "" : `/${own}`));
    }
    return known.get(box);
  };

  let wanted = [];
  let samples = new Map();
  const kept = new Set();
  const colors = () =>
    [
      ...document.body.querySelectorAll(
        ":not(script):not(.theme-toggle *):not(mjx-container *)",
      ),
    ].map((box) => {
      const style = getComputedStyle(box);
      const names = ["color", "backgroundColor", "borderLeftColor", "fill", "stroke"];
      return [box, names.map((name) => style[name]).join(" "), style.colorScheme];
    });

  return {
    // Unfold all; and leave one word of each color in code, and of a formula or figure
    // its box: the rest is the same everywhere, and slow to look at again and again.
    unfold() {
      for (const fold of document.querySelectorAll("details")) fold.open = true;
    },
    thin() {
      const seen = new Set();
      for (const token of document.querySelectorAll(
        ".highlight pre:not(:has(a)) span",
      )) {
        if (seen.has(token.className)) token.replaceWith(...token.childNodes);
        else seen.add(token.className);
      }
      const formulas = [...document.querySelectorAll("mjx-math")];
      const sizes = formulas.map((each) => each.getBoundingClientRect());
      formulas.forEach((each, k) => {
        each.replaceChildren();
        each.style.cssText += `display: inline-block; width: ${sizes[k].width}px`;
      });
      for (const each of document.images) {
        const { width, height } = each.getBoundingClientRect();
        each.style.cssText += `width: ${width}px; height: ${height}px`;
        each.src = "data:,";
      }
    },
    // Leave the texts that have been kept, and what they stand in.
    keep(keys) {
      for (const key of keys) kept.add(samples.get(key));
    },
    prune() {
      const stays = new Set(document.querySelectorAll(".theme-toggle, .theme-toggle *"));
      for (const box of [...stays, ...kept])
        for (let each = box; each; each = each.parentElement) {
          stays.add(each);
          // An entry of the contents looks otherwise if it has entries of its own.
          for (const list of each.querySelectorAll(":scope > ul")) stays.add(list);
        }
      for (const box of document.body.querySelectorAll("*"))
        if (!stays.has(box)) box.remove();
      kept.clear();
    },

    // What is cut off, or makes the page scroll sideways.
    cut() {
      const boxes = [...document.body.querySelectorAll(`:not(${ASIDES})`)];
      const known = new Map();
      const found = boxes.filter((box) => isCut(box, known) && shown(box));
      const outermost = found.filter((box) => !found.includes(box.parentElement));
      const told = outermost.map((box) => markup(box) + box.textContent.slice(0, 60));
      const page = document.scrollingElement;
      scrollTo(1000, scrollY);
      if (scrollX > 0) told.push(`the page scrolls sideways by ${scrollX} px`);
      scrollTo(0, scrollY);
      return told;
    },

    // Remember the colors of all that is on the page, and say what first has others.
    remember() {
      wanted = colors();
    },
    differs(choice) {
      const found = colors();
      for (const [k, [box, others, follows]] of found.entries()) {
        if (others !== wanted[k][1])
          return `${others}, not ${wanted[k][1]}: ${markup(box)}`;
        if (box.localName === "img" && follows !== choice)
          return `a figure follows ${follows}: ${markup(box)}`;
      }
      return "";
    },

    // One text of each look: its color, size and weight, and all that is behind it.
    sample() {
      const known = new Map();
      samples = new Map();
      for (const box of document.body.querySelectorAll(":not(mjx-container *)")) {
        const says = [...box.childNodes].some(
          (node) => node.nodeType === Node.TEXT_NODE && node.data.trim(),
        );
        if ((!says && !box.matches("input, textarea, select")) || !shown(box)) continue;
        const style = getComputedStyle(box);
        const outer = getComputedStyle(box.parentElement);
        const looks = ["color", "fontSize", "fontWeight", "textDecoration", "textShadow"];
        const sees = looks.map((name) => style[name]).join(" ");
        const key = `${box.localName} ${sees} in ${outer.color} ${behind(box, known)}`;
        if (!samples.has(key)) samples.set(key, box);
      }
      return [...samples.keys()];
    },
    async contrast(keys, rules) {
      if (!keys.length) return [];
      const include = keys.map((key) => samples.get(key));
      const options = { reporter: "no-passes", runOnly: rules };
      return (await axe.run({ include }, options)).violations;
    },
    // Axe hears no formula, so it takes a header that is one for empty.
    async access(options) {
      const found = await axe.run(document, { reporter: "no-passes", ...options });
      for (const each of found.violations)
        if (each.id === "empty-table-header")
          each.nodes = each.nodes.filter(
            ({ target }) => !document.querySelector(`:is(${target[0]}) math`),
          );
      return found.violations.filter((each) => each.nodes.length);
    },
  };
})();
