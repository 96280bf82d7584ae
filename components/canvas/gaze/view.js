// A row a head, grouped by layer, under the mean of all; a column a token. Moving over it, or the arrow keys, reads a cell out.

const MEAN = 22, ROW = 9, GAP = 6, LABELS = 78, LEFT = 62, FONT = 13;

export default function (component) {
  const root = component.parentElement.querySelector(".gaze");
  root.drawn ??= new Gaze(root);
  root.drawn.receive(component);
  return whenGone(root, () => root.drawn.leave());
}

class Gaze {
  constructor(root) {
    this.root = root;
    this.cursor = null;
    this.title = make("h3");
    this.cells = make("canvas", "cells");
    this.scale = make("div", "scale");
    this.readout = make("p", "readout");
    this.readout.setAttribute("aria-live", "polite");
    root.replaceChildren(this.title, this.cells, this.readout, this.scale);
    Object.assign(this.cells, {tabIndex: 0, onpointerleave: () => this.look(null), onblur: () => this.look(null)});
    this.cells.setAttribute("role", "application");
    this.cells.onpointermove = event => this.look(this.at(event));
    this.cells.onkeydown = event => this.key(event);
    this.watch = new ResizeObserver(() => this.paint());
    this.watch.observe(root);
  }

  async receive(component) {
    if (!component.data) return;
    const {header, parts} = open(component.data);
    this.asked = header;
    const codes = await inflate(parts[0]);
    if (this.asked !== header) return;
    this.header = header;
    this.columns = header.pieces.length;
    this.rows = 1 + header.layers * header.heads;
    const count = this.rows * this.columns;
    this.values = unrooted(codes, 0, count, count);
    this.cursor = null;
    this.title.textContent = header.words.title;
    this.cells.setAttribute("aria-label", `${header.words.title} ${header.words.keys}`);
    scaleOf(this.scale, {most: 1, table: "sequential", language: header.language, words: header.words});
    this.look(null);
    this.root.dataset.painted = header.revision;
  }

  // ---------------------------------------------------------------- where things lie

  measure() {
    const {heads, layers, room} = this.header, narrow = this.root.clientWidth < 400;
    this.width = this.root.clientWidth - 40;
    this.left = narrow ? 46 : LEFT;
    this.cell = Math.min(44, (this.width - this.left - 8) / room);
    this.row = Math.max(3, Math.min(ROW, 320 / (heads * layers)));
    this.top = LABELS;
    this.height = this.y(this.rows - 1) + this.row + 22;
  }

  /** The upper edge of a row: the mean first, then heads, a gap before each layer. */
  y(row) {
    if (row === 0) return this.top;
    const head = row - 1;
    return this.top + MEAN + GAP + head * this.row + Math.floor(head / this.header.heads) * GAP;
  }

  at(event) {
    if (!this.header) return null;
    const x = event.offsetX - this.left, column = Math.floor(x / this.cell);
    const row = Array.from({length: this.rows}, (_, each) => each).findLast(each => event.offsetY >= this.y(each));
    return row === undefined || column < 0 || column >= this.columns || event.offsetY > this.height - 18 ? null : {row, column};
  }

  // ---------------------------------------------------------------- painting

  look(cell) {
    this.cursor = cell;
    this.paint();
    this.readout.textContent = cell ? this.sentence(cell) : "";
  }

  paint() {
    if (!this.header || this.root.clientWidth <= 40) return;
    this.measure();
    const pen = sharp(this.cells, this.width, this.height);
    this.font = face(this.cells, "--st-code-font", FONT, () => this.paint());
    this.prose = face(this.cells, "--st-font", FONT, () => this.paint());
    for (let row = 0; row < this.rows; row++) for (let column = 0; column < this.columns; column++) this.paintCell(pen, row, column);
    this.paintNames(pen);
    this.paintTokens(pen);
    if (this.cursor) this.outline(pen, this.cursor);
  }

  paintCell(pen, row, column) {
    const gap = this.cell > 5 ? 1 : 0, high = row === 0 ? MEAN : this.row;
    pen.fillStyle = colour(SEQUENTIAL, Math.round(255 * Math.sqrt(this.values[row * this.columns + column])));
    pen.fillRect(this.left + column * this.cell, this.y(row), this.cell - gap, high - (this.row > 4 ? 1 : 0));
  }

  paintNames(pen) {
    const {words, layers, heads} = this.header, rail = this.left - 8;
    pen.font = this.prose;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    pen.fillStyle = this.cursor?.row === 0 ? PLATE.glow : PLATE.dim;
    pen.fillText(words.mean, rail, this.y(0) + MEAN / 2);
    for (let layer = 0; layer < layers; layer++) {
      const from = this.y(1 + layer * heads), down = heads * this.row;
      const mine = this.cursor && this.cursor.row > layer * heads && this.cursor.row <= (layer + 1) * heads;
      pen.fillStyle = mine ? PLATE.glow : PLATE.dim;
      pen.fillText(this.left < LEFT ? layer + 1 : fill(words.layer, {layer: layer + 1}), rail, from + down / 2);
      pen.fillStyle = PLATE.hairline;
      pen.fillRect(rail + 3, from, 2, down - 1);
    }
    pen.fillStyle = PLATE.dim;
    pen.textAlign = "left";
    pen.fillText(words.columns, this.left, this.height - 8);
    pen.save();
    pen.textAlign = "right";
    pen.fillText(words.rows, this.left - 8, this.height - 8);
    pen.restore();
  }

  /** Tokens over their columns: all where there is room, else those most looked at. */
  paintTokens(pen) {
    const apart = Math.ceil((1.42 * FONT) / this.cell), taken = [];
    const byMean = Array.from({length: this.columns}, (_, column) => column).sort((a, b) => this.values[b] - this.values[a]);
    const wanted = this.cursor ? [this.cursor.column, ...byMean] : byMean;
    for (const column of wanted) {
      if (taken.some(other => other !== column && Math.abs(other - column) < apart) || taken.includes(column)) continue;
      taken.push(column);
    }
    pen.font = this.font;
    pen.textAlign = "left";
    for (const column of taken) this.tokenName(pen, column);
  }

  tokenName(pen, column) {
    pen.save();
    pen.translate(this.left + (column + 0.5) * this.cell, this.top - 7);
    pen.rotate(-Math.PI / 4);
    pen.fillStyle = this.cursor?.column === column ? PLATE.glow : PLATE.dim;
    pen.fillText(elide(pen, this.header.pieces[column], LABELS * 1.2), 0, 0);
    pen.restore();
  }

  outline(pen, {row, column}) {
    pen.strokeStyle = PLATE.glow;
    pen.lineWidth = 1.5;
    pen.strokeRect(this.left + column * this.cell - 1, this.y(row) - 1, this.cell + 1, (row === 0 ? MEAN : this.row) + 1);
  }

  // ---------------------------------------------------------------- reading out

  key(event) {
    const from = this.cursor ?? {row: 0, column: this.columns - 1};
    const to = travelled(event, from.row, from.column, this.rows, this.columns);
    if (to) this.look({row: to[0], column: to[1]});
    if (event.key === "Escape") this.look(null);
  }

  sentence({row, column}) {
    const {words, heads, pieces, language} = this.header, value = percent(this.values[row * this.columns + column], language);
    const told = {token: pieces[column], column: column + 1, value, layer: Math.floor((row - 1) / heads) + 1, head: ((row - 1) % heads) + 1};
    return fill(row === 0 ? words.cell_mean : words.cell, told);
  }

  leave() {
    this.watch.disconnect();
  }
}
