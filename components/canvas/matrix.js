// One large matrix: queries in rows, keys in columns, each with its token. Needs plate.js before it.
// Two sheets lie on each other: the cells, painted once per map, and the labels and marks, painted at every move.

const LABEL = 13, SLANT = Math.PI / 4, TITLE = 20;

class Matrix {
  /** `frame` holds two canvases and takes the keys; `preview(cell | null)` and `choose(cell)` get {row, column}. */
  constructor(frame, {preview, choose}) {
    this.frame = frame;
    [this.cells, this.labels] = frame.querySelectorAll("canvas");
    Object.assign(this, {preview, choose, map: null, locked: null, hovered: null});
    frame.onpointermove = event => this.hover(this.at(event));
    frame.onpointerleave = () => this.hover(null);
    frame.onclick = event => { const cell = this.at(event); if (cell) this.choose(cell); };
    frame.onkeydown = event => this.key(event);
    frame.onblur = () => this.hover(null);
  }

  /** map: {rows, columns (labels), values (row by row), blocked (row, column) → boolean, table, share value → 0…1, say value → text, titles, omit}. */
  show(map, width, height) {
    this.map = map;
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
    const {rows, columns} = this.map;
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
    const ratio = window.devicePixelRatio || 1;
    const fit = Math.min((width - left - overhang) / columns.length, (height - top - 4) / rows.length, 64);
    const whole = Math.floor(fit * ratio) / ratio;
    this.cell = whole > fit * 0.86 ? whole : fit;
    Object.assign(this, {width, height, left: Math.round(left), top: Math.round(top)});
    this.across = Math.round(this.cell * columns.length * ratio) / ratio;
    this.down = Math.round(this.cell * rows.length * ratio) / ratio;
    this.bottom = this.top + this.down + 6;
  }

  /** How far slanting labels reach beyond the last column, were columns so wide. */
  overhang(pen, cell) {
    const {columns} = this.map, reach = (text, i) => Math.min(pen.measureText(text).width, this.columnRoom) * Math.SQRT1_2 - (columns.length - 1 - i) * cell;
    return Math.max(0, ...columns.slice(-12).map((text, i, last) => reach(text, columns.length - last.length + i)));
  }

  paintCells() {
    const {map} = this, ratio = window.devicePixelRatio || 1;
    const pen = sharp(this.cells, this.width, this.height);
    const wide = Math.max(1, Math.round(this.across * ratio)), high = Math.max(1, Math.round(this.down * ratio));
    const image = pen.createImageData(wide, high), ink = new Uint32Array(image.data.buffer), lit = LIT[map.table];
    this.codes = this.coded();
    spread(this.codes, 0, map.rows.length, map.columns.length, wide, high, map.table, (pixel, code) => { ink[pixel] = lit[code]; });
    pen.putImageData(image, Math.round(this.left * ratio), Math.round(this.top * ratio));
    this.paintBlocked(pen);
    if (this.cell >= 14) this.paintGaps(pen);
    if (this.cell >= 30) this.paintNumbers(pen);
  }

  /** Every value as an entry of the colour table. */
  coded() {
    const {values, share} = this.map, codes = new Uint8Array(values.length);
    for (let i = 0; i < codes.length; i++) codes[i] = Math.max(0, Math.min(255, Math.round(share(values[i]) * 255)));
    return codes;
  }

  paintBlocked(pen) {
    const {rows, columns, blocked, omit} = this.map, {left, top, cell} = this;
    pen.beginPath();
    for (let r = 0; r < rows.length; r++) {
      for (let c = 0; c < columns.length; c++) {
        if (!blocked(r, c)) continue;
        const from = c;
        while (c < columns.length && blocked(r, c)) c++;
        pen.rect(left + from * cell, top + r * cell, (c - from) * cell, cell);
      }
    }
    pen.fillStyle = PLATE.plate;
    pen.fill();
    pen.fillStyle = hatch(pen);
    pen.fill();
    if (omit >= 0) this.paintOmitted(pen, omit);
  }

  paintOmitted(pen, column) {
    pen.fillStyle = PLATE.hairline;
    pen.fillRect(this.left + column * this.cell, this.top, Math.max(this.cell, 1), this.down);
  }

