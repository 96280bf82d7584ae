// Strips of numbers, a column a token: keys above, how much each is looked at, values below; the query and what comes of it at the right.
// Under them a row a pass: which keys it computed, and which it only read.

const STEPS = {
  first: "M5 5h2.4v14H5zM19 5v14L8.6 12z",
  back: "M15.5 5v14L5.5 12zM17 5h2v14h-2z",
  play: "M7 4.5v15L19 12z",
  pause: "M6.5 5h4v14h-4zM13.5 5h4v14h-4z",
  step: "M8.5 5v14L18.5 12zM5 5h2v14H5z",
};
const PARTS = ["k", "v", "q", "mixed", "pattern"];
const NAMES = 74, STATUS = 10, WEIGHTS = 46, GAP = 12, FONT = 13, LEAST = 11, MOST = 56, PACE = 900;

export default component => drawn(component, Cache);

class Cache extends Drawing {
  static root = ".cache";

  constructor(root) {
    super(root);
    Object.assign(this, {cursor: null, hovered: null});
    this.title = make("h3");
    this.buttons = Object.fromEntries(["first", "back", "play", "step"].map(name => [name, this.button(name)]));
    this.slider = Object.assign(make("input"), {type: "range", min: 0, step: 1});
    this.position = make("output", "position");
    this.counted = make("p", "counted");
    this.strips = make("canvas", "strips");
    this.readout = make("p", "readout dim");
    this.readout.setAttribute("aria-live", "polite");
    this.scale = make("div", "scales");
    this.heading = make("h4");
    this.rows = make("canvas", "rows");
    this.legend = make("p", "legend");
    const deck = make("div", "deck", make("div", "buttons", ...Object.values(this.buttons)), this.slider, this.position);
    root.replaceChildren(this.title, deck, this.counted, this.strips, this.readout, this.scale, this.heading, this.rows, this.legend);
    this.slider.oninput = () => { this.rest(); this.go(Number(this.slider.value)); };
    this.attend(this.strips, spot => this.hover(spot), spot => this.choose(spot));
    this.strips.onblur = () => this.look(null);
    this.rows.setAttribute("role", "img");
    this.rows.onpointermove = event => this.told(this.pass(event));
    this.rows.onpointerleave = () => this.told(null);
    this.rows.onclick = event => { const pass = this.pass(event); if (pass !== null) { this.rest(); this.go(pass); } };
  }

  button(name) {
    const button = make("button", name), icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    icon.setAttribute("viewBox", "0 0 24 24");
    icon.setAttribute("aria-hidden", "true");
    icon.append(document.createElementNS("http://www.w3.org/2000/svg", "path"));
    button.append(icon);
    button.type = "button";
    button.onclick = () => this.press(name);
    return button;
  }

  leave() {
    this.rest();
    super.leave();
  }

  // ---------------------------------------------------------------- from Python

  unpacked(parts, header) {
    return header.revision === this.header?.revision ? [] : super.unpacked(parts);
  }

  show(header, [numbers]) {
    this.header = header;
    if (numbers) this.unpack(new Float32Array(numbers.buffer));
    this.dress();
    this.paint();
  }

  unpack(numbers) {
    const {passes, size, pieces} = this.header, count = passes.length, tokens = pieces.length;
    let at = 0;
    const next = length => numbers.subarray(at, (at += length));
    this.numbers = {q: next(count * size), k: next(tokens * size), v: next(tokens * size), mixed: next(count * size), pattern: next(count * tokens)};
    this.now = this.header.at;
    this.cursor = this.hovered = null;
    this.rest();
  }

  dress() {
    const {words, passes, most, language} = this.header;
    this.title.textContent = words.title;
    this.heading.textContent = words.passes;
    this.slider.max = passes.length - 1;
    this.slider.disabled = passes.length < 2;
    this.strips.setAttribute("aria-label", `${words.title}. ${words.keys}`);
    const bar = (name, end) => {
      const write = value => this.number(value), ends = make("span", "ends", ...[-end, 0, end].map(value => make("span", "", write(value))));
      return make("div", "scale diverging", make("span", "", fill(words.scale, {name})), make("i"), ends);
    };
    this.scale.replaceChildren(bar(`${words.q} · ${words.k}`, most[0]), bar(`${words.v} · ${words.mixed}`, most[1]));
    const kinds = ["new", "old", ...(passes.some(pass => pass.gone) ? ["gone"] : [])];
    this.legend.replaceChildren(...kinds.map(kind => make("span", "", make("i", kind), words[`legend_${kind}`])));
    this.root.lang = language;
    this.tell();
  }

