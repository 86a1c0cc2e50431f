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
  state.chosen?.element?.setAttribute("tabindex", -1);
  state.chosen = box;
  if (box && !box.element?.isConnected) {
    drawn = null;
    look();
  }
  dress();
  box?.element?.setAttribute("tabindex", 0);
  if (focus) box?.element?.focus({ preventScroll: true });
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

// --- search ----------------------------------------------------------------------------------------------------------

const MOST_FOUND = 100;

// Says of each box whether it is found, and whether something inside it is.
function find(query) {
  const text = query.toLowerCase().trim(), tight = text.replace(/\s/g, "").replace(/(\d)[x×](?=\d)/g, "$1,");
  for (const box of data.boxes) {
    box.hit = box !== root() && (box.found.includes(text) || box.foundTight.includes(tight));
    box.holds = false;
  }
  for (const box of data.boxes.filter((box) => box.hit)) {
    for (let around = box.parent; around && !around.holds; around = around.parent) around.holds = true;
  }
  return data.boxes.filter((box) => box.hit);
}

function resultOf(box) {
  const item = html("li", { role: "option", tabindex: -1 }, html("b", {}, box.path || box.name), " ", box.call);
  item.addEventListener("click", () => reveal(box));
  item.addEventListener("keydown", (event) => {
    const to = { ArrowDown: item.nextElementSibling, ArrowUp: item.previousElementSibling ?? $("search") }[event.key];
    if (event.key === "Enter") item.click();
    else if (to) to.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return item;
}

function search() {
  state.query = $("search").value.trim() ? $("search").value : "";
  const found = state.query ? find(state.query) : [];
  const more = found.length > MOST_FOUND ? [html("li", { class: "hint" }, `and ${found.length - MOST_FOUND} more`)] : [];
  $("results").replaceChildren(...found.slice(0, MOST_FOUND).map(resultOf), ...more);
  $("results").hidden = !state.query;
  $("search").setAttribute("aria-expanded", Boolean(state.query));
  $("count").textContent = state.query ? `${found.length} found` : "";
  dress();
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
    if (!$("saving").hidden) return saving(false);
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
  showPanel(null); // it takes room
  sizeFrame();
  let chosen = state.chosen && byId.get(state.chosen.id);
  if (!again) {
    if (data.fits) openToFit();
    else state.open = new Set(data.boxes.filter((box) => box.open && foldable(box)).map((box) => box.id));
    firstAddress = addressOf();
    if (location.hash) chosen = recall(location.hash.slice(1));
  }
  if (state.query) find(state.query);
  draw();
  choose(chosen && shown(chosen) ? chosen : null, false);
  if (again) return look();
  sizeFrame();
  fit();
  if (state.chosen) bring(state.chosen);
  else if (fault) reveal(fault);
  return undefined;
}

theme(data.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
begin(false);

if (data.live) {
  new EventSource(`events?${data.version}`).addEventListener("drawn", async () => {
    data = await (await fetch("data.json", { cache: "no-store" })).json();
    begin(true);
  });
}
