// A mask to paint on: the large matrix, but its cells are lit where a query may look, and dragging changes them.
// The browser's copy of the bits is the truth until Python sends a new revision.

const PAST = colour(SEQUENTIAL, 206), FUTURE = colour(DIVERGING, 52), HIDDEN = "#1f1e28", STAIRS = "#6d6880";
const HATCHED = `repeating-linear-gradient(135deg, ${HIDDEN} 0 3px, ${PLATE.dim} 3px 4px)`;
const UNDOS = 60, TALLEST = 540;
const BRUSHES = ["cell", "row", "column", "diagonal"], WAYS = ["either", "allow", "hide"], ACTS = ["undo", "redo", "invert"];
const SIGNED = 12; // CSS pixels: the smallest cell with room for a sign

export default function (component) {
  const root = component.parentElement.querySelector(".painter");
  root.painter ??= new Painter(root);
  root.painter.receive(component);
  return whenGone(root, () => root.painter.leave());
}

const toBytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
const toText = bytes => btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(""));
const unpack = (bytes, count) => Uint8Array.from({length: count}, (_, i) => bit(bytes, i));

function pack(bits) {
  const bytes = new Uint8Array(Math.ceil(bits.length / 8));
  bits.forEach((on, i) => { bytes[i >> 3] |= on << (7 - (i & 7)); });
  return bytes;
}

class Painter extends Matrix {
  constructor(root) {
    super(root.querySelector(".matrix"), {preview: cell => this.look(cell), choose: () => {}});
    Object.assign(this, {root, brush: "cell", way: "either", cursor: {row: 0, column: 0}, earlier: [], later: [], stroke: null, strokes: 0});
    const {frame} = this;
    frame.onclick = null;
    frame.onpointerdown = event => this.press(event);
    frame.onpointermove = event => this.drag(event);
    frame.onpointerup = frame.onpointercancel = () => this.lift();
    frame.onkeyup = event => { if (event.key === "Shift") this.lift(); };
    frame.onfocus = () => this.say();
    frame.onblur = () => { this.lift(); this.look(null); this.mark(null, null); };
    this.watch = new ResizeObserver(() => this.paint());
    this.watch.observe(root);
  }

  leave() {
    this.watch.disconnect();
    delete this.root.painter;
  }

  receive({data, setStateValue}) {
    if (!data) return;
    const before = this.data;
    this.send = stroke => setStateValue("stroke", stroke);
    this.data = data;
    const same = before?.rows === data.rows && before.columns === data.columns && before.subject === data.subject;
    [this.high, this.wide] = [data.rows, data.columns].map(length => Math.ceil(length / data.block));
    if (!same) [this.earlier, this.later] = [[], []];
    if (before?.revision !== data.revision || !same) this.replace(same);
    this.shades = data.shades ? toBytes(data.shades) : null;
    this.furnish();
    this.paint();
    this.root.dataset.painted = data.painted;
  }

  /** Python's picture takes the place of ours; what was there can be had back with undo. */
  replace(sameText) {
    const {data} = this, cells = toBytes(data.cells);
    if (sameText && this.bits) this.keep();
    this.stroke = null;
    this.bits = data.editable ? unpack(cells, data.rows * data.columns) : null;
    this.shares = data.editable ? null : cells;
    this.cursor = {row: Math.min(this.cursor.row, this.high - 1), column: Math.min(this.cursor.column, this.wide - 1)};
  }

  // ---------------------------------------------------------------- the bits

  /** How much of a cell is allowed, 0 to 1: of one pair, or of a square region where the text is long. */
  share(row, column) {
    if (this.shares) return this.shares[row * this.wide + column] / 255;
    if (this.data.block === 1) return this.bits[row * this.wide + column];
    let on = 0, all = 0;
    this.pairs(row, column, pair => { on += this.bits[pair]; all++; });
    return on / all;
  }

  /** What a soft mask leaves of a cell, 0 to 1. */
  shade(row, column) {
    return this.shades ? this.shades[row * this.wide + column] / 255 : 1;
  }

  pairs(row, column, visit) {
    const {rows, columns, block} = this.data;
    for (let query = row * block; query < Math.min((row + 1) * block, rows); query++)
      for (let key = column * block; key < Math.min((column + 1) * block, columns); key++) visit(query * columns + key);
  }