  // ---------------------------------------------------------------- stepping

  press(name) {
    if (name === "play") return this.playing ? this.rest() : this.play();
    this.rest();
    this.go(name === "first" ? 0 : this.now + (name === "back" ? -1 : 1));
  }

  play() {
    if (this.now === this.header.passes.length - 1) this.go(0);
    this.playing = setInterval(() => {
      this.go(this.now + 1);
      if (this.now === this.header.passes.length - 1) this.rest();
    }, PACE);
    this.tell();
  }

  rest() {
    clearInterval(this.playing);
    this.playing = null;
    if (this.header) this.tell();
  }

  go(at) {
    const last = this.header.passes.length - 1, to = Math.max(0, Math.min(last, at));
    if (to === this.now) return;
    this.now = to;
    if (this.cursor && this.cursor.column < this.header.pieces.length) this.cursor.column = Math.min(this.cursor.column, this.length() - 1);
    this.tell();
    this.paint();
    clearTimeout(this.sending);
    this.sending = setTimeout(() => this.component.setTriggerValue("step", {at: this.now}), 300);
  }

  /** The deck and the sentence over the picture. */
  tell() {
    const {words, passes, asking, layers, crosses} = this.header, last = passes.length - 1, pass = passes[this.now];
    for (const [name, button] of Object.entries(this.buttons)) {
      const shown = name === "play" && this.playing ? "pause" : name;
      button.querySelector("path").setAttribute("d", STEPS[shown]);
      button.setAttribute("aria-label", words[shown]);
      button.title = words[shown];
    }
    this.buttons.first.disabled = this.buttons.back.disabled = this.now === 0;
    this.buttons.step.disabled = this.now === last;
    this.buttons.play.disabled = last === 0;
    this.slider.value = this.now;
    const position = fill(this.now ? words.position : words.position_first, {step: this.now, last, token: asking[this.now]});
    this.position.textContent = position;
    this.slider.setAttribute("aria-label", words.step);
    this.slider.setAttribute("aria-valuetext", position);
    const count = value => whole(value, this.header.language);
    const values = {computed: count(pass.computed), length: count(pass.length), reused: count(pass.reused), layers, all: count(pass.length * layers)};
    this.counted.textContent = fill(crosses ? words.counted_source : this.now ? words.counted : words.counted_first, values);
  }

  // ---------------------------------------------------------------- where things lie

  /** How many columns are filled. */
  length() {
    return this.header.passes[this.now].length;
  }

  measure() {
    const {pieces, size} = this.header, width = this.root.clientWidth - 40, narrow = width < 480;
    const left = narrow ? 20 : 62, right = narrow ? 46 : 92, room = width - left - right, tokens = pieces.length;
    const cell = Math.max(LEAST, Math.min(MOST, room / tokens)), count = Math.max(1, Math.min(tokens, Math.floor(room / cell)));
    const high = Math.max(2, Math.min(6, 150 / size)), k = NAMES + STATUS + 6, weights = k + high * size + GAP, v = weights + WEIGHTS + GAP;
    const wanted = this.cursor && this.cursor.column < tokens ? this.cursor.column : this.length() - 1;
    const from = Math.max(0, Math.min(tokens - count, wanted < (this.from ?? 0) ? wanted : Math.max(this.from ?? 0, wanted - count + 1)));
    this.from = from;
    const ask = left + count * cell + (narrow ? 12 : 34);
    this.m = {width, left, cell, count, from, high, k, weights, v, ask, wide: Math.min(cell, 34), narrow, height: v + high * size + 24};
  }

  x(column) {
    return this.m.left + (column - this.m.from) * this.m.cell;
  }

  at(event) {
    if (!this.header || !this.m) return null;
    const {size, pieces} = this.header, {left, cell, count, from, high, k, weights, v, ask, wide} = this.m, y = event.offsetY;
    const inside = top => y >= top && y < top + high * size;
    const part = inside(k) ? "k" : inside(v) ? "v" : y >= weights - 2 && y < weights + WEIGHTS ? "pattern" : null;
    if (!part) return null;
    const row = part === "pattern" ? 0 : Math.floor((y - (part === "k" ? k : v)) / high);
    if (event.offsetX >= ask - 4 && event.offsetX < ask + wide + 4 && part !== "pattern") return {part: part === "k" ? "q" : "mixed", row, column: pieces.length};
    const column = from + Math.floor((event.offsetX - left) / cell);
    return event.offsetX < left || column >= Math.min(from + count, this.length()) ? null : {part, row, column};
  }

  // ---------------------------------------------------------------- painting

