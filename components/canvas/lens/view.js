// A column a token, a row a point of the stream, bottom to top. Only the cells in view are drawn; below them, one cell in full.

const CELL = {wide: 92, narrow: 74}, ROW = {most: 34, least: 16}, EDGE = 30, FONT = 13, RAIL = {wide: 118, narrow: 34};

export default component => drawn(component, Lens);

class Lens extends Drawing {
  static root = ".lens";

  constructor(root) {
    super(root);
    Object.assign(this, {hovered: null, choice: null});
    this.title = make("h3");
    this.about = make("p", "dim");
    this.canvas = make("canvas");
    this.wide = make("div", "wide", this.canvas);
    this.frame = make("div", "frame", this.wide);
    this.scale = make("div", "scale");
    this.say = make("p", "readout");
    this.say.setAttribute("aria-live", "polite");
    this.list = make("ol", "top");
    this.facts = make("p", "facts dim");
    root.replaceChildren(this.title, this.about, this.frame, this.scale, this.say, this.list, this.facts);
    this.frame.onscroll = () => this.paint();
    this.attend(this.frame, spot => this.hover(spot), spot => spot && this.choose(spot));
  }

  resized() {
    this.arrange();
  }

  show(header, inflated) {
    const before = this.header;
    this.header = header;
    this.unpack(inflated);
    if (before?.serial !== header.serial || !this.choice) this.choice = {...header.choice};
    else if (before.revision !== header.revision) this.choice = this.kept(before);
    this.hovered = null;
    this.dress();
    this.arrange();
    this.reveal(this.choice);
    this.told();
    this.root.dataset.painted = `${header.revision}/${header.light}`;
  }

  unpack([tokens, chances, measures, ranks, hits]) {
    const {length, count, points} = this.header, cells = points.length * length;
    this.tokens = new Uint32Array(tokens.buffer);
    this.chance = unrooted(chances, 0, cells * count, cells * count);
    const both = new Float32Array(measures.buffer), signed = new Int32Array(ranks.buffer);
    Object.assign(this, {entropy: both.subarray(0, cells), divergence: both.subarray(cells)});
    Object.assign(this, {real: signed.subarray(0, length), rank: signed.subarray(length), hit: unrooted(hits, 0, cells, cells)});
  }

  /** The chosen cell among other points: the same one, or the end of its layer. */
  kept(before) {
    const key = before.points[this.choice.point]?.key ?? "", {points, length} = this.header;
    const find = wanted => points.findIndex(point => point.key === wanted);
    const point = [key, key.replace(/[ac]$/, "")].map(find).find(found => found >= 0) ?? points.length - 1;
    return {point, position: Math.min(this.choice.position, length - 1)};
  }

  dress() {
    const {words, ends, scale} = this.header;
    this.title.textContent = words.title;
    this.about.textContent = words.about;
    this.frame.setAttribute("aria-label", `${words.title}. ${words.keys}`);
    const marks = make("span", "marks", ...ends.marks.map((mark, i) => Object.assign(make("span", "", mark), {style: `left: ${25 * i}%`})));
    this.scale.className = "scale sequential";
    this.scale.replaceChildren(make("span", "", scale), make("i"), marks);
  }

  // ---------------------------------------------------------------- where things lie

  arrange() {
    if (!this.header || this.root.clientWidth < 80) return;
    const {length, points} = this.header, narrow = this.root.clientWidth < 560, size = narrow ? "narrow" : "wide";
    this.narrow = narrow;
    this.rail = RAIL[size];
    this.row = Math.max(ROW.least, Math.min(ROW.most, Math.floor(620 / points.length)));
    this.height = EDGE + points.length * this.row + EDGE + 4;
    const across = this.root.clientWidth - 40;
    this.cell = Math.max(CELL[size], Math.min(150, Math.floor((across - this.rail) / length)));
    this.wide.style.width = `${Math.max(this.rail + this.cell * length, 1)}px`;
    this.wide.style.height = `${this.height}px`;
    this.across = Math.min(across, this.rail + this.cell * length);
    this.paint();
  }

