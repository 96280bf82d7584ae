// Mask patterns as radio buttons with a picture each, in groups; colours as in the painter: amber looks back, cyan looks ahead.

const BACK = colour(SEQUENTIAL, 206), AHEAD = colour(DIVERGING, 52);
const SIZE = 46, FAINTEST = 0.14;

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".patterns");
  root.setAttribute("aria-label", data.title);
  const names = data.groups.flatMap(group => group.pictures.map(({ name }) => name)), written = names.join();
  if (root.written !== written) furnish(root, data, written);
  const levels = Uint8Array.from(atob(data.cells), letter => letter.charCodeAt(0)), stride = data.rows * data.columns;
  const drawn = `${window.devicePixelRatio}:${data.rows}:${data.columns}:${data.ahead}:${data.cells}`;
  const cards = [...root.querySelectorAll("button")];
  const choose = name => {
    for (const card of cards) card.setAttribute("aria-checked", card.dataset.name === name);
    setTriggerValue("choice", name);
  };
  data.groups.forEach(({ label }, at) => { root.children[at].querySelector("p").textContent = label; });
  data.groups.flatMap(group => group.pictures).forEach((picture, at) => {
    dress(cards, at, picture, names.includes(data.chosen) ? data.chosen : names[0], data.chosen, choose);
    if (root.drawn !== drawn) draw(cards[at].querySelector("canvas"), levels.subarray(at * stride, (at + 1) * stride), data);
  });
  if (root.chosen !== data.chosen) reveal(root, cards.find(card => card.dataset.name === data.chosen));
  Object.assign(root, { drawn, chosen: data.chosen });
  root.dataset.painted = data.painted;
}

function furnish(root, { groups }, written) {
  root.replaceChildren(...groups.map(({ pictures }) => {
    const group = document.createElement("section"), row = document.createElement("div");
    row.append(...pictures.map(card));
    group.style.flexGrow = pictures.length;
    group.append(document.createElement("p"), row);
    return group;
  }));
  Object.assign(root, { written, drawn: null, chosen: null });
}

function card() {
  const button = document.createElement("button");
  button.type = "button";
  button.setAttribute("role", "radio");
  const canvas = document.createElement("canvas");
  canvas.setAttribute("aria-hidden", "true");
  button.append(canvas, document.createElement("span"));
  return button;
}

function dress(cards, at, { name, label, title }, reachable, chosen, choose) {
  const button = cards[at];
  button.dataset.name = name;
  button.title = title;
  button.setAttribute("aria-label", title);
  button.setAttribute("aria-checked", name === chosen);
  button.tabIndex = name === reachable ? 0 : -1;
  button.querySelector("span").textContent = label;
  button.onclick = () => choose(name);
  button.onkeydown = event => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = cards[(at + step + cards.length) % cards.length];
    next.focus();
    next.click();
  };
}

/** Where the row scrolls within itself, bring the chosen card into sight; the page stays where it is. */
function reveal(root, card) {
  if (!card || root.scrollWidth <= root.clientWidth) return;
  const [from, to] = [card.getBoundingClientRect(), root.getBoundingClientRect()];
  if (from.left < to.left || from.right > to.right) root.scrollLeft += from.left - to.left - (to.width - from.width) / 2;
}

function draw(canvas, levels, { rows, columns, ahead }) {
  const pen = sharp(canvas, SIZE, SIZE), ratio = window.devicePixelRatio || 1, most = Math.max(rows, columns);
  const edge = at => Math.round((at * SIZE * ratio) / most) / ratio, gap = SIZE / most >= 3.5 ? 1 / ratio : 0;
  levels.forEach((level, at) => {
    if (!level) return;
    const row = Math.floor(at / columns), column = at % columns;
    pen.globalAlpha = FAINTEST + ((1 - FAINTEST) * level) / 255;
    pen.fillStyle = ahead && column > row ? AHEAD : BACK;
    pen.fillRect(edge(column), edge(row), edge(column + 1) - edge(column) - gap, edge(row + 1) - edge(row) - gap);
  });
}
