// --- pan and zoom ----------------------------------------------------------------------------------------------------

const canvas = $("canvas");
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

function look() {
  const { x, y, k } = state.view;
  $("scene").setAttribute("transform", `translate(${x} ${y}) scale(${k})`);
  $("zoom").textContent = `${Math.round(k * 100)} %`;
}

function zoomAt(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
  const { view } = state;
  const k = clamp(view.k * factor, 0.01, 8), by = k / view.k;
  Object.assign(view, { k, x: x - (x - view.x) * by, y: y - (y - view.y) * by });
  look();
}

// The whole of it where it can be read then, else its width and its beginning.
function fit() {
  const { clientWidth: w, clientHeight: h } = canvas, { w: W, h: H } = root();
  const all = Math.min(w / (W + 40), h / (H + 40), 1.5);
  const k = all >= 0.45 ? all : clamp(w / (W + 40), 0.2, 1);
  Object.assign(state.view, { k, x: (w - W * k) / 2, y: all >= 0.45 ? (h - H * k) / 2 : 20 });
  look();
}

function overview() {
  const { clientWidth: w, clientHeight: h } = canvas, { w: W, h: H } = root();
  const k = Math.min(w / (W + 40), h / (H + 40), 1.5);
  Object.assign(state.view, { k, x: (w - W * k) / 2, y: (h - H * k) / 2 });
  look();
}

function bring(box) {
  const { view } = state, { clientWidth: w, clientHeight: h } = canvas, edge = 60;
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
    const frame = canvas.getBoundingClientRect();
    const far = (at) => Math.hypot(at[0] - other[0], at[1] - other[1]) || 1;
    zoomAt(far(now) / far(before), (now[0] + other[0]) / 2 - frame.left, (now[1] + other[1]) / 2 - frame.top);
  } else {
    state.view.x += dx;
    state.view.y += dy;
    look();
  }
});
for (const name of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(name, (event) => pointers.delete(event.pointerId));
}
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const frame = canvas.getBoundingClientRect();
  zoomAt(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), event.clientX - frame.left, event.clientY - frame.top);
}, { passive: false });

// --- opening and choosing --------------------------------------------------------------------------------------------

// What is changed stays where it was on the screen.
function change(box, action) {
  const { view } = state;
  const x = box.left + box.w / 2, y = box.top;
  action();
  draw();
  view.x += (x - box.left - box.w / 2) * view.k;
  view.y += (y - box.top) * view.k;
  look();
}

function toggle(box, open = !isOpen(box)) {
  if (!foldable(box)) return;
  change(box, () => (open ? state.open.add(box.id) : state.open.delete(box.id)));
  if (!open && state.chosen && !shown(state.chosen)) choose(box);
  else choose(state.chosen);
}

function openAll(open) {
  for (const box of data.boxes) {
    if (open && foldable(box)) state.open.add(box.id);
    else state.open.delete(box.id);
  }
  draw();
  fit();
  choose(state.chosen && shown(state.chosen) ? state.chosen : null);
}

function choose(box, focus = true) {
  state.chosen?.element?.classList.remove("chosen");
  state.chosen?.element?.setAttribute("tabindex", -1);
  state.chosen = box;
  if (box?.element) {
    box.element.classList.add("chosen");
    box.element.setAttribute("tabindex", 0);
    if (focus) box.element.focus({ preventScroll: true });
  }
  showPanel(box);
}

// Opens what is around a box, and shows it.
function reveal(box) {
  for (let around = box.parent; around; around = around.parent) if (foldable(around)) state.open.add(around.id);
  draw();
  choose(box, false);
  bring(box);
}

canvas.addEventListener("click", (event) => {
  if (dragged) return;
  const element = event.target.closest(".box");
  if (!element) return choose(null);
  const box = data.boxes[element.dataset.index];
  choose(box);
  if (foldable(box)) toggle(box);
});

// --- the panel -------------------------------------------------------------------------------------------------------

function section(title, ...children) {
  return html("section", {}, html("h3", {}, title), ...children);
}

