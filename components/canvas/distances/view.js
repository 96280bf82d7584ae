// Rows by distance, a mark that moves over them, the numbers under the mark, and clocks for what turns.

const ROW = {least: 9, most: 28}, NUMBERS = 58, AXIS = 40, HEAD = 24;

export default component => drawn(component, View);

class View extends Drawing {
  static root = ".distances";

  constructor(root) {
    super(root);
    this.title = make("h2");
    this.about = make("p", "about dim");
    this.canvas = make("canvas");
    this.label = make("label");
    this.slider = Object.assign(make("input"), {type: "range", min: 0});
    this.output = make("output");
    this.scale = make("div", "scale");
    this.readout = make("p", "readout dim");
    this.clocks = make("canvas", "clocks");
    this.told = make("p", "told dim");
    this.canvas.tabIndex = -1;
    this.canvas.setAttribute("role", "img");
    this.clocks.setAttribute("role", "img");
    const row = make("div", "slide", this.label, this.slider, this.output);
    this.dial = make("div", "dial", this.told, this.clocks);
    root.replaceChildren(this.title, this.about, this.dial, row, make("div", "field", this.canvas), make("div", "under", this.scale, this.readout));
    this.slider.oninput = () => this.move(Number(this.slider.value));
    this.slider.onchange = () => this.keep();
    this.canvas.onpointermove = event => this.hover(this.cell(event));
    this.canvas.onpointerleave = () => this.hover(null);
    this.canvas.onclick = event => { const cell = this.cell(event); if (cell) { this.move(cell.column); this.keep(); } };
  }

  unpacked(parts, header) {
    return this.fresh(header) ? super.unpacked(parts) : [];
  }

  fresh(header) {
    return header.revision !== this.header?.revision;
  }

  show(header, [numbers]) {
    const fresh = this.fresh(header), spoken = header.language !== this.header?.language;
    this.header = header;
    if (fresh) this.values = new Float32Array(numbers.buffer);
    if (fresh || this.at === undefined) this.at = header.at;
    if (fresh || spoken) this.lit = null;
    this.dress();
    this.paint();
  }

  dress() {
    const {title, about, names, columns, speeds, words} = this.header;
    this.title.textContent = title;
    this.about.textContent = about;
    this.about.hidden = !about;
    this.label.textContent = names[2];
    this.slider.max = columns.length - 1;
    this.slider.value = this.at;
    this.slider.disabled = columns.length < 2;
    this.slider.setAttribute("aria-label", names[2]);
    this.canvas.setAttribute("aria-label", `${title}. ${names[0]}, ${names[1]}`);
    this.dial.hidden = !speeds.length;
    this.told.textContent = words.clocks;
    this.ends();
    this.say();
  }

  // ---------------------------------------------------------------- geometry

  frame() {
    const {rows} = this.header, width = this.root.clientWidth - 40, narrow = width < 480;
    const each = Math.max(ROW.least, Math.min(ROW.most, Math.floor(400 / rows.length)));
    const high = rows.length > 44 ? Math.min(420, Math.max(200, width * 0.62)) : each * rows.length;
    const pen = this.canvas.getContext("2d");
    pen.font = this.font();
    const label = Math.min(narrow ? 64 : 120, Math.max(...rows.map(row => pen.measureText(row).width)));
    const left = Math.ceil(label) + 10, right = each >= 14 ? NUMBERS : 8;
    return {width, left, top: HEAD, high, wide: width - left - right, each: high / rows.length, height: HEAD + high + AXIS, numbers: right === NUMBERS};
  }

  font(size = 12.5) {
    return face(this.root, "--st-font", size, () => this.paint());
  }

  cell(event) {
    if (!this.header) return null;
    const f = this.frame(), {rows, columns} = this.header;
    const column = Math.floor((event.offsetX - f.left) / f.wide * columns.length), row = Math.floor((event.offsetY - f.top) / f.each);
    return row >= 0 && column >= 0 && row < rows.length && column < columns.length ? {row, column} : null;
  }

  // ---------------------------------------------------------------- painting

