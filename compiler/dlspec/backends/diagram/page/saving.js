// --- as a file, and on paper -----------------------------------------------------------------------------------------

const MOST_PIXELS = 16000;
const STROKED = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity"];
const WRITTEN = ["font-family", "font-size", "font-weight", "paint-order"];
const AROUND = 16;

// A part of the picture as an SVG that needs no style sheet, in the colours of the theme: all of `inside`, or everything.
function pictureOf(part, inside = null) {
  const { chosen } = state, w = part.right - part.left, h = part.bottom - part.top;
  state.chosen = null;
  const around = inside ? [{ children: [inside], layout: 0, lines: [] }] : undefined;
  const { boxes, edges } = elementsIn(part, 1, (box) => drawBox(box), around);
  settle($("boxes"), boxes);
  settle($("edges"), edges);
  const [x, y] = [part.left, part.top];
  const svg = make("svg", { xmlns: SVG, viewBox: `${x} ${y} ${w} ${h}`, width: w, height: h });
  const ground = getComputedStyle(document.documentElement).getPropertyValue("--page");
  const title = make("title");
  title.textContent = inside ? `${data.network}: ${inside.path || inside.name}` : data.network;
  svg.append(title, styled(canvas.querySelector("defs")), make("rect", { x, y, width: w, height: h, fill: ground }));
  svg.append(...[...boxes, ...edges].map(styled));
  state.chosen = chosen;
  drawn = null;
  look();
  return svg;
}

// A copy of an element with its style as attributes.
function styled(element) {
  if (element.nodeType === Node.TEXT_NODE) return element.cloneNode();
  if (element.matches(".fold")) return "";
  const copy = document.createElementNS(SVG, element.tagName), style = getComputedStyle(element);
  for (const { name, value } of element.attributes) {
    if (!/^(class|style|role|tabindex|data-.*|aria-.*)$/.test(name)) copy.setAttribute(name, value);
  }
  if (!["g", "defs", "marker"].includes(element.tagName)) {
    for (const name of element.closest("text") ? [...STROKED, ...WRITTEN] : STROKED) {
      const [text, opacity] = plainColour(style.getPropertyValue(name));
      if (text !== "normal") copy.setAttribute(name, text);
      if (opacity < 1) copy.setAttribute(`${name}-opacity`, opacity);
    }
    if (element.tagName === "text") copy.setAttributeNS("http://www.w3.org/XML/1998/namespace", "xml:space", "preserve");
  }
  copy.append(...[...element.childNodes].map(styled));
  return copy;
}

// A colour as every reader of SVG knows it, and its opacity: rgb(), rgba() and color(srgb ...) are what browsers compute.
function plainColour(text) {
  const found = /^(rgba?|color)\((srgb )?([^)]*)\)$/.exec(text);
  if (!found) return [text, 1];
  const numbers = found[3].split(/[\s,/]+/).map(Number), scale = found[2] ? 255 : 1;
  const hex = numbers.slice(0, 3).map((part) => Math.round(part * scale).toString(16).padStart(2, "0"));
  return [`#${hex.join("")}`, numbers[3] ?? 1];
}

function partOf(what) {
  const widened = ({ left, top, right, bottom }) =>
    ({ left: left - AROUND, top: top - AROUND, right: right + AROUND, bottom: bottom + AROUND });
  if (what === "view") return [inWindow(), null];
  if (what === "chosen") return [widened(placeOf(state.chosen)), state.chosen];
  return [widened(placeOf(root())), null];
}

const asText = (svg) => `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(svg)}`;

// What is seen or chosen, as a file: "svg" or "png". A view is as large as it is on the screen, a PNG has twice the pixels.
async function fileOf(kind, what) {
  const [part, inside] = partOf(what), svg = pictureOf(part, inside);
  const scale = what === "view" ? state.view.k : 1;
  const [w, h] = ["width", "height"].map((side) => Math.ceil(svg.getAttribute(side) * scale));
  svg.setAttribute("width", w);
  svg.setAttribute("height", h);
  const text = asText(svg);
  if (kind === "svg") return new Blob([text], { type: "image/svg+xml" });
  const sharp = Math.min(2, MOST_PIXELS / Math.max(w, h), Math.sqrt(2 ** 27 / (w * h)));
  if (sharp < 1) throw new Error(`${w} by ${h} pixels are more than a PNG can have here: save SVG, or what is in view`);
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  const surface = html("canvas", { width: Math.round(w * sharp), height: Math.round(h * sharp) });
  surface.getContext("2d").drawImage(image, 0, 0, surface.width, surface.height);
  return new Promise((done, fail) => {
    surface.toBlob((blob) => (blob ? done(blob) : fail(new Error("this browser made no PNG of it: save SVG"))), "image/png");
  });
}

async function save(kind) {
  const what = document.querySelector("#saving input:checked").value;
  $("saved").textContent = "";
  try {
    const blob = await fileOf(kind, what);
    const name = what === "chosen" ? `${data.network}-${state.chosen.path || state.chosen.name}` : data.network;
    const link = html("a", { href: URL.createObjectURL(blob), download: `${name.replace(/[^\w.-]+/g, "_")}.${kind}` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    $("saved").textContent = `saved ${link.download}`;
  } catch (error) {
    $("saved").textContent = error.message;
  }
}

function saving(show) {
  $("saving").hidden = !show;
  $("saved").textContent = "";
  const chosen = document.querySelector('#saving input[value="chosen"]');
  chosen.disabled = !state.chosen;
  if (!state.chosen && chosen.checked) document.querySelector('#saving input[value="all"]').checked = true;
  $(show ? "save-svg" : "canvas").focus();
}

$("open-saving").addEventListener("click", () => saving($("saving").hidden));
$("close-saving").addEventListener("click", () => saving(false));
$("save-svg").addEventListener("click", () => save("svg"));
$("save-png").addEventListener("click", () => save("png"));

// Paper is white, and as wide as it is. What would be too small to read on one page goes on over several, and those end
// between boxes where they can.
const PAGE = { w: 700, h: 880 };
let screenTheme = null;

function pages() {
  const all = partOf("all")[0], w = all.right - all.left;
  const k = Math.min(1, PAGE.w / w), high = PAGE.h / k;
  if (PAGE.h / (all.bottom - all.top) >= READABLE) return [all];
  const ends = [...visible()].filter((box) => !isOpen(box));
  const parts = [];
  for (let top = all.top; top < all.bottom; ) {
    const limit = top + high;
    const cut = ends.filter((box) => box.top < limit && box.top + box.h > limit).map((box) => box.top - 8);
    const bottom = limit >= all.bottom ? all.bottom : Math.max(Math.min(limit, ...cut), top + high / 2);
    parts.push({ ...all, top, bottom });
    top = bottom;
  }
  return parts;
}

addEventListener("beforeprint", () => {
  screenTheme = document.documentElement.dataset.theme;
  theme("light");
  draw();
  $("paper").replaceChildren(...pages().map((part) => pictureOf(part)));
});
addEventListener("afterprint", () => {
  $("paper").replaceChildren();
  theme(screenTheme);
  draw();
});
