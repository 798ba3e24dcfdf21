// The code grid over an image, with the causes and effects of one node as arrows. Front end of GraphWidget.
//
// Up to three boards: before, after, and a third to compare with. Also a palette of codes to choose from (`noun`).
// Everything is drawn from the model's traits, in one pass, whenever one of them changes: a view that JupyterLab
// threw away and made again shows the same. The only thing a reader changes here is `node`, the pinned node; where the
// pointer or the keyboard focus is stays in the view. No imports, nothing is fetched.
//
// edges[i * N + j] is the probability that node i is a cause of node j: row = cause, column = effect.

const NS = "http://www.w3.org/2000/svg"; // a name, not an address: nothing is loaded from there
const CAUSE = "#005A8C", EFFECT = "#DD6B10", OWN = "#009E73", CUT = "#B00020", MARK = "#E69F00", INK = "#222222";
const WIDTH = 400; // of the drawing; all lengths below are in its units
const LISTED = 6; // neighbours named in the text

const STYLE = `
.cvq { display: flex; flex-wrap: wrap; gap: 4px 16px; color: var(--jp-ui-font-color1, inherit);
  font: 13px/1.4 var(--jp-ui-font-family, system-ui, sans-serif); padding: 2px 10px; }
.cvq figure { margin: 0; flex: 1 1 240px; max-width: 400px; min-width: 0; }
.cvq figcaption { min-height: 1.4em; margin: 2px 0 4px; font-weight: 600; }
.cvq svg.board { display: block; width: 100%; height: auto; border-radius: 3px; background: #f4f4f4; }
.cvq .cell { fill: transparent; cursor: pointer; outline: none; }
.cvq .cell:focus-visible { stroke: #fff; stroke-width: 6; filter: drop-shadow(0 0 2px #000) drop-shadow(0 0 2px #000); }
.cvq .about { flex: 1 0 100%; }
.cvq .about.graph { min-height: 6.6em; }
.cvq .about p { margin: 1px 0; display: flex; gap: 8px; align-items: baseline; }
.cvq .about svg { flex: none; position: relative; top: 2px; }
.cvq .tools { flex: 1 0 100%; display: flex; flex-wrap: wrap; gap: 6px; align-items: center; }
.cvq .tools button { font: inherit; font-size: 12px; padding: 2px 10px; cursor: pointer; border-radius: 3px;
  color: inherit; background: var(--jp-layout-color2, transparent); border: 1px solid var(--jp-border-color1, currentColor); }
.cvq .tools button:focus-visible { outline: 3px solid #1a73e8; outline-offset: 1px; }
.cvq .tools span { color: var(--jp-ui-font-color2, inherit); font-size: 12px; }
`;

// Data ----------------------------------------------------------------------------------------------------------

function probabilities(bytes, n) {
  if (!bytes || bytes.byteLength !== 4 * n * n) return null;
  const view = new DataView(bytes.buffer ?? bytes, bytes.byteOffset ?? 0, bytes.byteLength);
  return Float32Array.from({ length: n * n }, (_, k) => view.getFloat32(4 * k, true));
}

function read(model) {
  const [rows, columns] = [model.get("rows"), model.get("columns")];
  const n = rows * columns, edges = probabilities(model.get("edges"), n), edges_third = probabilities(model.get("edges_third"), n);
  const get = (...names) => Object.fromEntries(names.map((name) => [name, model.get(name)]));
  return {
    rows, columns, n, edges, edges_third,
    ...get("image", "after", "labels", "labels_after", "tints", "tints_after", "mask", "threshold", "top_k", "used_only",
      "held", "heading", "heading_after", "action", "node", "third", "labels_third", "tints_third", "mask_third", "heading_third",
      "moved", "cut", "noun"),
  };
}

