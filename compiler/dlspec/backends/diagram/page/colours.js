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

// The relative luminance of WCAG 2. On a ground up to 0.179, where both are as far away, white is the ink to read, else black.
const lightness = (rgb) => {
  const [r, g, b] = rgb.map((byte) => (byte <= 10 ? byte / 3294.6 : ((byte / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};

function mix(share) {
  const at = Math.min(Math.max(share, 0), 1) * (SCALE.length - 1), low = Math.min(Math.floor(at), SCALE.length - 2);
  const [r, g, b] = SCALE[low].map((from, i) => Math.round(from + (SCALE[low + 1][i] - from) * (at - low)));
  return { fill: `rgb(${r} ${g} ${b})`, ink: lightness([r, g, b]) > 0.179 ? "#000" : "#fff" };
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