function table(heads, rows) {
  const row = (cells, name) => html("tr", {}, ...cells.map((cell) => html(name, {}, String(cell))));
  return html("table", {}, html("thead", {}, row(heads, "th")), html("tbody", {}, ...rows.map((cells) => row(cells, "td"))));
}

function facts(pairs) {
  const known = pairs.filter(([, text]) => text);
  return html("dl", {}, ...known.flatMap(([name, text]) => [html("dt", {}, name), html("dd", {}, text)]));
}

function sourceOf({ where, lines }) {
  const code = html("pre");
  for (const [number, before, marked, after] of lines) {
    const margin = html("span", { class: "number" }, `${`${number}`.padStart(4)}  `);
    code.append(margin, before, html("mark", {}, marked), after, "\n");
  }
  return section("Source", html("p", { class: "where" }, where), code);
}

function showPanel(box) {
  const panel = $("about");
  $("panel").classList.toggle("empty", !box);
  if (!box) {
    const hint = html("p", { class: "hint" }, "Choose a box to see its source, weights and costs.");
    panel.replaceChildren(html("h2", {}, data.network), facts(data.facts), hint);
    return;
  }
  const info = box.info;
  const parts = [html("h2", {}, box.title || box.name), html("p", { class: "call" }, box.call)];
  if (box.message) parts.push(html("p", { class: "wrong" }, box.message));
  if (foldable(box)) {
    const button = html("button", { type: "button", id: "fold" }, isOpen(box) ? "Close (Esc)" : "Open (Enter)");
    button.addEventListener("click", () => toggle(box));
    parts.push(button);
  }
  const [input, output] = [info.inputs, info.outputs].map((types) => types.join("\n"));
  parts.push(facts([["Path", box.path], ["Repeated", times(box)], ["Input", input], ["Output", output]]));
  const formula = info.formula.map((line) => html("code", { class: "formula" }, line));
  if (formula.length) parts.push(section("Shape", ...formula));
  if (info.costs.length) parts.push(section("Costs", facts(info.costs)));
  if (info.field.length) parts.push(section("Receptive field", facts(info.field)));
  if (info.arguments.length) parts.push(section("Arguments", facts(info.arguments)));
  const weights = [...info.weights, ...[...inside(box)].flatMap((child) => child.info.weights)];
  if (weights.length) parts.push(section("Weights", table(["Name", "Shape", "Elements"], weights)));
  parts.push(sourceOf(info.source));
  panel.replaceChildren(...parts);
  $("panel").scrollTop = 0;
}

// --- search ----------------------------------------------------------------------------------------------------------

function matches(box) {
  const query = state.query.toLowerCase().trim();
  return box.found.includes(query) || box.foundTight.includes(query.replace(/\s/g, "").replace(/(\d)[x×](?=\d)/g, "$1,"));
}