  sees(row) {
    const {rows, columns, block, blind} = this.data, last = Math.min((row + 1) * block, rows);
    if (this.bits) return this.bits.subarray(row * block * columns, last * columns).includes(1);
    for (let query = row * block; query < last; query++) if (!bit(toBytes(blind), query)) return true;
    return false;
  }

  /** The cells a brush covers when it stands on one. */
  under(brush, {row, column}) {
    const all = length => [...Array(length).keys()];
    if (brush === "row") return all(this.wide).map(other => [row, other]);
    if (brush === "column") return all(this.high).map(other => [other, column]);
    if (brush === "diagonal") return all(this.high).map(other => [other, other - row + column]).filter(([, other]) => other >= 0 && other < this.wide);
    return [[row, column]];
  }

  /** What a stroke that begins here would make of its cells: 1 where they may look, 0 where they are hidden. */
  becomes(brush, cell) {
    if (this.way !== "either") return this.way === "allow" ? 1 : 0;
    const cells = this.under(brush, cell), lit = cells.reduce((sum, [row, column]) => sum + this.share(row, column), 0);
    return lit > cells.length / 2 ? 0 : 1;
  }

  dab(brush, cell, value) {
    for (const [row, column] of this.under(brush, cell)) this.pairs(row, column, pair => { this.bits[pair] = value; });
  }

  keep() {
    this.earlier = [...this.earlier, this.bits.slice()].slice(-UNDOS);
    this.later = [];
  }

  commit() {
    const {rows, columns, revision} = this.data;
    this.furnish();
    this.paint();
    this.send({rows, columns, revision, bits: toText(pack(this.bits)), stroke: ++this.strokes});
  }

  undo() {
    this.go(this.earlier, this.later);
  }

  redo() {
    this.go(this.later, this.earlier);
  }

  go(from, to) {
    if (!from.length) return;
    to.push(this.bits);
    this.bits = from.pop();
    this.commit();
  }

  invert() {
    this.keep();
    this.bits = this.bits.map(on => 1 - on);
    this.commit();
  }

  // ---------------------------------------------------------------- a stroke

  press(event) {
    const place = this.where(event);
    if (!place || !this.data.editable || event.button) return;
    this.frame.setPointerCapture(event.pointerId);
    this.begin(place.brush, place);
    this.look(place);
  }

  drag(event) {
    const place = this.where(event);
    if (this.stroke && place) this.draw(place);
    if (this.stroke) this.paintCells();
    this.hover(this.at(event));
  }

  /** A stroke paints what its first cell was not, or what the reader said it should. */
  begin(brush, cell) {
    const value = this.becomes(brush, cell);
    this.keep();
    this.stroke = {brush, value};
    this.cursor = cell;
    this.dab(brush, cell, this.stroke.value);
    this.paintCells();
  }

  draw({row, column}) {
    const {brush, value} = this.stroke, from = this.cursor;
    const steps = Math.max(Math.abs(row - from.row), Math.abs(column - from.column));
    for (let step = 1; step <= steps; step++) {
      const between = (start, end) => Math.round(start + ((end - start) * step) / steps);
      this.dab(brush, {row: between(from.row, row), column: between(from.column, column)}, value);
    }
    this.cursor = {row, column};
  }

  lift() {
    if (!this.stroke) return;
    this.stroke = null;
    this.commit();
  }

  /** The cell under the pointer and the brush for it: on a label, its whole row or column. While painting, always a cell. */
  where(event) {
    const box = this.labels.getBoundingClientRect(), inside = (value, size) => Math.max(0, Math.min(size - 1, value));
    const column = Math.floor((event.clientX - box.left - this.left) / this.cell), row = Math.floor((event.clientY - box.top - this.top) / this.cell);
    const cell = {row: inside(row, this.high), column: inside(column, this.wide)};
    if (this.stroke) return cell;
    if (row >= this.high || column >= this.wide || (row < 0 && column < 0)) return null;
    return {...cell, brush: column < 0 ? "row" : row < 0 ? "column" : this.brush};
  }

  look(cell) {
    this.mark(this.focused() ? this.cursor : null, cell);
    this.tell(cell);
  }

  paintLabels() {
    super.paintLabels();
    if (this.hovered && this.data?.editable && this.bits) this.paintIntent(this.labels.getContext("2d"), this.hovered);
  }

