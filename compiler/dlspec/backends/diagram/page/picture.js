// --- the picture -----------------------------------------------------------------------------------------------------

function make(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function html(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// A line of text, as wide as it was measured whatever the reader's fonts are.
function textLine({ width, spans }, attributes) {
  const text = make("text", { ...attributes, textLength: width, lengthAdjust: "spacingAndGlyphs" });
  for (const [part, style] of spans) {
    const span = make("tspan", { class: `t-${style}` });
    span.textContent = part;
    text.append(span);
  }
  return text;
}

function textLines(lines, x, top, anchor) {
  let y = top;
  return lines.map((line) => {
    const size = Math.max(...line.spans.map(([, style]) => data.styles[style]));
    y += size * 1.25;
    return textLine(line, { x, y: y - size * 0.32, "text-anchor": anchor });
  });
}

function drawBox(box) {
  const open = isOpen(box);
  const body = make("rect", { class: "body", width: box.w, height: box.h, rx: open ? 8 : 5 });
  const group = make("g", { class: classes(box), transform: `translate(${box.left} ${box.top})`, "data-index": box.index });
  if (box.count > 1 && !open) {
    for (const away of [data.stack, data.stack / 2]) {
      group.append(make("rect", { class: "body pile", x: away, y: away, width: box.w, height: box.h, rx: 5 }));
    }
  }
  group.append(body);
  const colour = colourOf(box);
  if (colour && !open) {
    body.style.fill = colour.fill;
    group.style.setProperty("--ink", colour.ink);
  }
  if (open) group.append(...textLines(box.head.lines, 9, data.padding, "start"));
  else group.append(...textLines(box.look.lines, box.w / 2, data.padding, "middle"));
  if (!open && box.look.bar && state.colour === "family") {
    const all = box.w - 12, place = { x: 6, y: box.h - 7, height: 3, rx: 1.5 };
    group.append(make("rect", { ...place, class: "bar-all", width: all }));
    group.append(make("rect", { ...place, class: "bar", width: Math.max(1.5, all * box.share) }));
  }
  if (foldable(box)) {
    const bar = open ? "M-3.5 0H3.5" : "M-3.5 0H3.5M0 -3.5V3.5";
    const at = `translate(${box.w} ${open ? 15 : box.h / 2})`;
    group.append(make("g", { class: "fold", transform: at }, make("circle", { r: 6.5 }), make("path", { d: bar })));
    group.setAttribute("aria-expanded", open);
  }
  group.setAttribute("role", foldable(box) ? "button" : "img");
  group.setAttribute("aria-label", spoken(box));
  group.setAttribute("tabindex", box === state.chosen ? 0 : -1);
  box.element = group;
  return group;
}

const bodyOf = (box) => box.element.querySelector(".body:not(.pile)");

function classes(box) {
  const found = state.query && !matches(box) ? " dim" : "";
  const within = state.query && foldable(box) && !isOpen(box) && [...inside(box)].some(matches) ? " holds" : "";
  return `box k-${box.kind} f-${box.family}${isOpen(box) ? " open" : ""}${box.training ? " training" : ""}` +
    `${foldable(box) ? " foldable" : ""}${box === state.chosen ? " chosen" : ""}${within || found}`;
}

const times = (box) => (box.count > 1 ? `${box.count} times` : "");

const spoken = (box) =>
  [box.title, box.call, times(box), box.shapes.length ? `gives ${box.shapes.join(" and ")}` : "",
    box.children.length ? (isOpen(box) ? "open" : "folded") : ""].filter(Boolean).join(", ");

// A line along its corners, which are rounded.
function rounded(points) {
  let path = `M${points[0][0]} ${points[0][1]}`;
  for (let i = 1; i + 1 < points.length; i++) {
    const [before, here, next] = [points[i - 1], points[i], points[i + 1]];
    const towards = (to) => {
      const far = Math.hypot(to[0] - here[0], to[1] - here[1]) || 1, r = Math.min(5, far / 2) / far;
      return `${here[0] + (to[0] - here[0]) * r} ${here[1] + (to[1] - here[1]) * r}`;
    };
    path += `L${towards(before)}Q${here[0]} ${here[1]} ${towards(next)}`;
  }
  return `${path}L${points.at(-1)[0]} ${points.at(-1)[1]}`;
}

// The corners of an edge where its boxes now are. A lane keeps its place among the boxes; where a box's port is no longer
// in line with it, the edge comes to the port along the track it turns on, or else turns once more close to the box.
function corners(parent, edge) {
  const own = edge.points.map(([x, y]) => {
    const [a, b] = parent.map(x, y);
    return [parent.left + a, parent.top + b];
  });
  const last = own.length - 1;
  const start = edge.source === null ? own[0] : port(parent.children[edge.source], "outs", edge.out, edge.leaves);
  const end = edge.target === null ? own[last] : port(parent.children[edge.target], "ins", edge.into, edge.enters);
  const bends = own.slice(1, last);
  const free = (x, from, to) =>
    parent.children.every((box) => x < box.left || x > box.left + box.w || to <= box.top || from >= box.top + box.h);
  const meet = (bend, [x, y], way) => {
    if (Math.abs(bend[0] - x) < 0.5) return [];
    if (bends.length && free(x, Math.min(y, bend[1]), Math.max(y, bend[1]))) {
      bend[0] = x;
      return [];
    }
    const turn = y + way * Math.min(8, Math.max((end[1] - start[1]) / 2, 0));
    return [[x, turn], [bend[0], turn]];
  };
  const first = meet(bends.at(0) ?? own[0], start, 1);
  const final = meet(bends.at(-1) ?? own[last], end, -1).reverse();
  return [start, ...first, ...bends, ...final, end];
}

function drawEdge(parent, edge) {
  const points = corners(parent, edge);
  const kind = `edge${edge.main ? " main" : ""}${edge.training ? " training" : ""}${edge.fault ? " fault" : ""}`;
  const tip = edge.target === null ? undefined : `url(#${edge.fault ? "bad" : "tip"})`;
  const drawn = [make("path", { class: kind, d: rounded(points), "marker-end": tip })];
  // What leaves an open block has its shape written inside, where that came to be.
  if (edge.text && !(edge.source !== null && isOpen(parent.children[edge.source]))) {
    const [x, y] = points[0];
    drawn.push(textLine(edge.text, { class: `shape${edge.fault ? " fault" : ""}`, x: x + 5, y: y + 11 }));
  }
  return drawn;
}

// Where the states of a scan go back, along the frame: from where a turn ends to where it begins.
function drawReturn(parent) {
  const begin = parent.children[0], end = parent.children.at(-1);
  const leave = end.left + end.w / 4, low = end.top + end.h + 5, near = parent.left + 5;
  const back = begin.left + begin.w / 4, top = parent.top + parent.head.h + 5;
  const points = [[leave, low - 5], [leave, low], [near, low], [near, top], [back, top], [back, begin.top]];
  return make("path", { class: "edge training", d: rounded(points), "marker-end": "url(#tip)" });
}

function drawInto(parent, boxes, edges) {
  for (const child of parent.children) {
    boxes.append(drawBox(child));
    if (isOpen(child)) drawInto(child, boxes, edges);
  }
  for (const edge of data.layouts[parent.layout].edges) edges.append(...drawEdge(parent, edge));
  if (parent.returns) edges.append(drawReturn(parent));
}

function draw() {
  measure(root());
  place(root(), 0, 0);
  prepareColours();
  const boxes = make("g"), edges = make("g");
  drawInto(root(), boxes, edges);
  $("boxes").replaceChildren(...boxes.childNodes);
  $("edges").replaceChildren(...edges.childNodes);
  drawLegend();
}

// --- colours ---------------------------------------------------------------------------------------------------------

// Cividis (Nuñez, Anderton and Renslow, 2018), made to be read with and without colour vision.
const SCALE = [[0, 34, 78], [53, 69, 108], [102, 105, 112], [148, 142, 119], [200, 184, 102], [254, 232, 56]];
const MEASURES = {
  params: { label: "Parameters", unit: "" },
  macs: { label: "MACs", unit: "" },
  memory: { label: "Memory of its results", unit: "B" },
  field: { label: "Receptive field", unit: "" },
};
let range = null;

function prepareColours() {
  range = null;
  if (state.colour === "family") return;
  const folded = [...visible()].filter((box) => !isOpen(box));
  const values = folded.map((box) => box[state.colour]).filter((value) => value !== null);
  range = values.length ? Math.max(...values) : null;
}

function mix(share) {
  const at = Math.min(Math.max(share, 0), 1) * (SCALE.length - 1), low = Math.min(Math.floor(at), SCALE.length - 2);
  const [r, g, b] = SCALE[low].map((from, i) => Math.round(from + (SCALE[low + 1][i] - from) * (at - low)));
  return { fill: `rgb(${r} ${g} ${b})`, ink: 0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#111" : "#fff" };
}

function colourOf(box) {
  if (state.colour === "family") return null;
  const value = box[state.colour];
  return value === null || !range ? { fill: "var(--blank)", ink: "var(--text)" } : mix(Math.sqrt(value / range));
}

function scaled(value, unit = "") {
  for (const [prefix, size] of [["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
    if (value >= size) return `${+(value / size).toPrecision(3)} ${prefix}${unit}`.trim();
  }
  return `${value} ${unit}`.trim();
}

function drawLegend() {
  const legend = $("legend");
  if (state.colour === "family") {
    const used = new Map();
    for (const box of visible()) {
      if (!isOpen(box) && box.family in data.families) used.set(data.families[box.family], box.family);
    }
    const key = ([label, name]) => html("span", { class: "key" }, html("i", { class: `swatch f-${name}` }), label);
    legend.replaceChildren(...[...used].map(key));
    return;
  }
  const { label, unit } = MEASURES[state.colour];
  if (range === null) {
    legend.replaceChildren(html("span", { class: "key" }, `${label}: the sizes are open`));
    return;
  }
  const strip = html("span", { class: "strip" });
  for (let i = 0; i < 24; i++) {
    const cell = html("i");
    cell.style.background = mix(i / 23).fill;
    strip.append(cell);
  }
  const [name, least, most] = [label, "0", scaled(range, unit)].map((text) => html("span", {}, text));
  legend.replaceChildren(name, least, strip, most);
}