  paint() {
    if (!this.header || this.root.clientWidth < 120) return;
    this.measure();
    this.code = face(this.root, "--st-code-font", FONT, () => this.paint());
    this.prose = face(this.root, "--st-font", FONT, () => this.paint());
    const pen = sharp(this.strips, this.m.width, this.m.height);
    pen.textBaseline = "middle";
    this.tokens(pen);
    this.block(pen, "k", this.m.k, this.header.most[0]);
    this.block(pen, "v", this.m.v, this.header.most[1]);
    this.weights(pen);
    this.column(pen, "q", this.m.k, this.header.most[0]);
    this.column(pen, "mixed", this.m.v, this.header.most[1]);
    for (const [spot, ink] of [[this.header.chosen, PLATE.mark], [this.hovered ?? this.cursor, PLATE.glow]]) if (spot) this.ring(pen, spot, ink);
    this.passes();
    this.root.dataset.painted = `${this.header.revision}/${this.now}`;
  }

  /** What a column is in this pass: new, old (only read), gone (behind the window), later. */
  kind(column, at = this.now) {
    const {length, computed, gone} = this.header.passes[at];
    return column >= length ? "later" : column >= length - computed ? "new" : column < gone ? "gone" : "old";
  }

  tokens(pen) {
    const {pieces, words, language} = this.header, {left, cell, count, from, width, narrow} = this.m, every = Math.ceil(15 / cell);
    for (let column = from; column < from + count; column++) {
      const kind = this.kind(column), x = this.x(column), top = NAMES;
      pen.fillStyle = kind === "new" ? PLATE.mark : kind === "old" ? PLATE.dim : PLATE.hairline;
      if (kind === "new" || kind === "old") pen.fillRect(x, top, cell - 1, kind === "new" ? STATUS : 3);
      else pen.fillRect(x, top, cell - 1, 1);
      const fromEnd = this.length() - 1 - column;
      if (kind === "later" || (fromEnd >= 0 && fromEnd % every && column !== this.cursor?.column)) continue;
      pen.save();
      pen.translate(x + cell / 2, top - 6);
      pen.rotate(-Math.PI / 4);
      pen.font = this.code;
      pen.textAlign = "left";
      pen.fillStyle = kind === "new" ? PLATE.mark : kind === "old" ? PLATE.glow : PLATE.dim;
      pen.fillText(elide(pen, pieces[column], NAMES * 1.15), 0, 0);
      pen.restore();
    }
    if (count === pieces.length) return;
    pen.font = this.prose;
    pen.fillStyle = PLATE.dim;
    const shown = fill(words.window, {from: whole(from + 1, language), to: whole(from + count, language), all: whole(pieces.length, language)});
    pen.textAlign = "left";
    pen.fillText(elide(pen, shown, width - left), narrow ? 0 : left, this.m.height - 8);
  }

  block(pen, part, top, most) {
    const {size, words, pieces} = this.header, {left, cell, count, from, high, narrow} = this.m, values = this.numbers[part];
    for (let column = from; column < Math.min(from + count, pieces.length); column++) {
      const kind = this.kind(column), x = this.x(column);
      if (kind === "later" || kind === "gone") {
        pen.fillStyle = PLATE.hairline;
        pen.globalAlpha = kind === "gone" ? 0.8 : 0.35;
        pen.fillRect(x, top, cell - 1, high * size);
        pen.globalAlpha = 1;
        continue;
      }
      for (let row = 0; row < size; row++) this.cell(pen, x, top + row * high, cell - (cell > 5 ? 1 : 0), high, values[column * size + row] / most);
      if (kind === "new" && this.header.passes[this.now].computed === 1) this.frame(pen, x, top, cell - 1, high * size);
    }
    pen.font = this.prose;
    pen.fillStyle = PLATE.dim;
    pen.textAlign = "right";
    pen.fillText(narrow ? part : words[part], left - 8, top + (high * size) / 2);
  }

  cell(pen, x, y, wide, high, share) {
    const bent = Math.sign(share) * Math.sqrt(Math.min(1, Math.abs(share)));
    pen.fillStyle = colour(DIVERGING, Math.round(127.5 + 127.5 * bent));
    pen.fillRect(x, y, wide, high - (high > 4 ? 0.6 : 0));
  }

  frame(pen, x, y, wide, high) {
    pen.strokeStyle = PLATE.mark;
    pen.lineWidth = 1.5;
    pen.strokeRect(x - 1, y - 1, wide + 2, high + 2);
  }

