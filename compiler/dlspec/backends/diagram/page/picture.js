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

// A box, or where it is too small to be read a plain one: its frame alone.
function drawBox(box, plain = false) {
  const open = isOpen(box);
  const body = make("rect", { class: "body", width: box.w, height: box.h, rx: open ? 8 : 5 });
  const group = make("g", { class: classes(box), transform: `translate(${box.left} ${box.top})`, "data-index": box.index });
  const colour = open ? null : colourOf(box);
  if (colour) {
    body.style.fill = colour.fill;
    group.style.setProperty("--ink", colour.ink);
  }
  if (plain) group.append(body);
  else group.append(...pile(box), body, ...words(box), ...sign(box));
  if (foldable(box)) group.setAttribute("aria-expanded", open);
  group.setAttribute("role", foldable(box) ? "button" : "img");
  group.setAttribute("aria-label", spoken(box));
  group.setAttribute("tabindex", box === state.chosen ? 0 : -1);
  return group;
}

// The frames behind that of what is repeated.
function pile(box) {
  const away = box.count > 1 && !isOpen(box) ? [data.stack, data.stack / 2] : [];
  return away.map((by) => make("rect", { class: "body pile", x: by, y: by, width: box.w, height: box.h, rx: 5 }));
}

function words(box) {
  if (isOpen(box)) return textLines(box.head.lines, 9, data.padding, "start");
  const drawn = textLines(box.look.lines, box.w / 2, data.padding, "middle");
  if (box.look.bar && state.colour === "family") {
    const all = box.w - 12, place = { x: 6, y: box.h - 7, height: 3, rx: 1.5 };
    drawn.push(make("rect", { ...place, class: "bar-all", width: all }));
    drawn.push(make("rect", { ...place, class: "bar", width: Math.max(1.5, all * box.share) }));
  }
  return drawn;
}

// The plus or minus of what opens and closes.
function sign(box) {
  if (!foldable(box)) return [];
  const open = isOpen(box), at = `translate(${box.w} ${open ? 15 : box.h / 2})`;
  const strokes = make("path", { d: open ? "M-3.5 0H3.5" : "M-3.5 0H3.5M0 -3.5V3.5" });
  return [make("g", { class: "fold", transform: at }, make("circle", { r: 6.5 }), strokes)];
}

const bodyOf = (box) => (box.element ?? drawBox(box)).querySelector(".body:not(.pile)");

function classes(box) {
  const found = state.query && !box.hit ? " dim" : "";
  const within = state.query && foldable(box) && !isOpen(box) && box.holds ? " holds" : "";
  return `box k-${box.kind} f-${box.family}${isOpen(box) ? " open" : ""}${box.nesting % 2 ? " odd" : ""}` +
    `${box.training ? " training" : ""}${foldable(box) ? " foldable" : ""}${box === state.chosen ? " chosen" : ""}${within || found}`;
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

// What is drawn for the edges of an open block: the corners of each line, with its elements once there are some.
function linesOf(parent) {
  if (parent.lines) return parent.lines;
  parent.lines = data.layouts[parent.layout].edges.map((edge) => line(corners(parent, edge), edge));
  if (parent.returns) parent.lines.push(line(returning(parent), { training: true, target: 0 }));
  for (const drawn of parent.lines) {
    // What leaves an open block has its shape written inside, where that came to be.
    const { edge, points } = drawn;
    drawn.text = edge.text && !(edge.source !== null && isOpen(parent.children[edge.source])) ? points[0] : null;
  }
  return parent.lines;
}

function line(points, edge) {
  const [xs, ys] = [0, 1].map((axis) => points.map((point) => point[axis]));
  const frame = { left: Math.min(...xs), top: Math.min(...ys), right: Math.max(...xs), bottom: Math.max(...ys) };
  if (edge.text) frame.right = Math.max(frame.right, points[0][0] + 5 + edge.text.width);
  return { points, edge, ...frame };
}

function drawLine({ points, edge, text }) {
  const kind = `edge${edge.main ? " main" : ""}${edge.training ? " training" : ""}${edge.fault ? " fault" : ""}`;
  const tip = edge.target === null ? undefined : `url(#${edge.fault ? "bad" : "tip"})`;
  const drawn = [make("path", { class: kind, d: rounded(points), "marker-end": tip })];
  if (text) {
    drawn.push(textLine(edge.text, { class: `shape${edge.fault ? " fault" : ""}`, x: text[0] + 5, y: text[1] + 11 }));
  }
  return drawn;
}

// Where the states of a scan go back, along the frame: from where a turn ends to where it begins.
function returning(parent) {
  const begin = parent.children[0], end = parent.children.at(-1);
  const leave = end.left + end.w / 4, low = end.top + end.h + 5, near = parent.left + 5;
  const back = begin.left + begin.w / 4, top = parent.top + parent.head.h + 5;
  return [[leave, low - 5], [leave, low], [near, low], [near, top], [back, top], [back, begin.top]];
}
