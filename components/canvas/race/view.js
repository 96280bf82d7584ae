// One line a token, from the embedding at the left to the answer at the right, named where it ends.

const INKS = ["#FF8A6B", "#7CC7FF", "#F2D06B", "#8FE3A8", "#D6A2FF", "#FF9FC8", "#63E0D6", "#C9C4B5"];
const HIGH = 330, TOP = 30, FOOT = 46, LEFT = 58, FONT = 13;

export default component => drawn(component, Race);

class Race extends Drawing {
  static root = ".race";

  constructor(root) {
    super(root);
    this.cursor = null;
    this.title = make("h3");
    this.canvas = make("canvas");
    this.frame = make("div", "frame", this.canvas);
    this.say = make("p", "readout");
    this.say.setAttribute("aria-live", "polite");
    this.list = make("ul", "runners");
    root.replaceChildren(this.title, this.frame, this.say, this.list);
    this.attend(this.frame, cursor => this.look(cursor), cursor => this.look(cursor));
  }

  show(header, [numbers]) {
    const count = header.points.length * header.tokens.length;
    this.header = header;
    this.rank = new Int32Array(numbers.buffer, 0, count);
    this.chance = new Float32Array(numbers.buffer, 4 * count, count);
    this.cursor = null;
    this.title.textContent = header.title;
    this.frame.setAttribute("aria-label", `${header.title}. ${header.words.keys}`);
    this.list.replaceChildren(...header.names.map((name, i) => this.runner(name, i)));
    this.paint();
    this.told();
    this.root.dataset.painted = `${header.revision}/${header.measure}`;
  }

  runner(name, i) {
    const {words, real, names} = this.header, mark = make("canvas"), button = make("button", "", "×");
    const pen = sharp(mark, 14, 14);
    this.sign(pen, 7, 7, i);
    button.type = "button";
    button.setAttribute("aria-label", fill(words.take, {token: name}));
    button.title = fill(words.take, {token: name});
    button.disabled = names.length < 2;
    button.onclick = () => this.component.setTriggerValue("take", {line: i});
    const item = make("li", "", mark, make("span", "name", name), ...(i === real ? [make("small", "dim", words.real)] : []), button);
    item.onpointerenter = () => this.look({line: i, point: this.cursor?.point ?? this.header.points.length - 1});
    return item;
  }

  // ---------------------------------------------------------------- where things lie

  measure() {
    const across = this.root.clientWidth - 40, narrow = across < 480;
    this.across = across;
    this.right = narrow ? 92 : 170;
    this.left = narrow ? 46 : LEFT;
    this.step = (across - this.left - this.right) / Math.max(1, this.header.points.length - 1);
  }

  x(point) {
    return this.left + point * this.step;
  }

  y(line, point) {
    const i = point * this.header.tokens.length + line;
    return this.header.measure === "rank" ? this.yOf(this.rank[i]) : this.yOf(this.chance[i]);
  }

  yOf(value) {
    const {measure, vocabulary} = this.header;
    return TOP + HIGH * (measure === "rank" ? Math.log(value) / Math.log(Math.max(2, vocabulary)) : 1 - value);
  }

  ticks() {
    const {measure, vocabulary, language} = this.header;
    if (measure === "probability") return [0, 0.25, 0.5, 0.75, 1].map(value => [value, percent(value, language)]);
    const steps = [1, 3, 10, 30, 100, 300, 1000, 3000, 10000, 30000, 100000].filter(value => value < vocabulary * 0.8);
    return [...steps, vocabulary].map(value => [value, whole(value, language)]);
  }

  at(event) {
    if (!this.header) return null;
    const {points, names} = this.header, last = points.length - 1;
    const point = Math.max(0, Math.min(last, Math.round((event.offsetX - this.left) / (this.step || 1))));
    const far = line => Math.abs(this.y(line, point) - event.offsetY);
    const line = names.map((_, each) => each).reduce((best, each) => (far(each) < far(best) ? each : best), 0);
    return {line, point};
  }

  // ---------------------------------------------------------------- painting

  paint() {
    if (!this.header || this.root.clientWidth < 120) return;
    this.measure();
    const pen = sharp(this.canvas, this.across, TOP + HIGH + FOOT), {names} = this.header;
    this.font = face(this.root, "--st-code-font", FONT, () => this.paint());
    this.prose = face(this.root, "--st-font", FONT, () => this.paint());
    pen.textBaseline = "middle";
    this.axes(pen);
    const order = names.map((_, line) => line).sort((a, b) => (a === this.cursor?.line) - (b === this.cursor?.line));
    for (const line of order) this.line(pen, line);
    this.names(pen);
    if (this.cursor) this.ring(pen);
  }

