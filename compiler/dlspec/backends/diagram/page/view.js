// --- what is in the window -------------------------------------------------------------------------------------------

const canvas = $("canvas");
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

// Below this scale texts are no more than marks, and boxes are drawn as frames.
const PLAIN = 0.33;
// What is inside an open block is drawn where the block is larger than this many pixels.
const TINY = 12;
// The least scale at which a picture is shown whole, below which nobody can read it, and that at which it is read with ease.
const READABLE = 0.45, EASY = 0.7;

const frame = { w: 0, h: 0 };
// The part of the picture that has elements, and its scale.
let drawn = null;

const meets = (one, other) =>
  one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
const placeOf = (box) => ({
  left: box.left, top: box.top, right: box.left + box.w + 8, bottom: box.top + box.h + data.stack,
});
const isAround = (box, inner) => {
  for (let at = inner?.parent; at; at = at.parent) if (at === box) return true;
  return false;
};

// After a change of what is open or how it is coloured: everything has another place or look.
function draw() {
  measure(root());
  place(root(), 0, 0);
  for (const box of data.boxes) box.element = box.lines = box.outline = null;
  prepareColours();
  drawn = null;
  look();
  drawLegend();
}

// The part of the picture that is in the window.
function inWindow() {
  const { x, y, k } = state.view;
  return { left: -x / k, top: -y / k, right: (frame.w - x) / k, bottom: (frame.h - y) / k };
}

function look() {
  const { x, y, k } = state.view, seen = inWindow();
  $("scene").setAttribute("transform", `translate(${x} ${y}) scale(${k})`);
  $("zoom").textContent = `${Math.round(k * 100)} %`;
  const enough = drawn && seen.left >= drawn.left && seen.top >= drawn.top && seen.right <= drawn.right &&
    seen.bottom <= drawn.bottom && k < 2 * drawn.k && (k < PLAIN) === (drawn.k < PLAIN);
  if (!enough) drawPart(seen, k);
}

// Gives what is in a part of the picture its elements, and a quarter of it around, so that a drag finds it there.
function drawPart(seen, k) {
  const across = (seen.right - seen.left) / 4, down = (seen.bottom - seen.top) / 4;
  drawn = { left: seen.left - across, top: seen.top - down, right: seen.right + across, bottom: seen.bottom + down, k };
  const { boxes, edges } = elementsIn(drawn, k, elementOf);
  settle($("boxes"), boxes);
  settle($("edges"), edges);
}

// The elements of what is in a part of the picture, in the order of drawing. `made` gives that of a box.
function elementsIn(part, k, made, around = [root()]) {
  const boxes = [], edges = [], plain = k < PLAIN;
  const enter = (parent) => {
    for (const box of parent.children) {
      const kept = box === state.chosen || isAround(box, state.chosen);
      if (!kept && !meets(placeOf(box), part)) continue;
      boxes.push(made(box, plain));
      if (isOpen(box) && (kept || Math.max(box.w, box.h) * k > TINY)) enter(box);
    }
    if (plain) edges.push(outlineOf(parent));
    else for (const line of linesOf(parent)) if (meets(line, part)) edges.push(...(line.elements ??= drawLine(line)));
  };
  around.forEach(enter);
  return { boxes, edges };
}

function elementOf(box, plain) {
  if (!box.element || box.plain !== plain) {
    box.element = drawBox(box, plain);
    box.plain = plain;
  }
  return box.element;
}

// All edges of a block as one element, for where they are too small to be told apart.
function outlineOf(parent) {
  const path = (line) => `M${line.points.map(([x, y]) => `${x} ${y}`).join("L")}`;
  return (parent.outline ??= make("path", { class: "edge", d: linesOf(parent).map(path).join("") }));
}

// Puts elements into a group, in order, and touches none that is there already.
function settle(group, elements) {
  const wanted = new Set(elements);
  for (const element of [...group.children]) if (!wanted.has(element)) element.remove();
  let at = group.firstChild;
  for (const element of elements) {
    if (element === at) at = at.nextSibling;
    else group.insertBefore(element, at);
  }
}

