// One large matrix: queries in rows, keys in columns, each with its token. Needs plate.js before it.
// Two sheets lie on each other: the cells, painted once per map, and the labels and marks, painted at every move.

const LABEL = 13, SLANT = Math.PI / 4, TITLE = 20;
const LARGEST = 64, READABLE = 30, FOOT = 66, RAIL = 8; // CSS pixels: the widest cell, one with room for its number, what stands below

class Matrix {
  /** `frame` holds two canvases and takes the keys; `preview(cell | null)` and `choose(cell)` get {row, column}. */
  constructor(frame, {preview, choose}) {
    this.frame = frame;
    [this.cells, this.labels] = frame.querySelectorAll("canvas");
    Object.assign(this, {preview, choose, map: null, locked: null, hovered: null, from: {row: 0, column: 0}});
    frame.onpointermove = event => this.hover(this.at(event));
    frame.onpointerleave = () => this.hover(null);
    frame.onclick = event => { const cell = this.at(event); if (cell) this.choose(cell); };
    frame.onkeydown = event => this.key(event);
    frame.onblur = () => this.hover(null);
  }

  /** map: {rows, columns (labels), values (row by row), blocked (row, column) → boolean, table, share value → 0…1, brief value → text,
      titles, omit}; with a `grain` the values are those of squares of so many cells a side; `margin` (one number a column) and its
      `caption` stand below. */
  show(map, width, height) {
    if (map.blocked !== this.map?.blocked) this.runs = null;
    this.map = map;
    this.codes = map.values && this.coded();
    this.place(width, height);
    this.paintCells();
    this.paintLabels();
  }

  again() {
    this.show(this.map, this.width, this.height);
  }

  mark(locked, hovered) {
    this.locked = locked;
    this.hovered = hovered;
    if (this.map) this.paintLabels();
  }

  /** Decide where the cells lie: room for labels first, then squares as large as fit. */
  place(width, height) {
    const {rows, columns, margin} = this.map;
    this.font = face(this.frame, "--st-code-font", LABEL, () => this.again());
    this.prose = face(this.frame, "--st-font", LABEL, () => this.again());
    const pen = sharp(this.labels, width, height);
    pen.font = this.font;
    const longest = (labels, room) => Math.min(room, Math.max(...labels.map(label => pen.measureText(label).width)));
    const room = Math.min(120, width * 0.22);
    this.rowRoom = longest(rows, room);
    this.columnRoom = longest(columns, Math.min(room, height * 0.24));
    const left = TITLE + this.rowRoom + 10, top = TITLE + this.columnRoom * Math.SQRT1_2 + 18;
    const overhang = this.overhang(pen, (width - left) / columns.length);
    this.foot = margin ? FOOT : 0;
    Object.assign(this, {width, height, left: Math.round(left), top: Math.round(top)});
    this.room = {across: width - left - overhang, down: height - top - 4 - this.foot};
    this.frameCells();
  }

  /** How large a cell is where the whole map is seen, and where the map ends. */
  frameCells() {
    const {rows, columns} = this.map, {across, down} = this.room, ratio = window.devicePixelRatio || 1;
    const fit = Math.min(across / columns.length, down / rows.length, LARGEST), whole = Math.floor(fit * ratio) / ratio;
    this.cell = whole > fit * 0.86 ? whole : fit;
    this.across = Math.round(this.cell * columns.length * ratio) / ratio;
    this.down = Math.round(this.cell * rows.length * ratio) / ratio;
    this.bottom = this.top + this.down + 6 + this.foot;
  }

  /** How far slanting labels reach beyond the last column, were columns so wide. */
  overhang(pen, cell) {
    const {columns} = this.map, reach = (text, i) => Math.min(pen.measureText(text).width, this.columnRoom) * Math.SQRT1_2 - (columns.length - 1 - i) * cell;
    return Math.max(0, ...columns.slice(-12).map((text, i, last) => reach(text, columns.length - last.length + i)));
  }

  /** Where a column, or a row, begins. */
  x(column) {
    return this.left + (column - this.from.column) * this.cell;
  }

