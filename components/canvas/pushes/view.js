// Everyone who writes, in a grid lit by what they add to one logit; beside it the tokens that one of them pushes up and down.

const CELL = {most: 46, least: 7}, ROW = {most: 34, least: 12}, TOP = 26, GAP = 8, FONT = 13;

export default component => drawn(component, Pushes);

class Pushes extends Drawing {
  static root = ".pushes";

  constructor(root) {
    super(root);
    this.cursor = null;
    this.title = make("h3");
    this.canvas = make("canvas");
    this.frame = make("div", "frame", this.canvas);
    this.scale = make("div", "scale diverging");
    this.say = make("p", "readout");
    this.say.setAttribute("aria-live", "polite");
    this.heading = make("h3");
    this.sides = [make("ol"), make("ol")];
    this.names = [make("p", "dim"), make("p", "dim")];
    this.left = make("div", "who", this.title, this.frame, this.say, this.scale);
    const lists = make("div", "lists", ...[0, 1].map(i => make("div", "", this.names[i], this.sides[i])));
    this.right = make("div", "whom", this.heading, lists);
    root.replaceChildren(make("div", "board", this.left, this.right));
    this.attend(this.frame, writer => this.look(writer), writer => { if (writer !== null) this.choose(writer); });
  }

  show(header, [numbers]) {
    this.header = header;
    this.values = new Float32Array(numbers.buffer);
    this.most = this.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
    this.dress();
    this.paint();
    this.told();
    this.root.dataset.painted = header.revision;
  }

  dress() {
    const {titles, words, lists, language} = this.header;
    [this.title.textContent, this.heading.textContent] = titles;
    this.frame.setAttribute("aria-label", `${titles[0]}. ${words.grid_keys}`);
    [this.names[0].textContent, this.names[1].textContent] = [words.up, words.down];
    const longest = Math.max(...lists.flat().map(([, , value]) => Math.abs(value)), 1e-9);
    lists.forEach((side, i) => this.sides[i].replaceChildren(...side.map(each => this.token(each, longest, i))));
    const marks = [-1, -0.5, 0, 0.5, 1].map((part, i) => Object.assign(make("span", "", this.number(part * this.most)), {style: `left: ${25 * i}%`}));
    this.scale.replaceChildren(make("span", "", words.scale), make("i"), make("span", "marks", ...marks));
    this.scale.lang = language;
  }

  token([id, name, value], longest, side) {
    const {words, followed} = this.header, bar = make("i"), written = this.number(value);
    const button = make("button", "", make("span", "name", name), make("span", "value", written), bar);
    bar.style.width = `${Math.max(1, (100 * Math.abs(value)) / longest)}%`;
    bar.style.background = colour(DIVERGING, side ? 60 : 195);
    button.type = "button";
    button.title = fill(words.follow, {token: name});
    button.setAttribute("aria-label", `${name}: ${written}. ${button.title}`);
    button.setAttribute("aria-pressed", id === followed);
    button.onclick = () => this.component.setTriggerValue("follow", {token: id});
    return make("li", "", button);
  }

  number(value) {
    const size = Math.abs(value), digits = size >= 100 ? 0 : size >= 10 ? 1 : 2;
    const options = {minimumFractionDigits: digits, maximumFractionDigits: digits, signDisplay: "exceptZero"};
    return value.toLocaleString(this.header.language, options).replace("-", "−");
  }

  // ---------------------------------------------------------------- where things lie

  arrange() {
    const {heads, crosses, cells, words} = this.header, across = this.left.clientWidth, pen = this.canvas.getContext("2d");
    pen.font = this.font = face(this.root, "--st-font", FONT, () => this.paint());
    this.groups = crosses ? 2 : 1;
    this.rows = 1 + Math.max(...cells.map(([row]) => row));
    this.columns = this.groups * (heads + 1) + 1;
    this.rail = Math.ceil(Math.max(pen.measureText(words.embedding).width, pen.measureText(fill(words.layer, {layer: this.rows})).width)) + 12;
    const room = across - this.rail - GAP * (2 * this.groups + 1);
    this.cell = Math.max(CELL.least, Math.min(CELL.most, room / (this.columns + 0.4 * (this.groups + 1))));
    this.broad = this.cell * 1.4;
    this.row = Math.max(ROW.least, Math.min(ROW.most, 430 / this.rows));
    this.across = across;
    this.height = TOP + this.rows * this.row + 6;
  }

  /** Where a column begins, and how wide it is: heads, then all of them a little apart and broader. */
  column(index) {
    const {heads} = this.header, each = heads * this.cell + this.broad + 2 * GAP;
    const group = Math.min(Math.floor(index / (heads + 1)), this.groups), inner = index - group * (heads + 1);
    const start = this.rail + group * each;
    if (group === this.groups) return {x: start, wide: this.broad};
    return inner < heads ? {x: start + inner * this.cell, wide: this.cell} : {x: start + heads * this.cell + GAP, wide: this.broad};
  }