  /** How much the new token looks at each, as bars: full height is all of it. */
  weights(pen) {
    const {pieces, words, language} = this.header, {left, cell, count, from, weights, narrow} = this.m, tokens = pieces.length;
    pen.fillStyle = PLATE.hairline;
    pen.fillRect(left, weights + WEIGHTS, count * cell, 1);
    for (let column = from; column < Math.min(from + count, this.length()); column++) {
      const share = this.numbers.pattern[this.now * tokens + column], high = share * WEIGHTS;
      pen.fillStyle = colour(SEQUENTIAL, Math.round(255 * Math.max(0.35, Math.sqrt(share))));
      pen.fillRect(this.x(column), weights + WEIGHTS - high, cell - 1, high);
      if (cell < 36 || share < 0.05) continue;
      pen.font = this.prose;
      pen.textAlign = "center";
      pen.fillStyle = PLATE.glow;
      pen.fillText(percent(share, language), this.x(column) + cell / 2, Math.max(weights - 7, weights + WEIGHTS - high - 9));
    }
    pen.font = this.prose;
    pen.fillStyle = PLATE.dim;
    pen.textAlign = "right";
    pen.fillText(narrow ? "%" : words.weights, left - 8, weights + WEIGHTS / 2);
  }

  column(pen, part, top, most) {
    const {size, words} = this.header, {ask, wide, high, narrow, left, count, cell} = this.m, values = this.numbers[part], middle = top + (high * size) / 2;
    for (let row = 0; row < size; row++) this.cell(pen, ask, top + row * high, wide - 1, high, values[this.now * size + row] / most);
    this.frame(pen, ask, top, wide - 1, high * size);
    if (!narrow) this.arrow(pen, left + count * cell + 6, ask - 8, middle, part === "q");
    pen.font = this.prose;
    pen.fillStyle = PLATE.mark;
    pen.textAlign = "center";
    pen.fillText(narrow ? (part === "q" ? "q" : "Σ") : words[part], ask + wide / 2, part === "q" ? top - 12 : top + high * size + 12);
  }

  arrow(pen, from, to, y, back) {
    const tip = back ? from : to, turn = back ? 5 : -5;
    pen.strokeStyle = PLATE.dim;
    pen.lineWidth = 1.25;
    pen.beginPath();
    pen.moveTo(from, y);
    pen.lineTo(to, y);
    pen.moveTo(tip + turn, y - 4);
    pen.lineTo(tip, y);
    pen.lineTo(tip + turn, y + 4);
    pen.stroke();
  }

  ring(pen, {part, row, column}, ink) {
    const {pieces} = this.header, {cell, high, k, v, weights, ask, wide, from, count} = this.m, aside = column >= pieces.length || part === "q" || part === "mixed";
    if (!aside && (column < from || column >= from + count || column >= this.length())) return;
    const x = aside ? ask : this.x(column), top = part === "pattern" ? weights : (part === "k" || part === "q" ? k : v) + row * high;
    pen.strokeStyle = ink;
    pen.lineWidth = 1.75;
    pen.strokeRect(x - 1.5, top - 1.5, (aside ? wide : cell) + 2, (part === "pattern" ? WEIGHTS : high) + 2.5);
  }

  // ---------------------------------------------------------------- every pass

  passes() {
    const {passes, words, language, pieces} = this.header, {width, narrow} = this.m, left = narrow ? 30 : 62, right = narrow ? 84 : 128;
    const high = Math.max(9, Math.min(16, 210 / passes.length)), top = 24, wide = (width - left - right) / pieces.length;
    this.p = {left, top, high, wide};
    const pen = sharp(this.rows, width, top + passes.length * high + 4), lines = hatch(pen);
    pen.font = this.prose;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    pen.fillStyle = PLATE.mark;
    pen.fillText(words.with, width - (narrow ? 40 : 64), 9);
    pen.fillStyle = PLATE.dim;
    pen.fillText(words.without, width - 4, 9);
    passes.forEach((pass, i) => {
      const y = top + i * high, lit = i === this.now, until = pass.length - pass.computed;
      pen.globalAlpha = i > this.now ? 0.45 : 1;
      pen.fillStyle = PLATE.hairline;
      pen.fillRect(left + pass.gone * wide, y + 1, (until - pass.gone) * wide, high - 2);
      pen.fillStyle = lines;
      pen.fillRect(left + pass.gone * wide, y + 1, (until - pass.gone) * wide, high - 2);
      pen.fillStyle = PLATE.mark;
      if (pass.computed) pen.fillRect(left + until * wide, y + 1, Math.max(2, pass.computed * wide - (wide > 4 ? 1 : 0)), high - 2);
      if (pass.gone) { pen.fillStyle = PLATE.hairline; pen.fillRect(left, y + high / 2, pass.gone * wide, 1); }
      pen.globalAlpha = 1;
      if (!lit && high < 12 && i % 2) return;
      pen.fillStyle = lit ? PLATE.glow : PLATE.dim;
      pen.fillText(i === 0 ? words.pass_first : whole(i, language), left - 8, y + high / 2);
      pen.fillText(whole(pass.length, language), width - 4, y + high / 2);
      pen.fillStyle = lit ? PLATE.mark : PLATE.dim;
      pen.fillText(whole(pass.computed, language), width - (narrow ? 40 : 64), y + high / 2);
    });
    pen.strokeStyle = PLATE.glow;
    pen.lineWidth = 1.25;
    pen.strokeRect(left - 2, top + this.now * high - 0.5, width - left - right + 4, high + 1);
    this.rows.setAttribute("aria-label", `${words.passes}. ${this.counted.textContent}`);
  }