  y(row) {
    return this.top + (row - this.from.row) * this.cell;
  }

  /** The rows and columns that can be seen, the last left out. */
  seen() {
    const {from, cell, map} = this, end = (start, size, count) => Math.min(count, Math.ceil(start + size / cell - 1e-6));
    return {
      rows: [Math.floor(from.row), end(from.row, this.down, map.rows.length)],
      columns: [Math.floor(from.column), end(from.column, this.across, map.columns.length)],
    };
  }

  paintCells() {
    const {map, from, cell} = this, ratio = window.devicePixelRatio || 1, grain = map.grain ?? 1;
    const pen = sharp(this.cells, this.width, this.height);
    const wide = Math.max(1, Math.round(this.across * ratio)), high = Math.max(1, Math.round(this.down * ratio));
    const image = pen.createImageData(wide, high), ink = new Uint32Array(image.data.buffer), step = 1 / (cell * ratio * grain);
    const [rows, columns] = [map.rows, map.columns].map(({length}) => Math.ceil(length / grain));
    const ranges = [spans(from.row / grain, step, high, rows), spans(from.column / grain, step, wide, columns)];
    mosaic(ink, this.codes, columns, ...ranges, map.table);
    pen.putImageData(image, Math.round(this.left * ratio), Math.round(this.top * ratio));
    this.paintBlocked(pen);
    if (cell >= 14) this.paintGaps(pen);
    if (cell >= READABLE && grain === 1) this.paintNumbers(pen);
    if (map.margin) this.paintMargin(pen);
  }

  /** Every value as an entry of the colour table. */
  coded() {
    const {values, share} = this.map, codes = new Uint8Array(values.length);
    for (let i = 0; i < codes.length; i++) codes[i] = Math.max(0, Math.min(255, Math.round(share(values[i]) * 255)));
    return codes;
  }

  /** Of each row, where a stretch of forbidden cells begins and where it ends, over and over. */
  forbidden() {
    const {rows, columns, blocked} = this.map;
    this.runs ??= rows.map((_, r) => {
      const runs = [];
      for (let c = 0; c < columns.length; c++) if (blocked(r, c) === (runs.length % 2 === 0)) runs.push(c);
      return runs.length % 2 ? [...runs, columns.length] : runs;
    });
    return this.runs;
  }

  paintBlocked(pen) {
    const {omit} = this.map, {left, top, across, down, cell} = this, runs = this.forbidden(), {rows: [first, last]} = this.seen();
    const inside = (value, low, size) => Math.max(low, Math.min(low + size, value)), least = 1 / (window.devicePixelRatio || 1);
    pen.beginPath();
    for (let r = first, drawn = -1; r < last; r++) {
      const high = inside(this.y(r), top, down), low = inside(this.y(r + 1), top, down);
      if (cell < least && Math.floor(high / least) === drawn) continue; // rows that share a pixel are hatched once
      drawn = Math.floor(high / least);
      for (let i = 0; i < runs[r].length; i += 2) {
        const start = inside(this.x(runs[r][i]), left, across), end = inside(this.x(runs[r][i + 1]), left, across);
        if (end > start) pen.rect(start, high, end - start, Math.max(low - high, least));
      }
    }
    pen.fillStyle = PLATE.plate;
    pen.fill();
    pen.fillStyle = hatch(pen);
    pen.fill();
    if (omit >= 0) this.paintOmitted(pen, omit);
  }

  paintOmitted(pen, column) {
    const start = Math.max(this.left, this.x(column)), end = this.x(column + 1);
    pen.fillStyle = PLATE.hairline;
    if (end > this.left) pen.fillRect(start, this.top, Math.max(end - start, 1), this.down);
  }

  paintGaps(pen) {
    const {rows, columns} = this.seen();
    pen.fillStyle = PLATE.plate;
    for (let c = columns[0] + 1; c < columns[1]; c++) pen.fillRect(this.x(c) - 0.5, this.top, 1, this.down);
    for (let r = rows[0] + 1; r < rows[1]; r++) pen.fillRect(this.left, this.y(r) - 0.5, this.across, 1);
  }