  paint() {
    if (!this.header || this.root.clientWidth < 60) return;
    const f = this.frame(), pen = sharp(this.canvas, f.width, f.height);
    pen.font = this.font();
    this.cells(pen, f);
    this.labels(pen, f);
    this.axis(pen, f);
    this.mark(pen, f);
    if (this.header.speeds.length) this.dials();
    this.root.dataset.painted = `${this.header.revision}/${this.at}`;
  }

  cells(pen, f) {
    const {rows, columns, table} = this.header, ratio = window.devicePixelRatio || 1;
    const wide = Math.max(1, Math.round(f.wide * ratio)), high = Math.max(1, Math.round(f.high * ratio));
    if (!this.lit || this.lit.width !== wide || this.lit.height !== high) {
      const codes = Uint8Array.from(this.values, value => Math.round(255 * this.share(value)));
      this.lit = pen.createImageData(wide, high);
      const ink = new Uint32Array(this.lit.data.buffer), colours = LIT[table];
      spread(codes, 0, rows.length, columns.length, wide, high, table, (pixel, code) => { ink[pixel] = colours[code]; });
    }
    pen.putImageData(this.lit, Math.round(f.left * ratio), Math.round(f.top * ratio));
    if (f.each < 12) return;
    pen.fillStyle = PLATE.plate;
    for (let row = 1; row < rows.length; row++) pen.fillRect(f.left, f.top + row * f.each - 0.5, f.wide, 1);
  }

  /** Where a number stands in the colour table, from 0 to 1. */
  share(value) {
    const {table, low, high, rooted} = this.header, bend = size => (rooted ? Math.sqrt(size) : size);
    const inside = size => Math.max(0, Math.min(1, size));
    if (table === "diverging") return 0.5 + 0.5 * Math.sign(value) * bend(inside(Math.abs(value) / high));
    return bend(inside((value - low) / (high - low)));
  }

  labels(pen, f) {
    const {rows} = this.header, every = Math.max(1, Math.ceil(15 / f.each));
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    pen.fillStyle = PLATE.dim;
    for (let row = 0; row < rows.length; row += every) pen.fillText(elide(pen, rows[row], f.left - 10), f.left - 8, f.top + (row + 0.5) * f.each + 1);
    if (!f.numbers) return;
    pen.fillStyle = PLATE.glow;
    for (let row = 0; row < rows.length; row++) pen.fillText(this.number(this.value(row, this.at)), f.width - 2, f.top + (row + 0.5) * f.each + 1);
  }

  axis(pen, f) {
    const {columns, names} = this.header, y = f.top + f.high;
    pen.fillStyle = PLATE.dim;
    pen.textBaseline = "alphabetic";
    pen.textAlign = "left";
    pen.fillText(elide(pen, names[0], f.width / 2), 0, 13);
    const step = this.step(f);
    pen.textAlign = "center";
    columns.forEach((column, i) => {
      if (column % step) return;
      const x = f.left + (i + 0.5) * f.wide / columns.length;
      pen.fillRect(Math.round(x), y + 2, 1, 4);
      pen.fillText(column.toLocaleString(this.header.language).replace("-", "−"), x, y + 18);
    });
    pen.textAlign = "right";
    pen.fillText(elide(pen, names[1], f.wide), f.left + f.wide, y + 35);
  }

  step(f) {
    const {columns} = this.header, span = columns[columns.length - 1] - columns[0] + 1, most = Math.max(2, f.wide / 46);
    return [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000, 5000, 10000].find(step => span / step <= most) ?? 20000;
  }

  mark(pen, f) {
    const {columns, rows} = this.header, cell = f.wide / columns.length, wide = Math.max(cell, 3), x = f.left + (this.at + 0.5) * cell - wide / 2;
    pen.strokeStyle = PLATE.mark;
    pen.lineWidth = 1.5;
    pen.strokeRect(x, f.top - 2, wide, f.high + 4);
    pen.fillStyle = PLATE.mark;
    pen.textAlign = x > f.left + f.wide * 0.85 ? "right" : x < f.left + f.wide * 0.15 ? "left" : "center";
    pen.textBaseline = "alphabetic";
    const text = columns[this.at].toLocaleString(this.header.language).replace("-", "−");
    if (x + wide / 2 - pen.measureText(text).width > pen.measureText(this.header.names[0]).width + 12) pen.fillText(text, x + wide / 2, f.top - 8);
    if (!this.hovered) return;
    pen.strokeStyle = PLATE.glow;
    pen.lineWidth = 1;
    pen.strokeRect(f.left + this.hovered.column * cell, f.top + this.hovered.row * f.each, Math.max(cell, 3), f.high / rows.length);
  }

