// Heads by one measure: cells to travel over, and those that lead, a button each, with the bar of their score and of what was lost without them.

const LEFT = 34, TOP = 22, MOST = 40, LEAST = 5, FACE = 13;

export default function (component) {
  const root = component.parentElement.querySelector(".roster");
  root.drawn ??= new Roster(root);
  root.drawn.receive(component);
  return whenGone(root, () => root.drawn.leave());
}

class Roster {
  constructor(root) {
    this.root = root;
    this.title = make("h2");
    this.cells = make("canvas", "cells");
    this.scale = make("div", "ends");
    this.readout = make("p", "readout dim");
    this.readout.setAttribute("aria-live", "polite");
    this.head = make("div", "columns dim");
    this.list = make("ol");
    root.replaceChildren(this.title, make("div", "halves", make("div", "grid", this.cells, this.scale, this.readout), make("div", "leading", this.head, this.list)));
    Object.assign(this.cells, {tabIndex: 0, onpointerleave: () => this.look(null), onblur: () => this.look(null)});
    this.cells.setAttribute("role", "application");
    this.cells.onpointermove = event => this.look(this.at(event));
    this.cells.onclick = event => { const cell = this.at(event); if (cell) this.choose(cell.row * this.data.heads + cell.column); };
    this.cells.onkeydown = event => this.key(event);
    this.watch = new ResizeObserver(() => this.paint());
    this.watch.observe(this.cells.parentElement);
  }

  receive({data, setTriggerValue}) {
    if (!data) return;
    this.tell = setTriggerValue;
    this.data = data;
    this.chosen = data.chosen;
    this.cursor = null;
    this.title.textContent = data.words.title;
    this.cells.setAttribute("aria-label", `${data.words.grid} ${data.words.keys}`);
    this.list.setAttribute("aria-label", data.words.list);
    this.scale.replaceChildren(make("span", "dim", data.words.scale), make("i"), make("span", "tips dim", make("span", "", data.words.low), make("span", "", data.words.high)));
    this.head.replaceChildren(make("span"), make("span", "", data.words.score), ...(data.silenced ? [make("span", "", data.words.lost)] : []));
    this.list.classList.toggle("plain", !data.silenced);
    this.head.classList.toggle("plain", !data.silenced);
    this.list.replaceChildren(...data.ranked.map(entry => this.line(entry)));
    this.look(null);
  }

  // ---------------------------------------------------------------- those that lead

  line(entry) {
    const {data} = this, button = make("button", entry.number === data.chosen ? "chosen" : "");
    button.type = "button";
    button.dataset.number = entry.number;
    button.setAttribute("aria-pressed", entry.number === data.chosen);
    button.onclick = () => this.choose(entry.number);
    button.append(make("b", "", this.named(entry.number)), this.score(entry));
    if (entry.lost !== null) button.append(this.lost(entry));
    const chip = make("span", `chip ${entry.standing}`, entry.chip);
    chip.hidden = !entry.chip;
    button.append(chip);
    return make("li", "", button);
  }

  named(number) {
    return `${Math.floor(number / this.data.heads) + 1}·${(number % this.data.heads) + 1}`;
  }

  score(entry) {
    const bar = make("i");
    bar.style.width = `${100 * entry.share}%`;
    bar.style.background = colour(SEQUENTIAL, Math.round(255 * Math.sqrt(0.15 + 0.85 * entry.share)));
    return make("span", "bar", make("span", "track", bar), make("span", "number", entry.written));
  }

  /** From nothing to what was lost, and a whisker of one standard error each way. */
  lost({lost, error, told, standing}) {
    const {farthest, below} = this.data, low = below ? -farthest : 0, at = value => 100 * (value - low) / (farthest - low);
    const span = (from, to, kind) => {
      const piece = make("i", kind);
      piece.style.left = `${at(Math.min(from, to))}%`;
      piece.style.width = `${at(Math.max(from, to)) - at(Math.min(from, to))}%`;
      return piece;
    };
    const bar = span(0, lost, "loss");
    bar.style.background = colour(lost < 0 ? DIVERGING : SEQUENTIAL, lost < 0 ? 56 : standing === "named" ? 206 : 110);
    const zero = make("i", "zero");
    zero.style.left = `${at(0)}%`;
    return make("span", "bar", make("span", "track", bar, zero, span(lost - error, lost + error, "whisker")), make("span", "number", told));
  }

