// Mask patterns as radio buttons with a picture each; colours as in the painter: amber looks back, cyan looks ahead.

const BACK = colour(SEQUENTIAL, 206), AHEAD = colour(DIVERGING, 52);
const SIZE = 80;

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".patterns");
  root.setAttribute("aria-label", data.title);
  const raw = Uint8Array.from(atob(data.bits), letter => letter.charCodeAt(0));
  const stride = Math.ceil((data.rows * data.columns) / 8);
  const drawn = `${window.devicePixelRatio}:${data.rows}:${data.columns}:${data.ahead}:${data.bits}`;
  const choose = name => {
    for (const card of root.children) card.setAttribute("aria-checked", card.dataset.name === name);
    setTriggerValue("choice", name);
  };
  data.pictures.forEach((picture, at) => {
    const button = root.children[at] ?? root.appendChild(card());
    dress(button, picture, data, choose);
    if (root.drawn !== drawn) draw(button.querySelector("canvas"), raw.subarray(at * stride, (at + 1) * stride), data);
  });
  root.drawn = drawn;
  while (root.children.length > data.pictures.length) root.lastChild.remove();
  root.dataset.painted = data.painted;
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

function dress(button, { name, label }, { pictures, chosen }, choose) {
  const checked = name === chosen;
  button.dataset.name = name;
  button.setAttribute("aria-checked", checked);
  button.tabIndex = checked || (name === pictures[0].name && !pictures.some(picture => picture.name === chosen)) ? 0 : -1;
  button.querySelector("span").textContent = label;
  button.onclick = () => choose(name);
  button.onkeydown = event => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const cards = [...button.parentElement.children];
    const next = cards[(cards.indexOf(button) + step + cards.length) % cards.length];
    next.focus();
    next.click();
  };
}

function draw(canvas, bits, { rows, columns, ahead }) {
  const pen = sharp(canvas, SIZE, SIZE), ratio = window.devicePixelRatio || 1, most = Math.max(rows, columns);
  const edge = at => Math.round((at * SIZE * ratio) / most) / ratio, gap = SIZE / most >= 3.5 ? 1 / ratio : 0;
  for (let at = 0; at < rows * columns; at++) {
    if (!bit(bits, at)) continue;
    const row = Math.floor(at / columns), column = at % columns;
    pen.fillStyle = ahead && column > row ? AHEAD : BACK;
    pen.fillRect(edge(column), edge(row), edge(column + 1) - edge(column) - gap, edge(row + 1) - edge(row) - gap);
  }
}