  y(point) {
    return EDGE + (this.header.points.length - 1 - point) * this.row;
  }

  x(position) {
    return this.rail + position * this.cell - this.frame.scrollLeft;
  }

  at(event) {
    if (!this.header) return null;
    const box = this.canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const {points, length} = this.header, position = Math.floor((x - this.rail + this.frame.scrollLeft) / this.cell);
    const point = points.length - 1 - Math.floor((y - EDGE) / this.row);
    const inside = x >= this.rail && position >= 0 && position < length && point >= 0 && point < points.length;
    return inside ? {point, position} : null;
  }

  /** Bring a column into view. */
  reveal({position}) {
    const left = position * this.cell, room = this.across - this.rail, {scrollLeft} = this.frame;
    if (left < scrollLeft || left + this.cell > scrollLeft + room) this.frame.scrollLeft = Math.max(0, left - room / 2 + this.cell / 2);
  }

  // ---------------------------------------------------------------- painting

  paint() {
    if (!this.header || !this.across) return;
    const pen = sharp(this.canvas, this.across, this.height), {length} = this.header;
    this.font = face(this.root, "--st-code-font", FONT, () => this.paint());
    this.prose = face(this.root, "--st-font", FONT, () => this.paint());
    pen.textBaseline = "middle";
    const first = Math.floor(this.frame.scrollLeft / this.cell), last = Math.min(length, first + Math.ceil((this.across - this.rail) / this.cell) + 1);
    for (let position = first; position < last; position++) this.column(pen, position);
    this.mark(pen, this.choice, PLATE.mark, 2.5);
    if (this.hovered) this.mark(pen, this.hovered, PLATE.glow, 1.5);
    this.rails(pen);
  }

  column(pen, position) {
    const {points, names, pieces} = this.header, x = this.x(position), chosen = position === (this.hovered ?? this.choice).position;
    for (let point = 0; point < points.length; point++) this.one(pen, point, position, x);
    pen.font = this.font;
    pen.textAlign = "left";
    pen.fillStyle = chosen ? PLATE.glow : PLATE.dim;
    pen.fillText(elide(pen, pieces[position], this.cell - 12), x + 6, this.y(0) + this.row + EDGE / 2 + 1);
    const real = this.real[position];
    pen.fillText(elide(pen, real < 0 ? "–" : names[real], this.cell - 12), x + 6, EDGE / 2);
  }

  one(pen, point, position, x) {
    const {names, count} = this.header, i = this.index(point, position), code = this.code(i), y = this.y(point);
    pen.fillStyle = colour(SEQUENTIAL, code);
    pen.fillRect(x, y, this.cell - 1, this.row - 1);
    const right = this.rank[i] === 1, ink = onColour(SEQUENTIAL, code);
    pen.fillStyle = ink;
    pen.font = this.font;
    pen.textAlign = "left";
    pen.fillText(elide(pen, names[this.tokens[i * count]], this.cell - (right ? 26 : 12)), x + 6, y + this.row / 2);
    if (right) this.tick(pen, x + this.cell - 16, y + this.row / 2, ink);
  }

  /** What stands there really is likeliest. */
  tick(pen, x, y, ink) {
    pen.strokeStyle = ink;
    pen.lineWidth = 1.75;
    pen.beginPath();
    pen.moveTo(x, y);
    pen.lineTo(x + 3, y + 4);
    pen.lineTo(x + 9, y - 5);
    pen.stroke();
  }

