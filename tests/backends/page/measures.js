// What the tests measure in a page. They run in it, beside its own script.

// The texts that are in sight, those that are the hardest to read first: contrast, text, element.
function contrasts() {
  const numbers = (text) => text.match(/[\d.]+/g).map(Number);
  const bytes = (text) => numbers(text).map((n, i) => (text.startsWith("color(") && i < 3 ? n * 255 : n));
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * (top[3] ?? 1) + under[i] * (1 - (top[3] ?? 1)));
  const ground = (element) => {
    if (element === null) return [255, 255, 255];
    const box = element.ownerSVGElement && element.closest(".box");
    if (!box) return over(bytes(getComputedStyle(element).backgroundColor), ground(element.parentElement));
    return over(bytes(getComputedStyle(box.querySelector(".body:not(.pile)")).fill), ground(canvas));
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((n) => n / 255).map((n) => (n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const between = (one, other) => {
    const [high, low] = [light(one), light(other)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const written = (e) => [...e.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const texts = [...document.querySelectorAll("body *")].filter((e) => written(e) && e.checkVisibility());
  return texts.filter((e) => !e.matches("script, option")).map((e) => {
    const style = getComputedStyle(e), ink = over(bytes(e.ownerSVGElement ? style.fill : style.color), ground(e));
    return [between(ink, ground(e)), e.textContent.slice(0, 30), e.outerHTML.slice(0, 60)];
  }).sort((a, b) => a[0] - b[0]).slice(0, 5);
}

// Twenty frames of turning the wheel or dragging; gives the most elements that the picture had.
function frames(move, done) {
  let n = 0, most = 0;
  const at = (y) => ({ pointerId: 1, clientX: 600, clientY: y, bubbles: true });
  const turn = () => ({ deltaY: n <= 10 ? 90 : -90, clientX: 600, clientY: 400, cancelable: true });
  const step = () => {
    most = Math.max(most, document.querySelectorAll("#scene *").length);
    if (n++ === 20) {
      pointers.clear();
      return done(most);
    }
    if (move === "wheel") canvas.dispatchEvent(new WheelEvent("wheel", turn()));
    else {
      if (n === 1) canvas.dispatchEvent(new PointerEvent("pointerdown", at(400)));
      canvas.dispatchEvent(new PointerEvent("pointermove", at(400 - 40 * n)));
    }
    return requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}

// Writes into the field of the search, and waits until what was found is painted.
function searchFor(query, done) {
  const field = document.getElementById("search");
  field.value = query;
  field.dispatchEvent(new Event("input"));
  requestAnimationFrame(() => setTimeout(done, 0));
}

// What would be saved, as a data URL, or why it is not.
function savedAs(kind, what, done) {
  const read = (blob) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.readAsDataURL(blob);
  };
  fileOf(kind, what).then(read, (error) => done(`${error}`));
}

// How many elements would move by themselves.
function moving() {
  const moves = ({ animationName, transitionDuration }) =>
    animationName !== "none" || transitionDuration.split(", ").some((time) => time !== "0s");
  return [...document.querySelectorAll("*")].filter((e) => moves(getComputedStyle(e))).length;
}

// How many boxes have a text that is wider than they are.
function overfull() {
  const wide = (box, text) => text.getBBox().width > box.querySelector(".body").getBBox().width;
  const boxes = [...document.querySelectorAll("#boxes .box:not(.open)")];
  return boxes.filter((box) => [...box.querySelectorAll("text")].some((text) => wide(box, text))).length;
}

// The least contrast of a text on the scale of a measure.
function scaleContrast() {
  const shares = Array.from({ length: 101 }, (_, i) => i / 100);
  return Math.min(...shares.map(mix).map(({ fill, ink }) => {
    const light = lightness(fill.match(/\d+/g).map(Number)) + 0.05;
    return ink === "#000" ? light / 0.05 : 1.05 / light;
  }));
}

// What is open, chosen and coloured.
const shownState = () =>
  [[...state.open].sort(), state.chosen?.path ?? null, state.colour, document.getElementById("colour").value];
