// --- the address -----------------------------------------------------------------------------------------------------

// What is open, chosen and coloured, by path: a link shows it again, to anyone and after an edit of the spec, and "back"
// undoes a step. `#depth=1&open=layer1,layer1.0&fold=layer2&chosen=conv1&colour=macs`: open are the blocks that
// `dlspec draw --depth` opens, and those of `open`, and not those of `fold`.

let firstAddress = null; // of the page as it opens: it has no hash
let remembering = 0;

function addressOf() {
  const blocks = data.boxes.filter(foldable);
  const differing = (depth) => blocks.filter((box) => opensAt(box, depth) !== isOpen(box));
  let depth = 1, away = differing(1);
  for (const other of [...Array(deepest() + 1).keys()].filter((number) => number !== 1)) {
    const found = differing(other);
    if (found.length < away.length) [depth, away] = [other, found];
  }
  const paths = (boxes) => boxes.map((box) => encodeURIComponent(box.id)).join(",");
  const parts = [
    ["depth", `${depth}`], ["open", paths(away.filter(isOpen))], ["fold", paths(away.filter((box) => !isOpen(box)))],
    ["chosen", state.chosen ? encodeURIComponent(state.chosen.id) : ""],
    ["colour", state.colour === "family" ? "" : state.colour],
  ];
  return parts.filter(([, text]) => text).map(([name, text]) => `${name}=${text}`).join("&");
}

function remember() {
  clearTimeout(remembering);
  const wanted = addressOf(), hash = wanted === firstAddress ? "" : `#${wanted}`;
  if (hash !== location.hash) history.pushState(null, "", hash || location.pathname + location.search);
}

// Keys that are held down take many steps: the last of them counts.
function rememberSoon() {
  clearTimeout(remembering);
  remembering = setTimeout(remember, 300);
}

// Shows what an address says. What a spec no longer has is left out.
function recall(address) {
  const given = new Map(address.split("&").map((part) => [part.slice(0, part.indexOf("=")), part.slice(part.indexOf("=") + 1)]));
  const boxes = (name) => (given.get(name) || "").split(",").filter(Boolean).map((id) => byId.get(decoded(id))).filter(Boolean);
  const depth = Number(given.get("depth"));
  openTo(Number.isInteger(depth) ? depth : 1);
  for (const box of boxes("open")) state.open.add(box.id);
  for (const box of boxes("fold")) state.open.delete(box.id);
  state.colour = given.get("colour") in MEASURES ? given.get("colour") : "family";
  $("colour").value = state.colour;
  return boxes("chosen")[0] ?? null;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // it was not we who wrote this address
  }
}

// Another address of this page: by "back", or written by hand.
function followAddress() {
  clearTimeout(remembering);
  const address = location.hash.slice(1) || firstAddress;
  if (address === addressOf()) return;
  let chosen = null;
  change(state.chosen ?? root(), () => (chosen = recall(address)));
  choose(chosen && shown(chosen) ? chosen : null, false);
  if (state.chosen) bring(state.chosen);
  else if (!meets(placeOf(root()), inWindow())) fit();
}

addEventListener("popstate", followAddress);
addEventListener("hashchange", followAddress);
for (const name of ["click", "change"]) document.addEventListener(name, remember);
document.addEventListener("keydown", rememberSoon);