  rails(pen) {
    const {points, words} = this.header, at = (this.hovered ?? this.choice).point;
    pen.fillStyle = PLATE.plate;
    pen.fillRect(0, 0, this.rail - 1, this.height);
    pen.textAlign = "right";
    pen.font = this.prose;
    points.forEach((point, i) => {
      pen.fillStyle = i === at ? PLATE.glow : PLATE.dim;
      pen.fillText(this.narrow ? point.short : elide(pen, point.name, this.rail - 12), this.rail - 9, this.y(i) + this.row / 2);
    });
    pen.fillStyle = PLATE.dim;
    if (this.narrow) return;
    pen.fillText(elide(pen, words.goes_on, this.rail - 12), this.rail - 9, EDGE / 2);
    pen.fillText(elide(pen, words.text, this.rail - 12), this.rail - 9, this.y(0) + this.row + EDGE / 2 + 1);
  }

  mark(pen, {point, position}, ink, thick) {
    pen.strokeStyle = ink;
    pen.lineWidth = thick;
    pen.strokeRect(this.x(position) - 0.5, this.y(point) - 0.5, this.cell, this.row);
    pen.lineWidth = 1;
    pen.globalAlpha = 0.55;
    pen.strokeRect(this.x(position) - 0.5, EDGE - 2, this.cell, this.header.points.length * this.row + 2);
    pen.globalAlpha = 1;
  }

  index(point, position) {
    return point * this.header.length + position;
  }

  code(i) {
    const {light, ends, count} = this.header, value = light === "probability" ? this.chance[i * count] : this[light][i];
    return Math.max(0, Math.min(255, Math.round((255 * value) / ends.most)));
  }

  // ---------------------------------------------------------------- reading out

  told() {
    const {words, names, points, pieces, count, language, ids} = this.header, {point, position} = this.hovered ?? this.choice;
    const i = this.index(point, position), say = value => percent(value, language), real = this.real[position];
    const told = {point: points[point].name, piece: pieces[position], position: position + 1, token: names[this.tokens[i * count]], share: say(this.chance[i * count])};
    const said = fill(words.cell, told);
    this.say.textContent = said.charAt(0).toLocaleUpperCase(language) + said.slice(1);
    const items = Array.from({length: count}, (_, k) => this.item(names[this.tokens[i * count + k]], ids[this.tokens[i * count + k]], this.chance[i * count + k]));
    this.list.replaceChildren(...items);
    const nats = value => value.toLocaleString(language, {minimumFractionDigits: 2, maximumFractionDigits: 2});
    const stands = real < 0 ? words.real_none : fill(words.real, {token: names[real], rank: whole(this.rank[i], language), share: say(this.hit[i])});
    this.facts.textContent = [stands, fill(words.entropy, {nats: nats(this.entropy[i])}), fill(words.divergence, {nats: nats(this.divergence[i])})].join(" · ");
  }

  item(name, id, chance) {
    const {words, language} = this.header, bar = make("i"), button = make("button", "", make("span", "name", name), bar, make("span", "share", percent(chance, language)));
    bar.style.width = `${Math.max(1, Math.round(100 * chance))}%`;
    button.type = "button";
    button.title = fill(words.follow, {token: name});
    button.setAttribute("aria-label", `${name}, ${percent(chance, language)}. ${fill(words.follow, {token: name})}`);
    button.onclick = () => this.component.setTriggerValue("follow", {token: id});
    return make("li", "", button);
  }

  hover(spot) {
    if (!this.header || (spot?.point === this.hovered?.point && spot?.position === this.hovered?.position)) return;
    this.hovered = spot;
    this.paint();
    this.told();
  }

  choose(spot) {
    this.choice = spot;
    this.hovered = null;
    this.paint();
    this.told();
    this.component.setTriggerValue("choice", spot);
  }

  key(event) {
    if (!this.header) return;
    const {points, length} = this.header, from = this.hovered ?? this.choice, top = points.length - 1;
    const to = travelled(event, top - from.point, from.position, points.length, length);
    if (to) {
      this.reveal({position: to[1]});
      this.hover({point: top - to[0], position: to[1]});
    }
    if (event.key === "Escape") this.hover(null);
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.choose(from);
    }
  }
}