  // ---------------------------------------------------------------- clocks

  /** Every hand points up at distance 0 and goes round clockwise, each at its own pace. */
  dials() {
    const {speeds, columns} = this.header, width = this.root.clientWidth - 40;
    const size = Math.max(38, Math.min(76, Math.floor(width / Math.min(speeds.length, 16)) - 8)), across = Math.max(1, Math.floor(width / (size + 8)));
    const lines = Math.ceil(speeds.length / across), pen = sharp(this.clocks, width, lines * (size + 22));
    pen.font = this.font(12);
    pen.textAlign = "center";
    speeds.forEach((speed, i) => {
      const x = (i % across) * (size + 8) + size / 2 + 1, y = Math.floor(i / across) * (size + 22) + size / 2 + 1;
      this.clock(pen, x, y, size / 2 - 2, speed * columns[this.at], 2 * Math.PI / speed);
    });
  }

  clock(pen, x, y, radius, angle, period) {
    const near = Math.cos(angle), ink = colour(TABLE.diverging, Math.round(255 * (0.5 + 0.5 * near)));
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.fillStyle = PLATE.hairline;
    pen.globalAlpha = 0.55;
    pen.fill();
    pen.globalAlpha = 1;
    pen.strokeStyle = PLATE.dim;
    pen.lineWidth = 1;
    pen.stroke();
    pen.beginPath();
    pen.moveTo(x, y - radius);
    pen.lineTo(x, y - radius + 4);
    pen.stroke();
    pen.beginPath();
    pen.moveTo(x, y);
    pen.lineTo(x + (radius - 3) * Math.sin(angle), y - (radius - 3) * Math.cos(angle));
    pen.strokeStyle = Math.abs(near) < 0.25 ? PLATE.glow : ink;
    pen.lineWidth = 2.5;
    pen.lineCap = "round";
    pen.stroke();
    pen.fillStyle = PLATE.dim;
    pen.fillText(this.short(period), x, y + radius + 15);
  }

  /** A period in few letters. */
  short(period) {
    return period.toLocaleString(this.header.language, {notation: "compact", maximumSignificantDigits: period < 10 ? 2 : 3});
  }

  // ---------------------------------------------------------------- moving and reading

  move(column) {
    this.at = column;
    this.slider.value = column;
    this.say();
    this.paint();
  }

  keep() {
    this.component.setTriggerValue("mark", {column: this.at});
  }

  hover(cell) {
    if (cell?.row === this.hovered?.row && cell?.column === this.hovered?.column) return;
    this.hovered = cell;
    this.say();
    this.paint();
  }

  value(row, column) {
    return this.values[row * this.header.columns.length + column];
  }

  say() {
    const {rows, columns, words, speeds, language} = this.header, column = columns[this.at].toLocaleString(language).replace("-", "−");
    this.output.textContent = column;
    this.slider.setAttribute("aria-valuetext", column);
    this.clocks.setAttribute("aria-label", speeds.length ? fill(words.clock, {distance: column}) : "");
    const cell = this.hovered;
    this.readout.textContent = cell
      ? fill(words.cell, {row: rows[cell.row], column: columns[cell.column].toLocaleString(language).replace("-", "−"), value: this.number(this.value(cell.row, cell.column))})
      : words.keys;
  }

  number(value) {
    const size = Math.abs(value), digits = size >= 100 ? 0 : size >= 10 ? 1 : 2;
    return value.toLocaleString(this.header.language, {minimumFractionDigits: digits, maximumFractionDigits: digits, signDisplay: "negative"}).replace("-", "−");
  }

  ends() {
    const {table, low, high} = this.header, between = table === "diverging" ? [-high, 0, high] : [low, high];
    const marks = make("span", "numbers", ...between.map(value => make("span", "", this.number(value))));
    this.scale.className = `scale ${table}`;
    this.scale.replaceChildren(make("i"), marks);
  }
}
