// The page of a network. Everything it shows is in the JSON of the element "data"; it asks for nothing else.
//
//   places.js   the boxes (a tree), what is open, and where everything is
//   picture.js  a box or an edge as an element
//   colours.js  what boxes are coloured by
//   view.js     what is in the window, and only that, as elements; pan and zoom
//   panel.js    what is told of the chosen box
//   address.js  what is open, chosen and coloured, in the address of the page
//   saving.js   the picture as SVG and PNG, and on paper
//   page.js     what the reader does: opening, search, keys
//
// They are one script in the page, in this order.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const $ = (id) => document.getElementById(id);

let data = JSON.parse($("data").textContent);
const state = { open: new Set(), chosen: null, colour: "family", query: "", view: { x: 0, y: 0, k: 1 } };

// --- the tree --------------------------------------------------------------------------------------------------------

let byId = new Map();

function index() {
  byId = new Map();
  data.boxes.forEach((box, i) => {
    box.index = i;
    box.level ??= 0;
    box.nesting ??= 0;
    byId.set(box.id, box);
    box.children = box.children.map((child) => {
      const inner = data.boxes[child];
      inner.parent = box;
      inner.level = box.level + (isLoop(inner) ? 0 : 1);
      inner.nesting = box.nesting + 1;
      return inner;
    });
    box.found = [box.path, box.title, box.name, box.call, ...box.turns, ...box.shapes].join("\n").toLowerCase();
    box.foundTight = box.found.replace(/[ \t]/g, "");
  });
}

const root = () => data.boxes[0];
const foldable = (box) => box.children.length > 0 && box !== root();
const isOpen = (box) => box === root() || state.open.has(box.id);
const isLoop = (box) => box.kind === "repeat" || box.kind === "scan";
const shown = (box) => !box.parent || (isOpen(box.parent) && shown(box.parent));

function* inside(box) {
  for (const child of box.children) {
    yield child;
    yield* inside(child);
  }
}

function* visible(box = root()) {
  for (const child of box.children) {
    yield child;
    if (isOpen(child)) yield* visible(child);
  }
}

// Whether a block is open in a picture of that depth, as `dlspec draw --depth` counts it.
const opensAt = (box, depth) => foldable(box) && (isLoop(box) || box.level < depth);
const deepest = () => Math.max(1, ...data.boxes.filter(foldable).map((box) => box.level + 1));

function openTo(depth) {
  state.open = new Set(data.boxes.filter((box) => opensAt(box, depth)).map((box) => box.id));
}

// --- places ----------------------------------------------------------------------------------------------------------

// A monotone map of a block's coordinates that makes room: `spans` are [from, to, length], and from..to becomes at least
// as long as length. Order stays, and so does the shape of all that is not beside an open child.
function stretched(spans) {
  const marks = [...new Set(spans.flatMap(([from, to]) => [from, to]))].sort((a, b) => a - b);
  const steps = marks.map((mark, i) => {
    const next = marks[i + 1];
    const over = next === undefined ? [] : spans.filter(([from, to]) => from <= mark && next <= to);
    return { mark, rate: Math.max(1, ...over.map(([from, to, length]) => length / (to - from))) };
  });
  let moved = 0;
  steps.forEach((step, i) => {
    step.at = step.mark + moved;
    if (i + 1 < steps.length) moved += (steps[i + 1].mark - step.mark) * (step.rate - 1);
  });
  return (x) => {
    let low = 0, high = steps.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (steps[middle].mark <= x) low = middle + 1;
      else high = middle;
    }
    if (!low) return x;
    const step = steps[low - 1];
    return step.at + (x - step.mark) * (low === steps.length ? 1 : step.rate);
  };
}

// Gives the box its size, and everything drawn in it a place relative to it: box.w, box.h, child.x, child.y.
function measure(box) {
  if (!isOpen(box)) {
    box.w = box.look.w;
    box.h = box.look.h;
    return;
  }
  const layout = data.layouts[box.layout];
  const wide = [], high = [];
  box.children.forEach((child, i) => {
    measure(child);
    const [x, y] = layout.boxes[i];
    if (isOpen(child)) {
      const middle = x + child.look.w / 2;
      wide.push([x, middle, axis(child)], [middle, x + child.look.w, child.w - axis(child)]);
      high.push([y, y + child.look.h, child.h]);
    }
  });
  const across = stretched(wide), down = stretched(high);
  box.w = across(layout.w);
  box.h = down(layout.h);
  box.map = (x, y) => [across(x), down(y)];
  box.children.forEach((child, i) => {
    const [x, y] = layout.boxes[i];
    child.x = across(x + child.look.w / 2) - axis(child);
    child.y = (down(y) + down(y + child.look.h) - child.h) / 2;
  });
}

// How far from its left side the flow enters a box: that is what stays in line when it is opened.
const axis = (box) => {
  const entry = isOpen(box) ? data.layouts[box.layout].ins[0] : undefined;
  return entry === undefined ? box.w / 2 : box.map(entry, 0)[0];
};

function place(box, x, y) {
  box.left = x;
  box.top = y;
  if (isOpen(box)) for (const child of box.children) place(child, x + child.x, y + child.y);
}

// Where an edge touches a box: `at` is how far along its side, from 0 to 1, as in the layout of the folded box. An open
// box is entered and left where its own layout says.
function port(box, kind, number, at) {
  const y = kind === "ins" ? box.top : box.top + box.h + (box.count > 1 && !isOpen(box) ? data.stack : 0);
  const x = isOpen(box) ? box.map(data.layouts[box.layout][kind][number], 0)[0] : at * box.w;
  return [box.left + x, y];
}