  box(writer) {
    const [row, column] = this.header.cells[writer], {x, wide} = this.column(column), y = TOP + (this.rows - 1 - row) * this.row;
    return {x, y, wide: row ? wide : Math.max(this.broad, this.cell * Math.min(this.header.heads, 3)), high: this.row};
  }

  at(event) {
    if (!this.header || !this.cell) return null;
    const edge = this.canvas.getBoundingClientRect(), x = event.clientX - edge.left, y = event.clientY - edge.top;
    const found = this.header.cells.findIndex((_, writer) => {
      const box = this.box(writer);
      return x >= box.x && x < box.x + box.wide && y >= box.y && y < box.y + box.high;
    });
    return found < 0 ? null : found;
  }

  // ---------------------------------------------------------------- painting

  paint() {
    if (!this.header || this.left.clientWidth < 120) return;
    this.arrange();
    const pen = sharp(this.canvas, this.across, this.height), {cells, chosen} = this.header;
    pen.font = this.font;
    pen.textBaseline = "middle";
    cells.forEach((_, writer) => this.one(pen, writer));
    this.labels(pen);
    this.outline(pen, chosen, PLATE.mark, 2.5);
    if (this.cursor !== null) this.outline(pen, this.cursor, PLATE.glow, 1.5);
  }

  one(pen, writer) {
    const {x, y, wide, high} = this.box(writer), value = this.values[writer], code = Math.round(127.5 + (127.5 * value) / this.most);
    pen.fillStyle = colour(DIVERGING, code);
    pen.fillRect(x, y, wide - 1, high - 1);
    pen.strokeStyle = PLATE.hairline;
    pen.lineWidth = 1;
    pen.strokeRect(x + 0.5, y + 0.5, wide - 2, high - 2);
    const text = this.brief(value);
    if (high < 18 || wide < 27 || pen.measureText(text).width > wide - 4) return;
    pen.fillStyle = onColour(DIVERGING, code);
    pen.textAlign = "center";
    pen.fillText(text, x + wide / 2 - 0.5, y + high / 2);
  }

  brief(value) {
    return Math.abs(value) < 0.05 ? "0" : value.toLocaleString(this.header.language, {maximumFractionDigits: 1, minimumFractionDigits: 1}).replace("-", "−");
  }

  labels(pen) {
    const {words, heads, crosses} = this.header, every = Math.max(1, Math.ceil(22 / this.cell));
    pen.fillStyle = PLATE.dim;
    pen.textAlign = "right";
    const apart = Math.max(1, Math.ceil(15 / this.row));
    for (let row = 0; row < this.rows; row++) {
      if (row % apart && row !== this.rows - 1) continue;
      pen.fillText(row ? fill(words.layer, {layer: row}) : words.embedding, this.rail - 8, TOP + (this.rows - 0.5 - row) * this.row);
    }
    for (let group = 0; group < this.groups; group++) {
      const from = group * (heads + 1), mark = crosses ? (group ? words.cross : words.heads) : words.heads;
      for (let head = 0; head < heads; head++) if (head % every === 0) this.above(pen, from + head, `${head ? "" : mark}${head + 1}`);
      this.above(pen, from + heads, words.all);
    }
    this.above(pen, this.groups * (heads + 1), words.mlp);
  }

  above(pen, index, text) {
    const {x, wide} = this.column(index);
    pen.textAlign = "center";
    pen.fillText(text, x + wide / 2, TOP / 2);
  }

  outline(pen, writer, ink, thick) {
    const {x, y, wide, high} = this.box(writer);
    pen.strokeStyle = ink;
    pen.lineWidth = thick;
    pen.strokeRect(x - 0.5, y - 0.5, wide, high);
  }

  // ---------------------------------------------------------------- reading out

  told() {
    const writer = this.cursor ?? this.header.chosen, {names, words} = this.header;
    this.say.textContent = fill(words.cell, {writer: names[writer], value: this.number(this.values[writer])});
  }

  look(writer) {
    if (!this.header || writer === this.cursor) return;
    this.cursor = writer;
    this.paint();
    this.told();
  }

  choose(writer) {
    this.header.chosen = writer;
    this.cursor = null;
    this.paint();
    this.told();
    this.component.setTriggerValue("writer", {writer});
  }

  key(event) {
    if (!this.header) return;
    const {cells} = this.header, from = this.cursor ?? this.header.chosen, [row, column] = cells[from];
    const to = travelled(event, this.rows - 1 - row, column, this.rows, this.columns);
    if (to) {
      const wanted = this.rows - 1 - to[0], found = cells.findIndex(([r, c]) => r === wanted && c === (wanted ? to[1] : 0));
      if (found >= 0) this.look(found);
    }
    if (event.key === "Escape") this.look(null);
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.choose(from);
    }
  }
}