// What each board shows, or null where it is not there.
const boards = (data) => [
  { heading: data.heading, url: data.image, tints: data.tints, labels: data.labels, held: data.held, moved: [] },
  data.after !== "" || data.tints_after.length > 0
    ? { heading: data.heading_after, url: data.after, tints: data.tints_after, labels: data.labels_after, mask: data.mask, held: data.held, moved: data.moved } : null,
  data.heading_third !== ""
    ? { heading: data.heading_third, url: data.third, tints: data.tints_third, labels: data.labels_third, mask: data.mask_third, held: [], moved: [] } : null,
];
// as EDGE_AT of common/arrays.py
const isSet = (data, j) => (data.mask[j] ?? 0) >= 0.5;

// The graph of another model as if it were the first one's: the reader's cuts are drawn in the first only.
const third = (data) => ({ ...data, edges: data.edges_third, mask: data.mask_third, cut: [] });

// Causes and effects of a node: those over the threshold, likeliest first, and the top_k of each that are drawn.
function neighbours(data, node) {
  const empty = { causes: [], effects: [], all: [0, 0], own: 0 };
  if (!data.edges || node === null) return empty;
  const p = (i, j) => (data.used_only && !isSet(data, j) ? 0 : data.edges[i * data.n + j]);
  const over = (probability) => {
    const found = [];
    for (let m = 0; m < data.n; m++) if (m !== node && probability(m) >= data.threshold) found.push([m, probability(m)]);
    return found.sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  };
  const causes = over((m) => p(m, node)), effects = over((m) => p(node, m));
  const own = p(node, node) >= data.threshold ? p(node, node) : 0;
  return {
    causes: causes.slice(0, data.top_k), effects: effects.slice(0, data.top_k), all: [causes.length, effects.length], own,
  };
}

// Variables of a world of codes have names: v0, v1, ...
const called = (data, n) => data.noun === "variable" ? `v${n}` : `${n}`;
const at = (data, n) => data.noun === "variable" ? called(data, n) : data.noun === "code" ? `code ${n}` : `node ${n} (row ${Math.floor(n / data.columns)}, column ${n % data.columns})`;

// What a reader who cannot see the arrows needs: one object of plain texts per line.
function describe(data, node) {
  if (node === null) {
    return [{ text: data.edges ? "Point at a node, or tab into the grid: its causes and effects appear as arrows." : "" }];
  }
  const lines = [], code = data.labels[node] ?? "", many = code.includes(" ");
  if (data.noun === "code") return [{ text: at(data, node), strong: true }];
  let first = `${at(data, node)}: ${many ? "codes" : "code"} ${code}`;
  if (data.edges) {
    const next = data.labels_after[node];
    first += next === undefined || next === code ? `, ${many ? "stay" : "stays"}` : `, ${many ? "become" : "becomes"} ${next}`;
    const share = (data.mask[node] ?? 0).toFixed(2);
    if (data.held.includes(node)) first += "; held by do(), so nothing causes it";
    else if (data.action) first += isSet(data, node) ? `; set by ${data.action} (${share})` : `; copied (${data.action} sets it: ${share})`;
    if (data.moved.includes(node)) first += "; other than without what you hold and cut";
  }
  lines.push({ text: first, strong: true });
  if (!data.edges) return lines;
  const { causes, effects, all, own } = neighbours(data, node);
  const list = (found) => found.slice(0, LISTED).map(([m, p]) => `${called(data, m)} (${p.toFixed(2)})`).join(", ") + (found.length > LISTED ? ", …" : "");
  const line = (name, how, found, total) => `${name}, ${how}: ${total === 0 ? "none" : `${found.length} of ${total} shown: ${list(found)}`}`;
  lines.push({ key: "cause", text: line("causes", "solid arrows in", causes, all[0]) });
  lines.push({ key: "effect", text: line("effects", "dashed arrows out", effects, all[1]) });
  lines.push({ key: "own", text: `own old code: ${own ? `read (${own.toFixed(2)})` : "not read"}` });
  const cut = data.cut.filter(([, j]) => j === node).map(([i]) => i === node ? "itself" : called(data, i));
  if (cut.length) lines.push({ key: "cut", text: `cut by you: the edge from ${cut.join(", ")}` });
  if (data.labels_third.length) lines.push({ text: `${data.heading_third}: ${data.labels_third[node].includes(" ") ? "codes" : "code"} ${data.labels_third[node]}` });
  if (data.edges_third) {
    const there = neighbours(third(data), node), names = (found, total) => total === 0 ? "none" : list(found);
    lines.push({ key: "cause", text: `causes there: ${names(there.causes, there.all[0])}` });
    lines.push({ key: "effect", text: `effects there: ${names(there.effects, there.all[1])}` });
  }
  return lines;
}

