// A window onto a large matrix: zoomed by wheel, by two fingers, by keys and by buttons, moved by dragging and along its rails.
// Needs plate.js and matrix.js before it.

const STEP = 1.5, STILL = 4, PATIENCE = 400;

class Lens extends Matrix {
  /** As a `Matrix`; `viewed(lens)` is told after each picture of another part. */
  constructor(frame, {viewed, ...acts}) {
    super(frame, acts);
    Object.assign(this, {viewed, zoom: 1, pointers: new Map(), wheeled: -Infinity});
    this.minus = this.button("−", () => this.step(1 / STEP));
    this.plus = this.button("+", () => this.step(STEP));
    this.whole = this.button("", () => this.fit());
    this.level = make("span", "level dim");
    this.bar = make("div", "lens", this.minus, this.level, this.plus, this.whole);
    this.bar.setAttribute("role", "group");
    Object.assign(frame, {
      onpointerdown: event => this.press(event),
      onpointermove: event => this.move(event),
      onpointerup: event => this.lift(event),
      onpointercancel: event => this.lift(event),
      onpointerleave: () => { this.ready = false; if (!this.pointers.size) this.hover(null); },
      onclick: event => { const cell = !this.dragged && this.at(event); if (cell) this.choose(cell); },
      onwheel: event => this.wheel(event),
    });
  }

  button(text, act) {
    const button = make("button", "", text);
    button.type = "button";
    button.onclick = act;
    return button;
  }

  name({words, language}) {
    Object.assign(this, {language});
    this.bar.setAttribute("aria-label", words.zoom);
    this.minus.setAttribute("aria-label", words.zoom_out);
    this.plus.setAttribute("aria-label", words.zoom_in);
    this.whole.textContent = words.zoom_fit;
  }

  // ---------------------------------------------------------------- which part is seen

  /** Past the whole map, the window is as large as there is room, and its cells lie on whole pixels where they are large. */
  frameCells() {
    super.frameCells();
    const {rows, columns} = this.map, ratio = window.devicePixelRatio || 1;
    this.least = this.cell;
    this.zoom = Math.max(1, Math.min(this.zoom, LARGEST / this.least));
    if (this.zoom > 1) {
      const cell = this.least * this.zoom, size = (room, count) => Math.round(Math.min(room, this.cell * count) * ratio) / ratio;
      this.cell = cell < 8 ? cell : Math.round(cell * ratio) / ratio;
      this.across = size(this.room.across, columns.length);
      this.down = size(this.room.down, rows.length);
      this.bottom = this.top + this.down + 6 + this.foot;
    }
    const grid = this.cell * ratio < 8 ? value => value : value => Math.round(value * this.cell * ratio) / (this.cell * ratio);
    const inside = (at, size, count) => grid(Math.max(0, Math.min(at, count - size / this.cell)));
    this.from = {row: inside(this.from.row, this.down, rows.length), column: inside(this.from.column, this.across, columns.length)};
  }

  /** Zoom by a factor; what lies at this place of the frame stays there. */
  magnify(factor, x, y) {
    const across = x - this.left, down = y - this.top, {cell, from} = this;
    this.zoom = Math.max(1, Math.min(this.zoom * factor, LARGEST / this.least));
    const next = this.zoom === 1 ? this.least : this.least * this.zoom;
    this.from = {row: from.row + down / cell - down / next, column: from.column + across / cell - across / next};
    this.draw();
  }

  /** Zoom about the cell that is looked at, where it can be seen; else about the middle. */
  step(factor) {
    const at = this.hovered || this.locked, x = at && this.x(at.column + 0.5), y = at && this.y(at.row + 0.5);
    const seen = at && x > this.left && x < this.left + this.across && y > this.top && y < this.top + this.down;
    this.magnify(factor, seen ? x : this.left + this.across / 2, seen ? y : this.top + this.down / 2);
    if (seen) this.reveal(at);
  }

  fit() {
    this.zoom = 1;
    this.from = {row: 0, column: 0};
    this.draw();
  }

  /** Move the window by so many CSS pixels. */
  pan(across, down) {
    this.from = {row: this.from.row + down / this.cell, column: this.from.column + across / this.cell};
    this.draw();
  }

  /** Move the window no further than is needed to see a cell and a little around it. */
  reveal({row, column}) {
    if (!this.map || this.zoom === 1) return;
    const reach = (from, size, at) => { const edge = Math.min(2, (size - 1) / 2); return Math.min(at - edge, Math.max(from, at + 1 + edge - size)); };
    const {from, cell} = this, next = {row: reach(from.row, this.down / cell, row), column: reach(from.column, this.across / cell, column)};
    if (next.row === from.row && next.column === from.column) return;
    this.from = next;
    this.draw();
  }

  /** However fast it is moved, one picture a frame. */
  draw() {
    if (!this.map) return;
    this.frameCells();
    this.awaited ??= requestAnimationFrame(() => {
      this.awaited = null;
      this.paintCells();
      this.paintLabels();
      this.tell();
    });
  }

  show(...given) {
    super.show(...given);
    this.tell();
  }

  tell() {
    const most = LARGEST / this.least;
    this.minus.disabled = this.whole.disabled = this.zoom === 1;
    this.plus.disabled = this.zoom >= most;
    this.level.textContent = `×${this.zoom.toLocaleString(this.language, {maximumSignificantDigits: 2})}`;
    this.frame.classList.toggle("zoomed", this.zoom > 1);
    this.viewed(this);
  }

  // ---------------------------------------------------------------- pointers