// After a search or a choice: the elements stay, and have other classes.
function dress() {
  for (const element of $("boxes").children) {
    const box = data.boxes[element.dataset.index], wanted = classes(box);
    if (element.getAttribute("class") !== wanted) element.setAttribute("class", wanted);
  }
}

// --- pan and zoom ----------------------------------------------------------------------------------------------------

// Moves of a pointer and turns of a wheel come more often than frames.
let looking = 0;
function lookSoon() {
  looking ||= requestAnimationFrame(() => {
    looking = 0;
    look();
  });
}

function zoomAt(factor, x = frame.w / 2, y = frame.h / 2, soon = false) {
  const { view } = state;
  const k = clamp(view.k * factor, 0.01, 8), by = k / view.k;
  Object.assign(view, { k, x: x - (x - view.x) * by, y: y - (y - view.y) * by });
  if (soon) lookSoon();
  else look();
}

const wholeScale = () => Math.min(frame.w / (root().w + 40), frame.h / (root().h + 40), 1.5);

// The whole of it where it can be read then, else its width and its beginning.
function fit() {
  if (wholeScale() >= READABLE) return overview();
  const k = clamp(frame.w / (root().w + 40), 0.35, 1);
  Object.assign(state.view, { k, x: (frame.w - root().w * k) / 2, y: 20 });
  return look();
}

function overview() {
  const k = wholeScale();
  Object.assign(state.view, { k, x: (frame.w - root().w * k) / 2, y: (frame.h - root().h * k) / 2 });
  look();
}

// Opens blocks as deep as they are read with ease when all of it is shown.
function openToFit() {
  for (let depth = deepest(); depth > 0; depth--) {
    openTo(depth);
    measure(root());
    if (wholeScale() >= EASY) return;
  }
}

function bring(box) {
  const { view } = state, { w, h } = frame, edge = Math.min(60, w / 8, h / 8);
  const left = view.x + box.left * view.k, top = view.y + box.top * view.k;
  const right = left + box.w * view.k, bottom = top + Math.min(box.h * view.k, h - 2 * edge);
  if (left < edge || right > w - edge) view.x += right - left > w - 2 * edge ? edge - left : w / 2 - (left + right) / 2;
  if (top < edge || bottom > h - edge) view.y += h / 3 - top;
  look();
}

const pointers = new Map();
let dragged = false;

canvas.addEventListener("pointerdown", (event) => {
  pointers.set(event.pointerId, [event.clientX, event.clientY]);
  dragged = false;
});
canvas.addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const now = [event.clientX, event.clientY];
  const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
  const dx = now[0] - before[0], dy = now[1] - before[1];
  if (!dragged && Math.hypot(dx, dy) < 4) return;
  if (!dragged) canvas.setPointerCapture(event.pointerId);
  dragged = true;
  pointers.set(event.pointerId, now);
  if (other) {
    const corner = canvas.getBoundingClientRect();
    const far = (at) => Math.hypot(at[0] - other[0], at[1] - other[1]) || 1;
    const [x, y] = [(now[0] + other[0]) / 2 - corner.left, (now[1] + other[1]) / 2 - corner.top];
    zoomAt(far(now) / far(before), x, y, true);
  } else {
    state.view.x += dx;
    state.view.y += dy;
    lookSoon();
  }
});
for (const name of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(name, (event) => pointers.delete(event.pointerId));
}
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const corner = canvas.getBoundingClientRect(), rate = event.deltaMode ? 0.05 : 0.0016;
  zoomAt(Math.exp(-event.deltaY * rate), event.clientX - corner.left, event.clientY - corner.top, true);
}, { passive: false });

function sizeFrame() {
  frame.w = canvas.clientWidth;
  frame.h = canvas.clientHeight;
}

new ResizeObserver(() => {
  sizeFrame();
  if (state.chosen) bring(state.chosen);
  else look();
}).observe(canvas);