  // ---------------------------------------------------------------- every head

  measure() {
    const {layers, heads} = this.data;
    this.width = this.cells.parentElement.clientWidth;
    this.cell = Math.max(LEAST, Math.min(MOST, (this.width - LEFT - 4) / heads, 460 / layers));
    this.height = TOP + layers * this.cell + 4;
  }

  at(event) {
    if (!this.data) return null;
    const column = Math.floor((event.offsetX - LEFT) / this.cell), row = Math.floor((event.offsetY - TOP) / this.cell);
    return row < 0 || column < 0 || row >= this.data.layers || column >= this.data.heads ? null : {row, column};
  }

  look(cell) {
    this.cursor = cell;
    this.paint();
    const {words, entries, heads} = this.data ?? {};
    const number = cell ? cell.row * heads + cell.column : this.chosen;
    if (entries) this.readout.textContent = fill(words.cell, {layer: Math.floor(number / heads) + 1, head: (number % heads) + 1, value: entries[number].written});
  }

  paint() {
    if (!this.data || this.cells.parentElement.clientWidth < 60) return;
    this.measure();
    const {entries, heads} = this.data, pen = sharp(this.cells, this.width, this.height), gap = this.cell > 9 ? 2 : 1;
    entries.forEach((entry, number) => {
      const x = LEFT + (number % heads) * this.cell, y = TOP + Math.floor(number / heads) * this.cell;
      const code = Math.round(255 * Math.sqrt(entry.share));
      pen.fillStyle = colour(SEQUENTIAL, Math.max(14, code));
      pen.fillRect(x, y, this.cell - gap, this.cell - gap);
      if (entry.named) this.star(pen, x, y, gap, onColour(SEQUENTIAL, code));
    });
    this.labels(pen);
    this.outline(pen, {row: Math.floor(this.chosen / heads), column: this.chosen % heads}, PLATE.mark, 2.5);
    if (this.cursor) this.outline(pen, this.cursor, PLATE.glow, 1.5);
    this.root.dataset.painted = `${this.data.revision}/${this.chosen}`;
  }

  /** A head that has earned the name. */
  star(pen, x, y, gap, ink) {
    const size = this.cell - gap;
    pen.fillStyle = ink;
    pen.beginPath();
    pen.arc(x + size / 2, y + size / 2, Math.max(1.2, size / 7), 0, 2 * Math.PI);
    pen.fill();
  }

  labels(pen) {
    const {layers, heads, words} = this.data, every = Math.max(1, Math.ceil(18 / this.cell));
    pen.font = face(this.cells, "--st-font", FACE, () => this.paint());
    pen.textBaseline = "middle";
    pen.fillStyle = PLATE.dim;
    pen.textAlign = "center";
    for (let head = 0; head < heads; head += every) pen.fillText(head + 1, LEFT + (head + 0.5) * this.cell - 1, TOP - 10);
    pen.textAlign = "right";
    for (let layer = 0; layer < layers; layer += every) pen.fillText(layer + 1, LEFT - 8, TOP + (layer + 0.5) * this.cell);
    pen.textAlign = "left";
    pen.fillText(words.corner, 0, TOP - 10);
  }

  outline(pen, {row, column}, ink, thick) {
    pen.strokeStyle = ink;
    pen.lineWidth = thick;
    pen.strokeRect(LEFT + column * this.cell - 1, TOP + row * this.cell - 1, this.cell, this.cell);
  }

  key(event) {
    if (!this.data) return;
    const {layers, heads} = this.data, from = this.cursor ?? {row: Math.floor(this.chosen / heads), column: this.chosen % heads};
    const to = travelled(event, from.row, from.column, layers, heads);
    if (to) this.look({row: to[0], column: to[1]});
    if (event.key === "Escape") this.look(null);
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.choose(from.row * heads + from.column);
    }
  }

  choose(number) {
    this.chosen = number;
    this.tell("chosen", {head: number});
    for (const button of this.list.querySelectorAll("button")) {
      button.classList.toggle("chosen", Number(button.dataset.number) === number);
      button.setAttribute("aria-pressed", Number(button.dataset.number) === number);
    }
    this.look(this.cursor);
  }

  leave() {
    this.watch.disconnect();
    delete this.root.drawn;
  }
}