  /** What the brush would cover, and whether it would add (+) or take away (−). */
  paintIntent(pen, at) {
    const {cell} = this, brush = at.brush ?? this.brush, value = this.stroke ? this.stroke.value : this.becomes(brush, at);
    pen.strokeStyle = PLATE.glow;
    pen.lineWidth = 1;
    if (brush !== "cell") for (const [row, column] of this.under(brush, at)) pen.strokeRect(this.x(column) + 0.5, this.y(row) + 0.5, cell - 2, cell - 2);
    if (cell < SIGNED) return;
    const middle = [this.x(at.column + 0.5) - 0.5, this.y(at.row + 0.5) - 0.5], arm = Math.min(8, cell / 3.5), lit = this.share(at.row, at.column) > 0.5;
    pen.fillStyle = lit ? "#000" : "#fff";
    pen.fillRect(middle[0] - arm, middle[1] - 1, 2 * arm, 2);
    if (value) pen.fillRect(middle[0] - 1, middle[1] - arm, 2, 2 * arm);
  }

  focused() {
    return this.root.getRootNode().activeElement === this.frame;
  }

  // ---------------------------------------------------------------- keys

  key(event) {
    if (!this.map) return;
    const act = this.data.editable && this.action(event);
    if (act) {
      event.preventDefault();
      act();
    } else this.steer(event);
    this.say();
  }

  action(event) {
    const letter = event.key.toLowerCase(), once = brush => () => { this.begin(brush, this.cursor); this.lift(); };
    const [undo, redo] = [() => this.undo(), () => this.redo()];
    if (event.ctrlKey || event.metaKey) return {z: event.shiftKey ? redo : undo, y: redo}[letter] ?? null;
    const lines = {r: once("row"), c: once("column"), d: once("diagonal")};
    return {" ": once(this.brush), enter: once(this.brush), ...lines, i: () => this.invert(), u: undo, y: redo}[letter];
  }

  steer(event) {
    const painting = event.shiftKey && this.data.editable && event.key.startsWith("Arrow");
    const pressed = {key: event.key, ctrlKey: event.ctrlKey, metaKey: event.metaKey, altKey: event.altKey, preventDefault: () => event.preventDefault()};
    const to = travelled(pressed, this.cursor.row, this.cursor.column, this.high, this.wide);
    if (!to) return;
    const cell = {row: to[0], column: to[1]};
    if (painting && !this.stroke) this.begin(this.brush, this.cursor);
    if (painting) this.draw(cell);
    if (painting) this.paintCells();
    this.cursor = cell;
  }

  say() {
    this.mark(this.cursor, null);
    this.tell(this.cursor);
    this.root.querySelector(".said").textContent = this.sentence(this.cursor);
  }

  tell(cell) {
    this.root.querySelector(".readout").textContent = cell ? this.sentence(cell) : "";
  }

  sentence({row, column}) {
    const {words, block, rows, columns} = this.data, share = this.share(row, column);
    const verdict = share === 0 ? words.may_not : share < 1 ? words.partly : column > row ? words.may_ahead : words.may;
    const span = (at, length) => (block === 1 ? at + 1 : `${at * block + 1}–${Math.min((at + 1) * block, length)}`);
    const told = {row: span(row, rows), column: span(column, columns), query: this.map.rows[row], key: this.map.columns[column], verdict};
    const state = fill(block === 1 ? words.cell_state : words.region_state, told) + (this.sees(row) ? "" : ` ${words.row_blind}`) + this.softened(row, column, share);
    return this.data.editable && !this.stroke ? `${state} ${this.becomes(this.brush, {row, column}) ? words.will_allow : words.will_hide}` : state;
  }

  softened(row, column, share) {
    return this.shades && share ? ` ${fill(this.data.words.softened, {share: Math.round(100 * this.shade(row, column))})}` : "";
  }

  // ---------------------------------------------------------------- what stands around it

  furnish() {
    const {words, editable} = this.data, find = name => this.root.querySelector(name);
    this.root.classList.toggle("locked", !editable);
    this.frame.setAttribute("aria-label", words.title);
    find("h2").textContent = words.heading;
    find(".help").textContent = editable ? words.help : words.read_only;
    this.choice(find(".brushes"), "brush", BRUSHES);
    this.choice(find(".ways"), "way", WAYS);
    const none = {undo: !this.earlier.length, redo: !this.later.length};
    this.buttons(find(".acts"), ACTS, (button, name) => {
      button.disabled = none[name] ?? false;
      button.onclick = () => this[name]();
    });
    this.legend(find(".legend"));
  }