  spot(event) {
    const box = this.labels.getBoundingClientRect();
    return {x: event.clientX - box.left, y: event.clientY - box.top};
  }

  press(event) {
    if (!this.map || event.button) return;
    const at = this.spot(event);
    if (!this.pointers.size) Object.assign(this, {dragged: false, start: at, rail: this.railAt(at)});
    this.pointers.set(event.pointerId, at);
  }

  move(event) {
    if (!this.map) return;
    if (event.movementX || event.movementY) this.ready = true;
    const before = this.pointers.get(event.pointerId), at = this.spot(event);
    if (!before) return this.hover(this.cellAt(at.x, at.y));
    if (this.pointers.size === 2) this.pinch(event.pointerId, at);
    else if (this.zoom > 1) this.drag(event, before, at);
    this.pointers.set(event.pointerId, at);
  }

  drag(event, before, at) {
    this.dragged ||= Math.hypot(at.x - this.start.x, at.y - this.start.y) > STILL;
    if (!this.dragged) return;
    this.frame.setPointerCapture(event.pointerId);
    this.frame.classList.add("held");
    if (this.hovered) this.hover(null);
    const {rows, columns} = this.map, along = (way, size, count) => way * this.cell * count / size;
    if (this.rail === "row") this.pan(0, along(at.y - before.y, this.down, rows.length));
    else if (this.rail === "column") this.pan(along(at.x - before.x, this.across, columns.length), 0);
    else this.pan(before.x - at.x, before.y - at.y);
  }

  pinch(id, at) {
    this.dragged = true;
    const other = [...this.pointers].find(([key]) => key !== id)[1], before = this.pointers.get(id);
    const apart = place => Math.max(1, Math.hypot(place.x - other.x, place.y - other.y)), middle = place => ({x: (place.x + other.x) / 2, y: (place.y + other.y) / 2});
    const from = middle(before), to = middle(at);
    this.magnify(apart(at) / apart(before), from.x, from.y);
    this.pan(from.x - to.x, from.y - to.y);
  }

  lift(event) {
    this.pointers.delete(event.pointerId);
    this.frame.classList.remove("held");
  }

  /** The wheel zooms a map too small to be read, where the pointer was put on it; whoever scrolls the page across it goes on scrolling. */
  wheel(event) {
    if (!this.map) return;
    const {x, y} = this.spot(event), passing = event.timeStamp - this.wheeled < PATIENCE || !this.ready;
    const nothing = (event.deltaY > 0 && this.zoom === 1) || this.least >= READABLE;
    const ours = this.cellAt(x, y) && (event.ctrlKey || event.metaKey || !(passing || nothing));
    if (!ours) return void (this.wheeled = event.timeStamp);
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 30 : 1;
    this.magnify(Math.exp(-Math.max(-240, Math.min(240, event.deltaY * lines)) * (event.ctrlKey ? 0.01 : 0.0025)), x, y);
  }

  /** Where several cells share a pixel, the pointer means the one whose colour it has: the largest. */
  cellAt(x, y) {
    const first = super.cellAt(x, y), {values, blocked, columns, grain} = this.map;
    if (!first || this.cell >= 1 || grain > 1) return first;
    const last = super.cellAt(Math.min(x + 1, this.left + this.across - 0.01), Math.min(y + 1, this.top + this.down - 0.01)) ?? first;
    let best = first, most = -1;
    for (let row = first.row; row <= last.row; row++) for (let column = first.column; column <= last.column; column++) {
      const value = values[row * columns.length + column];
      if (value > most && !blocked(row, column)) { best = {row, column}; most = value; }
    }
    return best;
  }

  // ---------------------------------------------------------------- keys

  key(event) {
    const act = !event.ctrlKey && !event.metaKey && {"+": () => this.step(STEP), "=": () => this.step(STEP), "-": () => this.step(1 / STEP), "0": () => this.fit()}[event.key];
    if (!act || !this.map) return super.key(event);
    event.preventDefault();
    act();
  }

  travel(cell) {
    this.reveal(cell);
    super.travel(cell);
  }

  // ---------------------------------------------------------------- rails

  /** The rail under a place: it has a little more room than it shows. */
  railAt({x, y}) {
    if (this.zoom === 1) return null;
    const right = x - this.left - this.across, below = y - this.top - this.down;
    if (right >= 0 && right < 16 && below < 0) return "row";
    return below >= 0 && below < 12 && right < 0 ? "column" : null;
  }

  paintLabels() {
    super.paintLabels();
    if (this.zoom > 1) this.paintRails(this.labels.getContext("2d"));
  }

  paintRails(pen) {
    const {left, top, across, down, cell, from, map} = this, thick = 4;
    const rail = (start, size, at, count) => [start + (at / count) * size, Math.max(12, (size / cell / count) * size)];
    const [x, wide] = rail(left, across, from.column, map.columns.length), [y, high] = rail(top, down, from.row, map.rows.length);
    pen.fillStyle = PLATE.hairline;
    if (across / cell < map.columns.length - 0.01) pen.fillRect(left, top + down + 3, across, thick);
    if (down / cell < map.rows.length - 0.01) pen.fillRect(left + across + 3, top, thick, down);
    pen.fillStyle = PLATE.dim;
    if (across / cell < map.columns.length - 0.01) pen.fillRect(Math.min(x, left + across - wide), top + down + 3, wide, thick);
    if (down / cell < map.rows.length - 0.01) pen.fillRect(left + across + 3, Math.min(y, top + down - high), thick, high);
  }
}