  axes(pen) {
    const {points, words, measure} = this.header, bottom = TOP + HIGH;
    pen.font = this.prose;
    for (const [value, text] of this.ticks()) {
      const y = this.yOf(value);
      pen.fillStyle = PLATE.hairline;
      pen.fillRect(this.left, y, this.across - this.left - this.right, 1);
      pen.fillStyle = PLATE.dim;
      pen.textAlign = "right";
      pen.fillText(text, this.left - 8, y);
    }
    pen.textAlign = "left";
    pen.fillText(measure === "rank" ? `${words.measure} · ${words.first}` : words.measure, 0, 9);
    const every = Math.max(1, Math.ceil(24 / this.step));
    const room = this.step * every;
    points.forEach((point, i) => {
      if (i % every && i !== points.length - 1) return;
      pen.fillStyle = i === this.cursor?.point ? PLATE.glow : PLATE.dim;
      const name = pen.measureText(point.name).width < room - 8 ? point.name : point.short;
      pen.textAlign = "center";
      pen.fillText(name, this.x(i), bottom + 17);
    });
    pen.fillStyle = PLATE.dim;
    pen.textAlign = "left";
    pen.fillText(words.axis, this.left, bottom + 37);
    if (!this.cursor) return;
    pen.fillStyle = PLATE.dim;
    pen.fillRect(this.x(this.cursor.point), TOP, 1, HIGH);
  }

  line(pen, line) {
    const {points} = this.header, lit = !this.cursor || this.cursor.line === line;
    pen.globalAlpha = lit ? 1 : 0.5;
    pen.strokeStyle = INKS[line % INKS.length];
    pen.lineWidth = this.cursor?.line === line ? 3.5 : 2.25;
    pen.beginPath();
    points.forEach((_, point) => {
      const x = this.x(point), y = this.y(line, point);
      if (point === 0) pen.moveTo(x, y); else pen.lineTo(x, y);
    });
    pen.stroke();
    if (points.length <= 40) points.forEach((_, point) => this.sign(pen, this.x(point), this.y(line, point), line));
    pen.globalAlpha = 1;
  }

  /** A mark of the line's own: a disc, a square, a diamond or a triangle, full or hollow. */
  sign(pen, x, y, line) {
    const size = 4.5, kind = line % 4;
    pen.beginPath();
    if (kind === 0) pen.arc(x, y, size, 0, 2 * Math.PI);
    else if (kind === 1) pen.rect(x - size + 0.5, y - size + 0.5, 2 * size - 1, 2 * size - 1);
    else {
      pen.moveTo(x, y - size - 0.5);
      if (kind === 2) pen.lineTo(x + size + 0.5, y);
      pen.lineTo(kind === 2 ? x : x + size, y + size);
      pen.lineTo(x - size - (kind === 2 ? 0.5 : 0), kind === 2 ? y : y + size);
      pen.lineTo(x, y - size - 0.5);
    }
    pen.fillStyle = line < 4 ? INKS[line] : PLATE.plate;
    pen.fill();
    pen.strokeStyle = INKS[line % INKS.length];
    pen.lineWidth = 2;
    pen.stroke();
  }

  /** Names where lines end, none on top of another. */
  names(pen) {
    const {names, points, measure, language} = this.header, last = points.length - 1, gap = 18;
    const ends = names.map((name, line) => ({name, line, y: this.y(line, last)})).sort((a, b) => a.y - b.y || a.line - b.line);
    ends.forEach((end, i) => { if (i) end.y = Math.max(end.y, ends[i - 1].y + gap); });
    for (let i = ends.length - 1, limit = TOP + HIGH - 4; i >= 0; i--, limit -= gap) ends[i].y = Math.min(ends[i].y, limit);
    for (const {name, line, y} of ends) {
      const i = last * names.length + line, x = this.x(last);
      const value = measure === "rank" ? whole(this.rank[i], language) : percent(this.chance[i], language);
      pen.strokeStyle = INKS[line % INKS.length];
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(x + 7, this.y(line, last));
      pen.lineTo(x + 16, y);
      pen.stroke();
      pen.fillStyle = INKS[line % INKS.length];
      pen.textAlign = "left";
      pen.font = this.font;
      const room = this.right - 20, tail = `  ${value}`;
      pen.font = this.prose;
      const taken = pen.measureText(tail).width;
      pen.font = this.font;
      const shown = elide(pen, name, room - taken), wide = pen.measureText(shown).width;
      pen.fillText(shown, x + 20, y);
      pen.font = this.prose;
      pen.fillStyle = PLATE.dim;
      pen.fillText(tail, x + 20 + wide, y);
    }
  }

  ring(pen) {
    const {line, point} = this.cursor;
    pen.strokeStyle = PLATE.glow;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(this.x(point), this.y(line, point), 8, 0, 2 * Math.PI);
    pen.stroke();
  }

  // ---------------------------------------------------------------- reading out

  look(cursor) {
    if (!this.header || (cursor?.line === this.cursor?.line && cursor?.point === this.cursor?.point)) return;
    this.cursor = cursor;
    this.paint();
    this.told();
  }

  told() {
    const {words, points, names, vocabulary, language} = this.header;
    if (!this.cursor) { this.say.textContent = words.keys; return; }
    const {line, point} = this.cursor, i = point * names.length + line;
    const told = {token: names[line], point: points[point].name, rank: whole(this.rank[i], language), all: whole(vocabulary, language)};
    this.say.textContent = fill(words.cell, {...told, share: percent(this.chance[i], language)});
  }

  key(event) {
    if (!this.header) return;
    const {points, names} = this.header, from = this.cursor ?? {line: 0, point: points.length - 1};
    const order = names.map((_, line) => line).sort((a, b) => this.y(a, from.point) - this.y(b, from.point) || a - b);
    const to = travelled(event, order.indexOf(from.line), from.point, names.length, points.length);
    if (to) this.look({line: to[1] === from.point ? order[to[0]] : from.line, point: to[1]});
    if (event.key === "Escape") this.look(null);
  }
}