  paintNumbers(pen) {
    const {columns: {length}, values, blocked, brief, omit, table} = this.map, {rows, columns} = this.seen();
    pen.save();
    this.clip(pen);
    pen.font = this.prose;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (let row = rows[0]; row < rows[1]; row++) for (let column = columns[0]; column < columns[1]; column++) {
      const i = row * length + column, text = brief(values[i]);
      if (!text || blocked(row, column)) continue;
      pen.fillStyle = column === omit ? PLATE.dim : onColour(TABLE[table], this.codes[i]);
      pen.fillText(text, this.x(column + 0.5), this.y(row + 0.5) + 1);
    }
    pen.restore();
  }

  clip(pen) {
    pen.beginPath();
    pen.rect(this.left, this.top, this.across, this.down);
    pen.clip();
  }

  /** A bar below each column; where columns share a pixel, the highest of them. */
  paintMargin(pen) {
    const {margin, caption, omit} = this.map, {left, across, cell} = this, base = this.top + this.down + FOOT - 18, tallest = FOOT - 18 - RAIL - 4;
    const most = margin.reduce((most, value, i) => (i !== omit && value > most ? value : most), 0) || 1, {columns: [first, last]} = this.seen();
    pen.fillStyle = colour(SEQUENTIAL, 176);
    for (let c = first; c < last; c++) {
      const start = Math.max(left, this.x(c)), end = Math.min(left + across, this.x(c + 1)), height = c === omit ? 0 : Math.sqrt(margin[c] / most) * tallest;
      pen.fillRect(start, base - height, Math.max(1, end - start - (cell >= 6 ? 1 : 0)), height);
    }
    pen.fillStyle = PLATE.hairline;
    pen.fillRect(left, base, across, 1);
    pen.font = this.prose;
    pen.fillStyle = PLATE.dim;
    pen.textBaseline = "middle";
    pen.textAlign = "left";
    pen.fillText(elide(pen, caption, this.width - left), left, base + 11);
  }

  paintLabels() {
    const pen = sharp(this.labels, this.width, this.height), at = this.hovered || this.locked, {rows, columns} = this.seen();
    pen.font = this.font;
    pen.textBaseline = "middle";
    this.paintTitles(pen);
    this.spaced(rows, at?.row, LABEL + 2, (r, chosen) => this.rowLabel(pen, this.map.rows[r], r, chosen));
    this.spaced(columns, at?.column, (LABEL + 2) * Math.SQRT2, (c, chosen) => this.columnLabel(pen, this.map.columns[c], c, chosen));
    if (this.locked) this.outline(pen, this.locked, PLATE.mark, 2.5);
    if (this.hovered) this.outline(pen, this.hovered, PLATE.glow, 1.5);
  }

  /** Visit every label from the first to the last seen that there is `room` for; the chosen one always, its neighbours only where they do
      not touch it. */
  spaced([first, last], chosen, room, visit) {
    const every = Math.max(1, Math.ceil(room / this.cell));
    for (let i = first; i < last; i++) {
      const touches = chosen !== undefined && Math.abs(i - chosen) * this.cell < room;
      if (i === chosen || (i % every === 0 && !touches)) visit(i, i === chosen);
    }
  }

  paintTitles(pen) {
    pen.save();
    pen.font = this.prose;
    pen.fillStyle = PLATE.dim;
    pen.textAlign = "left";
    pen.fillText(this.map.titles.columns, this.left, LABEL - 3);
    pen.translate(LABEL - 3, this.top);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "right";
    pen.fillText(this.map.titles.rows, 0, 0);
    pen.restore();
  }

  rowLabel(pen, text, r, chosen) {
    const y = Math.max(this.top, Math.min(this.top + this.down, this.y(r + 0.5)));
    pen.textAlign = "right";
    pen.fillStyle = chosen ? PLATE.glow : PLATE.dim;
    pen.fillText(elide(pen, text, this.rowRoom), this.left - 8, y + 1);
  }