  pass(event) {
    if (!this.p) return null;
    const row = Math.floor((event.offsetY - this.p.top) / this.p.high);
    return row >= 0 && row < this.header.passes.length ? row : null;
  }

  // ---------------------------------------------------------------- reading out

  key(event) {
    if (!this.header) return;
    if (event.key === "PageDown" || event.key === "PageUp") {
      event.preventDefault();
      this.rest();
      return this.go(this.now + (event.key === "PageDown" ? 1 : -1));
    }
    if (event.key === "Escape") return this.look(null);
    if (event.key === "Enter") return this.choose(this.cursor);
    const {size} = this.header, places = this.length() + 1, here = this.cursor ?? {part: "k", row: 0, column: this.length() - 1};
    const line = here.part === "pattern" ? size : here.part === "v" || here.part === "mixed" ? size + 1 + here.row : here.row;
    const to = travelled(event, line, Math.min(here.column, places - 1), 2 * size + 1, places);
    if (to) this.look(this.spot(to[0], to[1]));
  }

  /** The spot in a line counted through keys, weights and values; one column past the tokens stand query and result. */
  spot(line, column) {
    const {size, pieces} = this.header, aside = column >= this.length();
    if (line === size) return {part: "pattern", row: 0, column: Math.min(column, this.length() - 1)};
    const above = line < size, row = above ? line : line - size - 1;
    return aside ? {part: above ? "q" : "mixed", row, column: pieces.length} : {part: above ? "k" : "v", row, column};
  }

  look(spot) {
    this.cursor = spot;
    this.paint();
    this.readout.textContent = spot ? this.sentence(spot) : this.header?.words.keys ?? "";
  }

  hover(spot) {
    if (!this.header || JSON.stringify(spot) === JSON.stringify(this.hovered)) return;
    this.hovered = spot;
    this.paint();
    this.readout.textContent = spot ? this.sentence(spot) : this.cursor ? this.sentence(this.cursor) : this.header.words.keys;
  }

  told(pass) {
    if (!this.header) return;
    const {words, passes, language, asking, layers} = this.header;
    if (pass === null) { this.readout.textContent = words.keys; return; }
    const {computed, reused, length} = passes[pass], write = value => whole(value, language);
    this.readout.textContent = fill(words.cell_pass, {step: pass, token: asking[pass], computed: write(computed), reused: write(reused), length: write(length), layers});
  }

  choose(spot) {
    if (!spot) return;
    this.look(spot);
    this.component.setTriggerValue("chosen", {part: PARTS.indexOf(spot.part), row: spot.row, column: Math.min(spot.column, this.header.pieces.length - 1)});
  }

  sentence({part, row, column}) {
    const {words, pieces, asking, size, language, crosses, passes} = this.header, token = pieces[Math.min(column, pieces.length - 1)];
    const told = {token, column: whole(column + 1, language), asking: asking[this.now], number: row + 1};
    if (part === "pattern") return fill(words.cell_pattern, {...told, value: percent(this.numbers.pattern[this.now * pieces.length + column], language)});
    const line = part === "q" || part === "mixed" ? this.now : column, value = this.number(this.numbers[part][line * size + row]);
    if (part === "q" || part === "mixed") return fill(words[`cell_${part}`], {...told, value});
    const kind = this.kind(column), step = Math.max(0, column - passes[0].length + 1);
    const how = crosses ? words.source : kind === "old" ? fill(words.old, {step}) : words[kind];
    return `${fill(words[`cell_${part}`], {...told, value})} ${how}`;
  }

  number(value) {
    return value.toLocaleString(this.header.language, {minimumFractionDigits: 3, maximumFractionDigits: 3, signDisplay: "negative"}).replace("-", "−");
  }
}