  paintGaps(pen) {
    pen.fillStyle = PLATE.plate;
    for (let c = 1; c < this.map.columns.length; c++) pen.fillRect(this.left + c * this.cell - 0.5, this.top, 1, this.down);
    for (let r = 1; r < this.map.rows.length; r++) pen.fillRect(this.left, this.top + r * this.cell - 0.5, this.across, 1);
  }

  paintNumbers(pen) {
    const {columns, values, blocked, brief, omit, table} = this.map;
    pen.font = this.prose;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    values.forEach((value, i) => {
      const row = Math.floor(i / columns.length), column = i % columns.length, text = brief(value);
      if (!text || blocked(row, column)) return;
      pen.fillStyle = column === omit ? PLATE.dim : onColour(TABLE[table], this.codes[i]);
      pen.fillText(text, this.left + (column + 0.5) * this.cell, this.top + (row + 0.5) * this.cell + 1);
    });
  }

  paintLabels() {
    const pen = sharp(this.labels, this.width, this.height), at = this.hovered || this.locked;
    pen.font = this.font;
    pen.textBaseline = "middle";
    this.paintTitles(pen);
    this.spaced(this.map.rows.length, at?.row, LABEL + 2, (r, chosen) => this.rowLabel(pen, this.map.rows[r], r, chosen));
    this.spaced(this.map.columns.length, at?.column, (LABEL + 2) * Math.SQRT2, (c, chosen) => this.columnLabel(pen, this.map.columns[c], c, chosen));
    if (this.locked) this.outline(pen, this.locked, PLATE.mark, 2.5);
    if (this.hovered) this.outline(pen, this.hovered, PLATE.glow, 1.5);
  }

  /** Visit every label there is `room` for; the chosen one always, its neighbours only where they do not touch it. */
  spaced(count, chosen, room, visit) {
    const every = Math.max(1, Math.ceil(room / this.cell));
    for (let i = 0; i < count; i++) {
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
    pen.textAlign = "right";
    pen.fillStyle = chosen ? PLATE.glow : PLATE.dim;
    pen.fillText(elide(pen, text, this.rowRoom), this.left - 8, this.top + (r + 0.5) * this.cell + 1);
  }

  columnLabel(pen, text, c, chosen) {
    pen.save();
    pen.translate(this.left + (c + 0.5) * this.cell, this.top - 8);
    pen.rotate(-SLANT);
    pen.textAlign = "left";
    pen.fillStyle = chosen ? PLATE.glow : PLATE.dim;
    pen.fillText(elide(pen, text, this.columnRoom), 0, 0);
    pen.restore();
  }

  /** The cell, and faint rails along its row and its column. */
  outline(pen, {row, column}, ink, thick) {
    const x = this.left + column * this.cell, y = this.top + row * this.cell, size = Math.max(this.cell, 3);
    pen.strokeStyle = ink;
    pen.globalAlpha = 0.5;
    pen.lineWidth = 1;
    for (const shift of [0, size]) {
      pen.strokeRect(this.left - 5, y + shift, this.across + 5, 0);
      pen.strokeRect(x + shift, this.top - 5, 0, this.down + 5);
    }
    pen.globalAlpha = 1;
    pen.lineWidth = thick;
    pen.strokeRect(x - thick / 2 + 0.5, y - thick / 2 + 0.5, size + thick - 1, size + thick - 1);
  }

  at(event) {
    if (!this.map) return null;
    const box = this.labels.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left - this.left) / this.cell), row = Math.floor((event.clientY - box.top - this.top) / this.cell);
    const inside = row >= 0 && column >= 0 && row < this.map.rows.length && column < this.map.columns.length;
    return inside ? {row, column} : null;
  }

  hover(cell) {
    if (cell?.row === this.hovered?.row && cell?.column === this.hovered?.column) return;
    this.preview(cell);
  }

  key(event) {
    if (!this.map) return;
    const from = this.hovered || this.locked || {row: 0, column: 0};
    const to = travelled(event, from.row, from.column, this.map.rows.length, this.map.columns.length);
    if (to) this.preview({row: to[0], column: to[1]});
    if (event.key === "Escape") this.preview(null);
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.choose(from);
    }
  }
}
