// A pattern to paint on. Painting adds one whole to a cell, erasing takes its weight away, "only" leaves a row nothing else;
// then the row is divided by its sum, as Python does it.
const MODES = ["paint", "erase", "only"];

export default function (component) {
  const root = component.parentElement.querySelector(".brush");
  root.drawn ??= new Brush(root);
  root.drawn.receive(component);
  return whenGone(root, () => root.drawn.leave());
}

const toBytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));

class Brush {
  constructor(root) {
    Object.assign(this, {root, mode: "paint", dirty: new Map(), strokes: 0, down: null, hovered: null});
    this.title = make("h3");
    this.modes = make("div", "modes");
    this.modes.setAttribute("role", "radiogroup");
    this.frame = make("div", "matrix", make("canvas"), make("canvas"));
    this.frame.tabIndex = 0;
    this.frame.setAttribute("role", "application");
    this.scale = make("div", "scale");
    this.help = make("p", "help");
    this.readout = make("p", "readout dim");
    this.readout.setAttribute("aria-live", "polite");
    root.replaceChildren(this.title, this.frame, this.scale, this.modes, this.help, this.readout);
    this.matrix = new Matrix(this.frame, {preview: cell => this.look(cell), choose: cell => this.dab(cell)});
    const {onpointermove, onkeydown} = this.frame;
    this.frame.onclick = null;
    this.frame.onpointerdown = event => this.press(event);
    this.frame.onpointermove = event => { onpointermove(event); if (this.down) this.stroke(this.matrix.at(event)); };
    this.frame.onpointerup = this.frame.onpointercancel = () => this.lift();
    this.frame.onkeydown = event => this.key(event, onkeydown);
    this.watch = new ResizeObserver(() => this.paint());
    this.watch.observe(root);
  }

  leave() {
    this.watch.disconnect();
  }

  receive({data, setStateValue}) {
    if (!data) return;
    this.send = stroke => setStateValue("stroke", stroke);
    const same = this.data?.queries.join() === data.queries.join() && this.data.title === data.title;
    this.data = data;
    if (this.down) return;
    const local = this.values;
    this.values = new Float32Array(toBytes(data.weights).buffer);
    this.bits = toBytes(data.allowed);
    if (!same || data.strokes >= this.strokes) this.dirty.clear();
    else for (const row of this.dirty.keys()) this.values.set(local.subarray(row * data.keys.length, (row + 1) * data.keys.length), row * data.keys.length);
    this.strokes = Math.max(this.strokes, data.strokes);
    this.say();
    this.paint();
  }

  say() {
    const {title, words} = this.data;
    this.title.textContent = title;
    this.help.textContent = words.help;
    this.frame.setAttribute("aria-label", `${words.label} ${words.help}`);
    this.modes.setAttribute("aria-label", words.modes);
    this.modes.replaceChildren(...MODES.map(mode => {
      const button = make("button", "", words[mode]);
      button.type = "button";
      button.setAttribute("role", "radio");
      button.setAttribute("aria-checked", mode === this.mode);
      button.onclick = () => this.choose(mode);
      return button;
    }));
    scaleOf(this.scale, this.data);
  }

  choose(mode) {
    this.mode = mode;
    [...this.modes.children].forEach((button, at) => button.setAttribute("aria-checked", MODES[at] === mode));
  }

  paint() {
    const width = this.root.clientWidth - 40;
    if (!this.data || !this.values || width <= 0) return;
    const {queries, keys, language, words} = this.data;
    const blocked = (row, column) => !bit(this.bits, row * keys.length + column) && this.values[row * keys.length + column] === 0;
    this.matrix.show(
      {
        rows: queries, columns: keys, values: this.values, table: "sequential", omit: -1, titles: words, blocked,
        share: value => Math.sqrt(Math.min(1, value)),
        brief: value => (value < 0.005 ? "" : whole(100 * value, language, false)),
      },
      width, Math.min(380, width),
    );
    this.frame.style.height = `${this.matrix.bottom}px`;
    this.matrix.mark(null, this.hovered);
    this.root.dataset.painted = this.data.painted;
  }

  look(cell) {
    this.hovered = cell;
    this.matrix.mark(null, cell);
    if (!cell) return void (this.readout.textContent = "");
    const {queries, keys, words, language} = this.data, value = this.values[cell.row * keys.length + cell.column];
    const names = {row: cell.row + 1, column: cell.column + 1, query: queries[cell.row], key: keys[cell.column]};
    this.readout.textContent = fill(words.cell, {...names, value: percent(value, language)});
  }

  press(event) {
    const cell = this.matrix.at(event);
    if (!cell || event.button) return;
    this.frame.setPointerCapture(event.pointerId);
    this.down = new Set();
    this.stroke(cell);
  }

  /** One cell of a stroke: each is painted once, its row filled up to 1 again. */
  stroke(cell) {
    if (!cell) return;
    const {keys} = this.data, {row, column} = cell, name = row * keys.length + column;
    if (this.down.has(name)) return;
    this.down.add(name);
    const weights = this.values.subarray(row * keys.length, (row + 1) * keys.length), before = weights.slice();
    if (this.mode === "only") weights.fill(0);
    weights[column] = this.mode === "erase" ? 0 : weights[column] + 1;
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    if (total < 1e-6) weights.set(before);
    else {
      weights.forEach((weight, at) => { weights[at] = weight / total; });
      this.dirty.set(row, true);
    }
    this.paint();
    this.look(cell);
  }

  lift() {
    if (!this.down) return;
    this.down = null;
    if (!this.dirty.size) return;
    const {keys} = this.data, rows = {};
    for (const row of this.dirty.keys()) rows[row] = Array.from(this.values.subarray(row * keys.length, (row + 1) * keys.length), weight => Math.min(1, weight));
    this.strokes += 1;
    this.send({strokes: this.strokes, rows});
  }

  dab(cell) {
    this.down = new Set();
    this.stroke(cell);
    this.lift();
  }

  key(event, usual) {
    const mode = MODES.find(name => this.data?.words[name][0].toLowerCase() === event.key.toLowerCase());
    if (mode && !event.ctrlKey && !event.metaKey) this.choose(mode);
    else usual(event);
  }
}