  buttons(host, names, dress) {
    for (const name of names) {
      const button = host.querySelector(`[data-name=${name}]`) ?? host.appendChild(document.createElement("button"));
      Object.assign(button, {type: "button", textContent: this.data.words[name]});
      button.dataset.name = name;
      dress(button, name);
    }
  }

  /** Radio buttons that set `this[what]`. */
  choice(host, what, names) {
    host.setAttribute("aria-label", this.data.words[what]);
    const take = name => { this[what] = name; this.furnish(); };
    this.buttons(host, names, (button, name) => {
      button.setAttribute("role", "radio");
      button.setAttribute("aria-checked", this[what] === name);
      button.tabIndex = this[what] === name ? 0 : -1;
      button.onclick = () => take(name);
      button.onkeydown = event => {
        const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
        if (!step) return;
        event.preventDefault();
        take(names[(names.indexOf(name) + step + names.length) % names.length]);
        host.querySelector("[aria-checked=true]").focus();
      };
    });
  }

  legend(host) {
    const {words, block, ahead} = this.data;
    const kinds = [[words.past, PAST], ...(ahead ? [[words.future, FUTURE]] : []), [words.hidden, HIDDEN], [words.blind, HATCHED]];
    if (block > 1) kinds.push([words.mixed, `color-mix(in srgb, ${PAST} 50%, ${HIDDEN})`]);
    host.replaceChildren(...kinds.map(([name, ink]) => {
      const item = document.createElement("li"), swatch = item.appendChild(document.createElement("i"));
      swatch.style.background = ink;
      item.append(name);
      return item;
    }));
  }

  // ---------------------------------------------------------------- painting

  paint() {
    const width = this.root.clientWidth - 40;
    if (!this.data || width <= 0) return;
    const {queries, keys, block, words} = this.data, every = (pieces, length) => Array.from({length}, (_, at) => pieces[at * block]);
    const height = Math.min(width, TALLEST);
    this.show({rows: every(queries, this.high), columns: every(keys, this.wide), titles: {rows: words.rows, columns: words.columns}}, width, height);
    const wide = Math.ceil(this.left + this.across + this.columnRoom * Math.SQRT1_2), high = Math.ceil(this.top + this.down) + 4;
    Object.assign(this.frame.style, {width: `${Math.min(width, wide)}px`, height: `${high}px`});
    this.mark(this.focused() ? this.cursor : null, null);
  }

  paintCells() {
    const pen = sharp(this.cells, this.width, this.height), {left, top, cell, high, wide} = this, gap = cell >= 6 ? 1 : 0;
    for (let row = 0; row < high; row++) {
      for (let column = 0; column < wide; column++) {
        const share = this.share(row, column), box = [left + column * cell, top + row * cell, cell - gap, cell - gap];
        pen.fillStyle = HIDDEN;
        if (share < 1 || this.shades) pen.fillRect(...box);
        pen.globalAlpha = share && 0.15 + 0.85 * share * this.shade(row, column);
        pen.fillStyle = this.data.ahead && column > row ? FUTURE : PAST;
        if (share) pen.fillRect(...box);
        pen.globalAlpha = 1;
      }
      if (!this.sees(row)) this.paintBlind(pen, row, cell - gap);
    }
    if (this.data.ahead) this.paintStairs(pen);
  }

  paintBlind(pen, row, height) {
    const {left, across} = this, top = this.top + row * this.cell;
    pen.save();
    pen.beginPath();
    pen.rect(left, top, across, height);
    pen.clip();
    pen.strokeStyle = PLATE.dim;
    pen.beginPath();
    for (let x = left - height; x < left + across; x += 7) {
      pen.moveTo(x, top + height);
      pen.lineTo(x + height, top);
    }
    pen.stroke();
    pen.restore();
  }

  /** The border between what has been and what is still to come. */
  paintStairs(pen) {
    const {left, top, cell, high} = this;
    pen.strokeStyle = STAIRS;
    pen.beginPath();
    pen.moveTo(left, top - 0.5);
    for (let at = 1; at <= high; at++) {
      pen.lineTo(left + at * cell - 0.5, top + (at - 1) * cell - 0.5);
      pen.lineTo(left + at * cell - 0.5, top + at * cell - 0.5);
    }
    pen.stroke();
  }
}