// Drawing -------------------------------------------------------------------------------------------------------

function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "g", "rect", "path", "circle", "image", "line", "text", "title"].includes(tag);
  const element = svg ? document.createElementNS(NS, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Arrows and marks leave the middle of a variable, `gap` wide, to its code: its mark is where its name is, at the top left.
const geometry = (data) => {
  const unit = WIDTH / data.columns, free = data.noun === "variable", size = Math.min(free ? 14 : 11, unit * 0.24);
  const centre = (n) => [(n % data.columns + 0.5) * unit, (Math.floor(n / data.columns) + 0.5) * unit];
  const spot = (n) => centre(n).map((x) => free ? x - unit / 2 + 1.3 * size : x);
  return { unit, height: unit * data.rows, centre, size, spot, gap: free ? unit * 0.3 : 0 };
};

// A curved arrow between two points, with a white halo so that it is seen on any image.
function arrow(start, end, color, kind, strength, scale) {
  const [dx, dy] = [end[0] - start[0], end[1] - start[1]], length = Math.hypot(dx, dy) || 1;
  const bend = [(start[0] + end[0]) / 2 - dy * 0.14, (start[1] + end[1]) / 2 + dx * 0.14];
  const toward = [end[0] - bend[0], end[1] - bend[1]], norm = Math.hypot(...toward) || 1;
  const [ux, uy] = [toward[0] / norm, toward[1] / norm];
  const width = (1.6 + 1.8 * strength) * scale, head = Math.min((7 + 4 * strength) * scale, 0.5 * length);
  const neck = [end[0] - ux * head * 0.8, end[1] - uy * head * 0.8];
  const line = `M${start} Q${bend} ${neck}`;
  const tip = `M${end} L${[end[0] - ux * head - uy * head * 0.48, end[1] - uy * head + ux * head * 0.48]} L${[end[0] - ux * head + uy * head * 0.48, end[1] - uy * head - ux * head * 0.48]} Z`;
  const dashes = kind === "effect" ? { "stroke-dasharray": `${4.5 * scale} ${2.6 * scale}` } : kind === "cut" ? { "stroke-dasharray": `${1.5 * scale} ${3.5 * scale}` } : {};
  return make("g", { class: `arrow ${kind}` },
    make("path", { d: line, fill: "none", stroke: "#fff", "stroke-width": width + 2.4 * scale, "stroke-opacity": 0.85 }),
    make("path", { d: tip, fill: "#fff", stroke: "#fff", "stroke-width": 2.4 * scale, "stroke-linejoin": "round" }),
    make("path", { d: line, fill: "none", stroke: color, "stroke-width": width, ...dashes }),
    make("path", { d: tip, fill: color }));
}

// The mark on a neighbour, with its name: a disc for a cause, a square for an effect.
function mark(centre, name, kind, size) {
  const [x, y] = centre, shape = kind === "cause"
    ? make("circle", { cx: x, cy: y, r: size, fill: CAUSE, stroke: "#fff", "stroke-width": size / 5 })
    : make("rect", { x: x - size, y: y - size, width: 2 * size, height: 2 * size, fill: EFFECT, stroke: "#fff", "stroke-width": size / 5 });
  const group = make("g", { class: `mark ${kind}` }, shape);
  if (size >= 7) group.append(make("text", { x, y, fill: "#fff", "font-size": size * 1.05, "font-weight": 600, "font-family": "sans-serif", "text-anchor": "middle", "dominant-baseline": "central" }, name));
  return group;
}

// The border between set and copied nodes.
function contour(data, unit, mask) {
  let d = "";
  const on = (r, c) => r >= 0 && c >= 0 && r < data.rows && c < data.columns && isSet({ mask }, r * data.columns + c);
  for (let r = 0; r <= data.rows; r++) {
    for (let c = 0; c <= data.columns; c++) {
      if (on(r, c) !== on(r, c - 1)) d += `M${c * unit} ${r * unit}v${unit}`;
      if (on(r, c) !== on(r - 1, c)) d += `M${c * unit} ${r * unit}h${unit}`;
    }
  }
  return make("g", { class: "contour", fill: "none", "stroke-linecap": "square" },
    make("path", { d, stroke: INK, "stroke-width": 4.5 }), make("path", { d, stroke: MARK, "stroke-width": 2.2 }));
}

function frame(data, n, unit, color, inner, kind, inset = 1, dashes = {}) {
  const [x, y] = [(n % data.columns) * unit, Math.floor(n / data.columns) * unit];
  const box = { x: x + inset, y: y + inset, width: unit - 2 * inset, height: unit - 2 * inset, fill: "none" };
  return make("g", { class: kind }, make("rect", { ...box, stroke: color, "stroke-width": 5.5 }), make("rect", { ...box, stroke: inner, "stroke-width": 2, ...dashes }));
}

// One board: picture, tints and labels, grid lines, and what belongs to the shown node. Colours are attributes, not classes, so
// that an exported file looks the same.
function board(data, shown, which) {
  const { unit, height, centre, size, spot, gap } = geometry(data), svg = make("g", {}), texts = make("g", { fill: INK, "font-family": "sans-serif", "text-anchor": "middle" });
  if (boards(data)[which] === null) return svg;
  const { url, tints, labels, mask, held, moved } = boards(data)[which];
  if (url) svg.append(make("image", { href: url, width: WIDTH, height, preserveAspectRatio: "none", style: "image-rendering: pixelated" }));
  const lines = make("g", { stroke: url && !tints.length ? "#fff" : "#888", "stroke-opacity": 0.35, "stroke-width": 0.8 });
  tints.forEach((tint, n) => {
    const [x, y] = centre(n);
    svg.append(make("rect", { x: x - unit / 2, y: y - unit / 2, width: unit, height: unit, fill: tint, "fill-opacity": 0.78 }));
    const text = labels[n] ?? "", large = gap ? unit * Math.min(0.4, 0.8 / text.length) : Math.min(15, unit * 0.34);
    if (unit >= 22) texts.append(make("text", { x, y, "font-size": large, "dominant-baseline": "central", ...(gap ? { stroke: "#fff", "stroke-width": 3, "paint-order": "stroke" } : {}) }, text));
    if (gap && size >= 7) svg.append(make("text", { x: spot(n)[0], y: spot(n)[1], class: "name", fill: INK, "font-size": size * 1.05, "font-family": "sans-serif", "text-anchor": "middle", "dominant-baseline": "central" }, called(data, n)));
  });
  for (let c = 1; c < data.columns; c++) lines.append(make("path", { d: `M${c * unit} 0V${height}` }));
  for (let r = 1; r < data.rows; r++) lines.append(make("path", { d: `M0 ${r * unit}H${WIDTH}` }));
  svg.append(lines);
  if (mask) svg.append(contour(data, unit, mask));
  for (const n of held) svg.append(frame(data, n, unit, "#fff", INK, "held"));
  for (const n of moved) svg.append(frame(data, n, unit, "#fff", CUT, "moved", Math.min(6, unit / 5), { "stroke-dasharray": "5 3" }));
  if (shown !== null) svg.append(frame(data, shown, unit, INK, "#fff", "shown"));
  const beside = which === 1 && data.edges_third && data.noun === "variable"; // both models at one moment
  if (shown !== null && (which === 0 || beside)) svg.append(arrows(data, shown));
  if (shown !== null && which === 2 && data.edges_third) svg.append(arrows(third(data), shown));
  svg.append(texts); // over arrows that pass
  return svg;
}

function arrows(data, node) {
  const { unit, centre, size, spot, gap } = geometry(data), group = make("g", { class: "arrows" });
  const { causes, effects, own } = neighbours(data, node);
  const scale = Math.max(0.45, Math.min(1, unit / 40)), here = centre(node);
  const strength = (p) => (data.threshold < 1 ? (p - data.threshold) / (1 - data.threshold) : 1);
  const toward = (from, to, gap) => { // the point `gap` short of `to`
    const [dx, dy] = [to[0] - from[0], to[1] - from[1]], length = Math.hypot(dx, dy) || 1;
    return [to[0] - (dx / length) * gap, to[1] - (dy / length) * gap];
  };
  const place = (list) => [...list].reverse(); // likeliest last, on top
  for (const [m, p] of place(effects)) group.append(arrow(toward(centre(m), here, unit * 0.3), toward(here, centre(m), gap || size * 1.25), EFFECT, "effect", strength(p), scale));
  for (const [m, p] of place(causes)) group.append(arrow(toward(here, centre(m), gap), toward(centre(m), here, unit * 0.34), CAUSE, "cause", strength(p), scale));
  for (const [i, j] of data.cut.filter(([a, b]) => a !== b && (a === node || b === node))) {
    const [from, to] = [toward(centre(j), centre(i), unit * 0.3), toward(centre(i), centre(j), unit * 0.34)];
    group.append(arrow(from, to, CUT, "cut", 0, scale));
  }
  if (own) {
    const [x, y] = here, r = unit * 0.27, d = `M${x - r * 0.7} ${y + r * 0.7} A${r} ${r} 0 1 1 ${x + r * 0.7} ${y + r * 0.7}`;
    const tip = `M${x + r * 0.25} ${y + r * 1.05} l${r * 0.95} ${-r * 0.15} l${-r * 0.28} ${-r * 0.85} Z`;
    group.append(make("g", { class: "arrow own" },
      make("path", { d, fill: "none", stroke: "#fff", "stroke-width": 4.6 * scale }), make("path", { d, fill: "none", stroke: OWN, "stroke-width": 2.6 * scale }),
      make("path", { d: tip, fill: OWN, stroke: "#fff", "stroke-width": 1 * scale })));
  }
  for (const [m] of place(effects)) group.append(mark(spot(m), called(data, m), "effect", size));
  for (const [m] of place(causes)) group.append(mark(spot(m), called(data, m), "cause", effects.some(([e]) => e === m) ? size * 0.72 : size));
  return group;
}

// The sign of a line of the text: what its arrows look like.
function sign(kind) {
  const g = { cause: arrow([2, 6], [30, 6], CAUSE, "cause", 0.3, 0.8), effect: arrow([2, 6], [30, 6], EFFECT, "effect", 0.3, 0.8), cut: arrow([2, 6], [30, 6], CUT, "cut", 0.3, 0.8) }[kind]
    ?? make("path", { d: "M10 10A5 5 0 1 1 20 10", fill: "none", stroke: OWN, "stroke-width": 2.4 });
  g.removeAttribute("class");
  return make("svg", { width: 32, height: 12, viewBox: "0 0 32 12", "aria-hidden": "true" }, g);
}

// Export --------------------------------------------------------------------------------------------------------

function standalone(data, shown) {
  const { height } = geometry(data), gap = 16, there = boards(data).map((b, k) => [b, k]).filter(([b]) => b);
  const wide = there.length * (WIDTH + gap) - gap;
  const lines = describe(data, shown), text = { fill: INK, "font-family": "sans-serif", "font-size": 12 };
  const tall = height + 26 + 18 * (lines.length + 1);
  const svg = make("svg", { xmlns: NS, width: wide, height: tall, viewBox: `0 0 ${wide} ${tall}` });
  svg.append(make("title", {}, lines.map((line) => line.text).join(". ")), make("rect", { width: wide, height: tall, fill: "#fff" }));
  there.forEach(([{ heading }, which], place) => {
    const x = place * (WIDTH + gap), group = board(data, shown, which);
    group.setAttribute("transform", `translate(${x} 22)`);
    svg.append(make("text", { ...text, x, y: 15, "font-weight": 600 }, heading), group);
  });
  lines.forEach((line, k) => {
    const color = { cause: CAUSE, effect: EFFECT, own: OWN, cut: CUT }[line.key] ?? INK;
    svg.append(make("text", { ...text, fill: color, x: 2, y: height + 42 + 18 * k }, line.text));
  });
  const shownEdges = `arrow from cause to effect; threshold ${data.threshold.toFixed(2)}`;
  svg.append(make("text", { ...text, fill: "#555", x: 2, y: height + 42 + 18 * lines.length }, shownEdges));
  return new XMLSerializer().serializeToString(svg);
}

// Node-link JSON, as networkx.node_link_graph(..., edges="edges") reads it.
function graphJson(data) {
  const edges = [];
  for (let i = 0; i < data.n; i++) {
    for (let j = 0; j < data.n; j++) {
      const p = data.used_only && !isSet(data, j) ? 0 : data.edges[i * data.n + j];
      if (p >= data.threshold) edges.push({ source: i, target: j, probability: Number(p.toFixed(6)) });
    }
  }
  const grid = data.rows > 1 && data.noun !== "variable"; // variables have no places
  const nodes = Array.from({ length: data.n }, (_, n) => ({
    id: n,
    name: grid ? `r${Math.floor(n / data.columns)}c${n % data.columns}` : `v${n}`,
    row: Math.floor(n / data.columns),
    column: n % data.columns,
    codes: data.labels[n],
    codes_after: data.labels_after[n],
    set_by: data.mask[n],
  }));
  const graph = { limit: data.threshold, orientation: "row = cause, column = effect" };
  if (grid) graph.grid = `${data.rows} ${data.columns}`;
  if (data.action) graph.action = data.action;
  return JSON.stringify({ directed: true, multigraph: false, graph, nodes, edges }, null, 1);
}

function save(blob, name) {
  const url = URL.createObjectURL(blob), link = make("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

async function saveDrawing(data, shown, kind, name) {
  const blob = new Blob([standalone(data, shown)], { type: "image/svg+xml" });
  if (kind === "SVG") return save(blob, `${name}.svg`);
  const image = new Image(), url = URL.createObjectURL(blob);
  image.src = url;
  await image.decode();
  const canvas = make("canvas", { width: 2 * image.width, height: 2 * image.height });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(url);
  canvas.toBlob((png) => save(png, `${name}.png`), "image/png");
}

// View ----------------------------------------------------------------------------------------------------------

function render({ model, el }) {
  let data = read(model), over = null, focus = data.node ?? 0, frames = 0;
  const root = make("div", { class: "cvq", "data-lm-suppress-shortcuts": "true" });
  const figures = [data.noun === "code" ? "codes" : "before", "after", "third"].map((name) => {
    const svg = make("svg", { class: `board ${name}` }), caption = make("figcaption");
    return { svg, caption, figure: make("figure", {}, caption, svg) };
  });
  const about = make("div", { class: "about", role: "status", "aria-live": "polite" });
  const tools = make("div", { class: "tools" }, make("span", {}, "save:"));
  root.append(make("style", {}, STYLE), ...figures.map((f) => f.figure), about, tools);
  const shown = () => over ?? data.node;

  function pin(node) {
    model.set("node", node);
    model.save_changes();
  }

  // Asks the model, not what was last painted of it: a key may come before the next frame.
  function toggle(node) {
    pin(model.get("node") === node && data.edges ? null : node);
  }

  function keys(event, n) {
    const [r, c] = [Math.floor(n / data.columns), n % data.columns];
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -c], End: [0, data.columns - 1 - c] }[event.key];
    if (step) {
      const to = [Math.min(data.rows - 1, Math.max(0, r + step[0])), Math.min(data.columns - 1, Math.max(0, c + step[1]))];
      focus = to[0] * data.columns + to[1];
      cells()[focus]?.focus();
    } else if (event.key === "Enter" || event.key === " ") toggle(n);
    else if (event.key === "Escape") pin(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  const cells = () => figures[0].svg.querySelectorAll(".cell");

  // The cells stay while the drawing below them changes, so that focus and pointer stay where they are.
  function layGrid() {
    const { unit, height } = geometry(data);
    figures.forEach(({ svg }, which) => {
      svg.setAttribute("viewBox", `0 0 ${WIDTH} ${height}`);
      const grid = make("g", { class: "cells" });
      for (let n = 0; n < data.n; n++) {
        const cell = make("rect", { class: "cell", x: (n % data.columns) * unit, y: Math.floor(n / data.columns) * unit, width: unit, height: unit });
        cell.addEventListener("pointerenter", () => { over = n; paint(); });
        cell.addEventListener("pointerleave", () => { over = null; paint(); });
        cell.addEventListener("click", () => toggle(n));
        if (which === 0) {
          cell.setAttribute("role", "button");
          cell.addEventListener("focus", () => { focus = n; over = cell.matches(":focus-visible") ? n : over; paint(); });
          cell.addEventListener("blur", () => { over = null; paint(); });
          cell.addEventListener("keydown", (event) => keys(event, n));
        }
        grid.append(cell);
      }
      svg.replaceChildren(make("g", { class: "drawing" }), grid);
    });
    figures[0].svg.setAttribute("role", "group");
    figures[0].svg.setAttribute("aria-label", data.noun === "code"
      ? "Palette of codes. Arrow keys move between codes, Enter chooses one."
      : "Code grid. Arrow keys move between nodes, Enter pins one, Escape lets go.");
    for (const { svg } of figures.slice(1)) svg.setAttribute("role", "img");
  }

  const name = () => `graph-${data.action || "none"}`.replace(/[^\w+-]+/g, "-");
  for (const kind of ["SVG", "PNG", "JSON"]) {
    const button = make("button", { type: "button" }, kind === "JSON" ? "graph (JSON)" : `picture (${kind})`);
    button.addEventListener("click", () => (kind === "JSON"
      ? save(new Blob([graphJson(data)], { type: "application/json" }), `${name()}.json`)
      : saveDrawing(data, shown(), kind, name())));
    tools.append(button);
  }
  const note = make("span");
  tools.append(note);

  function paint() {
    const node = shown();
    figures.forEach(({ svg, caption, figure }, which) => {
      const shows = boards(data)[which];
      figure.style.display = shows ? "" : "none";
      caption.textContent = shows?.heading ?? "";
      if (which) svg.setAttribute("aria-label", caption.textContent);
      svg.querySelector(".drawing").replaceChildren(board(data, node, which));
    });
    cells().forEach((cell, n) => {
      cell.setAttribute("tabindex", n === Math.min(focus, data.n - 1) ? "0" : "-1");
      cell.setAttribute("aria-label", `${at(data, n)}, ${data.labels[n] ?? ""}`);
      cell.setAttribute("aria-pressed", String(n === data.node));
    });
    tools.style.display = data.edges ? "" : "none";
    note.textContent = `arrow: from cause to effect · threshold ${data.threshold.toFixed(2)} · click pins`;
    about.classList.toggle("graph", data.edges !== null);
    about.replaceChildren(...describe(data, node).map((line) => make("p", {}, ...(line.key ? [sign(line.key)] : []), line.strong ? make("strong", {}, line.text) : line.text)));
  }

  function refresh() {
    const { rows, columns } = data;
    data = read(model);
    if (rows !== data.rows || columns !== data.columns) layGrid();
    paint();
  }

  // Several traits may change at once: one drawing for all of them.
  function changed() {
    cancelAnimationFrame(frames);
    frames = requestAnimationFrame(refresh);
  }

  layGrid();
  paint();
  el.append(root);
  model.on("change", changed);
  return () => {
    cancelAnimationFrame(frames);
    model.off("change", changed);
  };
}

export default { render };