  columnLabel(pen, text, c, chosen) {
    const x = Math.max(this.left, Math.min(this.left + this.across, this.x(c + 0.5)));
    pen.save();
    pen.translate(x, this.top - 8);
    pen.rotate(-SLANT);
    pen.textAlign = "left";
    pen.fillStyle = chosen ? PLATE.glow : PLATE.dim;
    pen.fillText(elide(pen, text, Math.min(this.columnRoom, (this.width - x) * Math.SQRT2)), 0, 0);
    pen.restore();
  }

  /** The cell, and faint rails along its row and its column; nothing of what lies outside the window. */
  outline(pen, {row, column}, ink, thick) {
    const x = this.x(column), y = this.y(row), size = Math.max(this.cell, 3), {left, top, across, down} = this;
    const level = y + size > top && y < top + down, upright = x + size > left && x < left + across;
    pen.strokeStyle = ink;
    pen.globalAlpha = 0.5;
    pen.lineWidth = 1;
    for (const shift of [0, size]) {
      if (level) pen.strokeRect(left - 5, y + shift, across + 5, 0);
      if (upright) pen.strokeRect(x + shift, top - 5, 0, down + 5);
    }
    pen.globalAlpha = 1;
    pen.lineWidth = thick;
    if (level && upright) pen.strokeRect(x - thick / 2 + 0.5, y - thick / 2 + 0.5, size + thick - 1, size + thick - 1);
  }

  /** The cell under a place of the frame, in CSS pixels; `null` beside the cells. */
  cellAt(x, y) {
    const across = x - this.left, down = y - this.top;
    if (across < 0 || down < 0 || across >= this.across || down >= this.down) return null;
    const row = Math.floor(this.from.row + down / this.cell), column = Math.floor(this.from.column + across / this.cell);
    return row < this.map.rows.length && column < this.map.columns.length ? {row, column} : null;
  }

  at(event) {
    const box = this.labels.getBoundingClientRect();
    return this.map && this.cellAt(event.clientX - box.left, event.clientY - box.top);
  }

  hover(cell) {
    if (cell?.row === this.hovered?.row && cell?.column === this.hovered?.column) return;
    this.preview(cell);
  }

  key(event) {
    if (!this.map) return;
    const from = this.hovered || this.locked || {row: 0, column: 0};
    const to = travelled(event, from.row, from.column, this.map.rows.length, this.map.columns.length);
    if (to) this.travel({row: to[0], column: to[1]});
    if (event.key === "Escape") this.preview(null);
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.choose(from);
    }
  }

  travel(cell) {
    this.preview(cell);
  }
}

/** Of each of `count` pixels the cells below it, where the first begins at `from` cells and each is `step` of them wide: pairs of the first
    cell and the one after the last, at least one. */
function spans(from, step, count, size) {
  const found = new Int32Array(2 * count);
  for (let i = 0; i < count; i++) {
    const first = Math.min(size - 1, Math.floor(from + i * step + 1e-6));
    found[2 * i] = first;
    found[2 * i + 1] = Math.min(size, Math.max(first + 1, Math.floor(from + (i + 1) * step + 1e-6)));
  }
  return found;
}

/** Ink every pixel with its cell's colour; where several cells share a pixel, with the one furthest from nothing. */
function mosaic(ink, codes, across, rows, columns, table) {
  const lit = LIT[table], nothing = table === "diverging" ? 127.5 : 0, wide = columns.length / 2;
  for (let y = 0, at = 0; y < rows.length / 2; y++, at += wide) {
    const first = rows[2 * y], last = rows[2 * y + 1];
    if (y && first === rows[2 * y - 2] && last === rows[2 * y - 1]) {
      ink.copyWithin(at, at - wide, at);
      continue;
    }
    for (let x = 0; x < wide; x++) {
      const from = columns[2 * x], to = columns[2 * x + 1];
      let code = codes[first * across + from], far = Math.abs(code - nothing);
      for (let r = first; r < last; r++) for (let c = from; c < to; c++) {
        const other = codes[r * across + c], away = Math.abs(other - nothing);
        if (away > far) { code = other; far = away; }
      }
      ink[at + x] = lit[code];
    }
  }
}
