// --- the panel -------------------------------------------------------------------------------------------------------

function section(title, ...children) {
  return html("section", {}, html("h3", {}, title), ...children);
}

function table(heads, rows) {
  const row = (cells, name) => html("tr", {}, ...cells.map((cell) => html(name, {}, String(cell))));
  return html("table", {}, html("thead", {}, row(heads, "th")), html("tbody", {}, ...rows.map((cells) => row(cells, "td"))));
}

const MOST_WEIGHTS = 300;

function weightsOf(weights) {
  const drawn = table(["Name", "Shape", "Elements"], weights.slice(0, MOST_WEIGHTS));
  const rows = [...drawn.tBodies[0].rows];
  weights.slice(0, MOST_WEIGHTS).forEach(([name], i) => {
    const known = data.tensors?.[name.replace(/ \(buffer\)$/, "")];
    if (known) rows[i].after(html("tr", { class: "values" }, html("td", { colspan: 3 }, ...valuesOf(known))));
  });
  const more = weights.length - MOST_WEIGHTS;
  return more > 0 ? [drawn, html("p", { class: "hint" }, `and ${more} more: choose a block inside to see them`)] : [drawn];
}

const short = (value) => (Number.isInteger(value) && Math.abs(value) < 1e6 ? `${value}` : `${+value.toPrecision(4)}`);

// The values of a tensor: how they are spread, and in numbers.
function valuesOf({ least, most, mean, std, zeros, odd, bins }) {
  if (least === null) return [`no finite values, ${odd.toLocaleString("en")} non-finite`];
  const high = Math.max(...bins), wide = 260 / bins.length;
  const bars = bins.map((count, i) => `M${i * wide} 36v${-34 * (count / high)}h${wide - 1}V36z`).join("");
  const label = `Histogram of the values from ${short(least)} to ${short(most)}`;
  const chart = make("svg", { viewBox: "0 0 260 37", role: "img", "aria-label": label, class: "histogram" });
  chart.append(make("path", { d: bars }), make("path", { class: "axis", d: "M0 36.5H260" }));
  const numbers = [
    ["min", short(least)], ["max", short(most)], ["mean", short(mean)], ["std", short(std)],
    ["zeros", zeros.toLocaleString("en")], ["non-finite", odd.toLocaleString("en")],
  ];
  const texts = numbers.map(([name, text]) => html("span", odd && name === "non-finite" ? { class: "wrong" } : {}, `${name} ${text}`));
  return [chart, html("div", { class: "numbers" }, ...texts)];
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
  if (weights.length) parts.push(section("Weights", ...weightsOf(weights)));
  parts.push(sourceOf(info.source));
  panel.replaceChildren(...parts);
  $("panel").scrollTop = 0;
}