function search() {
  state.query = $("search").value.trim() ? $("search").value : "";
  const found = state.query ? [...inside(root())].filter(matches) : [];
  const list = $("results");
  list.replaceChildren(...found.slice(0, 200).map((box) => {
    const item = html("li", { role: "option", tabindex: -1 }, html("b", {}, box.path || box.name), " ", box.call);
    item.addEventListener("click", () => reveal(box));
    item.addEventListener("keydown", (event) => {
      const to = { ArrowDown: item.nextElementSibling, ArrowUp: item.previousElementSibling ?? $("search") }[event.key];
      if (event.key === "Enter") reveal(box);
      else if (to) to.focus();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    return item;
  }));
  list.hidden = !state.query;
  $("search").setAttribute("aria-expanded", !list.hidden);
  $("count").textContent = state.query ? `${found.length} found` : "";
  draw();
  choose(state.chosen, false);
}

$("search").addEventListener("input", search);
$("search").addEventListener("keydown", (event) => {
  event.stopPropagation();
  const first = $("results").firstElementChild;
  if (event.key === "ArrowDown") first?.focus();
  else if (event.key === "Enter") first?.click();
  else if (event.key === "Escape") endSearch();
  else return;
  event.preventDefault();
});

function endSearch() {
  $("search").value = "";
  search();
  (state.chosen?.element ?? canvas).focus();
}

// --- the keyboard ----------------------------------------------------------------------------------------------------

// Along an edge: from the chosen box, or from the box around it where the edge leaves that.
function along(box, forward) {
  for (let at = box; at?.parent; at = at.parent) {
    const own = at.parent.children.indexOf(at);
    const edges = data.layouts[at.parent.layout].edges.filter((edge) => (forward ? edge.source : edge.target) === own);
    const next = edges.filter((edge) => (forward ? edge.target : edge.source) !== null).sort((a, b) => b.main - a.main)[0];
    if (next) return at.parent.children[forward ? next.target : next.source];
  }
  return null;
}

// The nearest box to the left or right that is level with this one, else the nearest at all on that side.
function beside(box, right) {
  const x = box.left + box.w / 2, y = box.top + box.h / 2;
  const there = (other) => (other.left + other.w / 2 - x) * (right ? 1 : -1) > 1;
  const others = [...visible()].filter((other) => other !== box && !isOpen(other) && there(other));
  const far = (other) => Math.abs(other.left + other.w / 2 - x) + 4 * Math.abs(other.top + other.h / 2 - y);
  return others.sort((a, b) => far(a) - far(b))[0];
}

function go(box) {
  if (!box) return;
  choose(box);
  bring(box);
}

const KEYS = {
  ArrowDown: () => go(state.chosen ? along(state.chosen, true) : root().children[0]),
  ArrowUp: () => go(state.chosen ? along(state.chosen, false) : root().children.at(-1)),
  ArrowRight: () => go(state.chosen && beside(state.chosen, true)),
  ArrowLeft: () => go(state.chosen && beside(state.chosen, false)),
  Enter: () => {
    const box = state.chosen;
    if (!box || !foldable(box)) return;
    if (isOpen(box)) go(box.children[0]);
    else toggle(box, true);
  },
  Escape: () => {
    const box = state.chosen;
    if (!$("help").hidden) return help(false);
    if (!box) return;
    if (foldable(box) && isOpen(box)) toggle(box, false);
    else if (box.parent && box.parent !== root()) {
      toggle(box.parent, false);
      bring(state.chosen);
    } else choose(null);
  },
  "/": () => $("search").focus(),
  "+": () => zoomAt(1.25),
  "=": () => zoomAt(1.25),
  "-": () => zoomAt(0.8),
  0: fit,
  "?": () => help($("help").hidden),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select, input, button:not(.box)")) {
    if (event.key !== "Escape" || event.target.closest("select, input")) return;
  }
  const action = KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

function help(show) {
  $("help").hidden = !show;
  ($(show ? "close-help" : "canvas")).focus();
}

// --- the bar above ---------------------------------------------------------------------------------------------------

function theme(name) {
  document.documentElement.dataset.theme = name;
  $("theme").setAttribute("aria-pressed", name === "dark");
}

$("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
$("colour").addEventListener("change", (event) => {
  state.colour = event.target.value;
  draw();
  choose(state.chosen, false);
});
$("in").addEventListener("click", () => zoomAt(1.25));
$("out").addEventListener("click", () => zoomAt(0.8));
$("fit").addEventListener("click", overview);
$("unfold").addEventListener("click", () => openAll(true));
$("collapse").addEventListener("click", () => openAll(false));
$("open-help").addEventListener("click", () => help(true));
$("close-help").addEventListener("click", () => help(false));

// --- beginning, and beginning again where a file is watched ----------------------------------------------------------

function begin(again) {
  index();
  const fault = data.boxes.find((box) => box.kind === "fault");
  $("errors").hidden = !data.errors;
  $("wrong").textContent = data.errors ?? "";
  $("fault").hidden = !fault;
  $("fault").onclick = () => reveal(fault);
  document.title = data.network;
  if (!again) for (const box of data.boxes) if (box.open) state.open.add(box.id);
  const chosen = state.chosen && byId.get(state.chosen.id);
  draw();
  choose(chosen && shown(chosen) ? chosen : null, false);
  if (again) look();
  else fit();
  if (fault && !again) reveal(fault);
}

theme(data.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
begin(false);

if (data.live) {
  new EventSource(`events?${data.version}`).addEventListener("drawn", async () => {
    data = await (await fetch("data.json", { cache: "no-store" })).json();
    begin(true);
  });
}
