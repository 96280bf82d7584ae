// One matrix: a title, the map, its scale and a line that reads the cell under the pointer out.
export default function (component) {
  const root = component.parentElement.querySelector(".map");
  root.drawn ??= new Chart(root);
  root.drawn.receive(component);
  return whenGone(root, () => root.drawn.leave());
}

class Chart {
  constructor(root) {
    this.root = root;
    this.title = make("h3");
    this.frame = make("div", "matrix", make("canvas"), make("canvas"));
    this.frame.tabIndex = 0;
    this.frame.setAttribute("role", "application");
    this.scale = make("div", "scale");
    this.readout = make("p", "readout dim");
    this.readout.setAttribute("aria-live", "polite");
    root.replaceChildren(this.title, this.frame, this.scale, this.readout);
    this.matrix = new Matrix(this.frame, {preview: cell => this.preview(cell), choose: cell => this.choose(cell)});
    this.watch = new ResizeObserver(() => this.paint());
    this.watch.observe(root);
  }

  async receive(component) {
    this.component = component;
    if (!component.data) return;
    const {header, parts} = open(component.data);
    this.asked = header.revision;
    this.frame.style.height ||= `${Math.min(header.height, this.root.clientWidth - 40)}px`;  // so that nothing jumps while it unpacks
    const codes = header.revision === this.header?.revision ? null : await inflate(parts[0]);
    if (this.asked !== header.revision) return;
    this.header = header;
    this.chosen = header.chosen && {row: header.chosen[0], column: header.chosen[1]};
    if (codes) this.unpack(codes);
    this.say();
    this.paint();
  }

  unpack(codes) {
    const {queries, keys, fine, most, table} = this.header, count = queries.length * keys.length;
    let at = fine ? 2 * count : count;
    this.values = unrooted(codes, 0, count, fine ? count : undefined);
    const signs = table === "diverging" ? codes.subarray(at, (at += Math.ceil(count / 8))) : null;
    this.allowed = codes.subarray(at);
    for (let i = 0; i < count; i++) this.values[i] *= signs && bit(signs, i) ? -most : most;
  }

  say() {
    const {title, words} = this.header;
    this.title.textContent = title;
    this.frame.setAttribute("aria-label", `${words.label} ${words.keys}`);
    scaleOf(this.scale, this.header);
    this.read(this.chosen);
  }

  paint() {
    const width = this.root.clientWidth - 40;
    if (!this.header || width <= 0) return;
    const {queries, keys, most, table, language, words, omit} = this.header, height = Math.min(this.header.height, width);
    const signed = table === "diverging", size = value => Math.sqrt(Math.min(1, Math.abs(value) / most));
    this.matrix.show(
      {
        rows: queries, columns: keys, values: this.values, table, omit, titles: words,
        blocked: (row, column) => !bit(this.allowed, row * keys.length + column),
        share: value => (signed ? 0.5 + 0.5 * Math.sign(value) * size(value) : size(value)),
        brief: value => this.brief(value, language, signed),
      },
      width, height,
    );
    this.frame.style.height = `${this.matrix.bottom}px`;
    this.matrix.mark(this.chosen, this.hovered);
    this.root.dataset.painted = `${this.header.revision}/${this.chosen ? `${this.chosen.row}.${this.chosen.column}` : ""}`;
  }

  /** A cell's number as it stands in it. */
  brief(value, language, signed) {
    const {plain} = this.header;
    if (plain !== null) return value < 0.5 * 10 ** -plain ? "" : value.toLocaleString(language, {maximumFractionDigits: plain});
    return Math.abs(value) < 0.005 ? "" : whole(100 * value, language, signed);
  }

  preview(cell) {
    this.hovered = cell;
    this.matrix.mark(this.chosen, cell);
    this.read(cell || this.chosen);
  }

  choose(cell) {
    this.chosen = cell;
    this.preview(null);
    this.component.setTriggerValue("cell", cell);
  }

  read(cell) {
    if (!cell) return void (this.readout.textContent = "");
    const {queries, keys, words, language, table, plain} = this.header, at = cell.row * keys.length + cell.column;
    const value = this.values[at], sign = table === "diverging" && value > 0 ? "+" : "";
    const names = {row: cell.row + 1, column: cell.column + 1, query: queries[cell.row], key: keys[cell.column]};
    const written = plain === null ? sign + percent(value, language) : value.toLocaleString(language, {maximumFractionDigits: plain && plain + 1});
    this.readout.textContent = bit(this.allowed, at)
      ? fill(words.cell, {...names, value: written})
      : fill(words.blocked, names);
  }

  leave() {
    this.watch.disconnect();
  }
}
