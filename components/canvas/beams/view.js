// Texts as paths, time from left to right; in a column, the higher the more probable so far. One path is lit.

const HIGH = 40, GAP = 8, TOP = 30, FOOT = 8, FONT = 13, BETWEEN = 30, LEAST = 54, MOST = 148;
const LASTS = ["alive", "ended", "cut"];

export default function (component) {
  const root = component.parentElement.querySelector(".beams");
  root.drawn ??= new Beams(root);
  root.drawn.receive(component);
  return whenGone(root, () => root.drawn.leave());
}

class Beams {
  constructor(root) {
    Object.assign(this, {root, cursor: null});
    this.title = make("h2");
    this.canvas = make("canvas");
    this.frame = make("div", "frame", this.canvas);
    this.say = make("p", "readout");
    this.say.setAttribute("aria-live", "polite");
    this.legend = make("p", "legend dim");
    this.list = make("div", "texts");
    root.replaceChildren(this.title, this.legend, this.frame, this.say, this.list);
    Object.assign(this.frame, {tabIndex: 0, onpointerleave: () => this.look(null), onblur: () => this.look(null)});
    this.frame.setAttribute("role", "application");
    this.canvas.onpointermove = event => this.look(this.at(event));
    this.canvas.onclick = event => this.look(this.at(event));
    this.frame.onkeydown = event => this.key(event);
    this.watch = new ResizeObserver(() => this.paint());
    this.watch.observe(root);
  }

  leave() {
    this.watch.disconnect();
    delete this.root.drawn;
  }

  receive(component) {
    this.component = component;
    if (!component.data) return;
    const before = this.header?.revision;
    this.header = open(component.data).header;
    const {nodes, rows, words, title} = this.header;
    if (before !== this.header.revision) Object.assign(this, {cursor: null, chosen: this.header.chosen});
    this.chosen = Math.min(this.chosen, rows.length - 1);
    this.found = new Set(rows.filter(row => row.kind === "found").flatMap(row => row.path));
    this.lanes = 1 + Math.max(...nodes.map(node => node.lane));
    this.title.textContent = title;
    this.legend.textContent = words.legend;
    this.frame.setAttribute("aria-label", `${title}. ${words.keys}`);
    this.write();
    this.paint();
    this.told();
    this.root.dataset.painted = `${this.header.revision}/${this.chosen}`;
  }

  // ---------------------------------------------------------------- the texts under the drawing

  write() {
    const {rows, words} = this.header;
    const head = make("div", "head dim", make("span"), ...Object.entries(words.columns).map(([name, said]) => make("span", name, said)));
    head.setAttribute("aria-hidden", "true");
    this.list.replaceChildren(head, ...rows.map((row, i) => this.row(row, i)));
  }

  row(row, i) {
    const {words} = this.header;
    const told = Object.entries(row.told).map(([name, said]) => {
      const cell = make("span", name, said);
      if (name !== "text") cell.dataset.said = words.columns[name];
      return cell;
    });
    const button = make("button", row.kind, make("span", "name", row.name), ...told);
    button.type = "button";
    button.setAttribute("aria-pressed", String(i === this.chosen));
    const spoken = Object.entries(row.told).map(([name, said]) => (name === "text" ? `“${said}”` : `${words.columns[name]} ${said}`));
    button.setAttribute("aria-label", `${row.name}: ${spoken.join(", ")}`);
    button.onclick = () => this.choose(i);
    return button;
  }

  choose(i) {
    if (i < 0) return;
    this.chosen = i;
    [...this.list.querySelectorAll("button")].forEach((button, at) => button.setAttribute("aria-pressed", String(at === i)));
    this.paint();
    this.told();
    this.component.setTriggerValue("choose", {row: i});
  }

  // ---------------------------------------------------------------- where things lie

  /** Every column is as wide as its longest token, and wider where there is room. */
  measure(pen) {
    const {steps, nodes, before} = this.header, room = this.root.clientWidth - 40;
    pen.font = this.font;
    const wide = text => Math.max(LEAST, Math.min(MOST, Math.ceil(pen.measureText(text).width) + 16));
    this.first = Math.min(96, wide(before)) - 8;
    this.width = Array(steps).fill(LEAST);
    for (const node of nodes) this.width[node.step] = Math.max(this.width[node.step], wide(node.piece));
    const taken = this.first + this.width.reduce((sum, width) => sum + width, 0) + BETWEEN * steps + 8;
    this.between = BETWEEN + Math.max(0, Math.min(40, Math.floor((room - taken) / steps)));
    this.left = this.width.map((_, step) => this.first + this.width.slice(0, step).reduce((sum, width) => sum + width, 0) + this.between * (step + 1));
    this.across = Math.max(room, this.left.at(-1) + this.width.at(-1) + 16);
    this.high = TOP + this.lanes * (HIGH + GAP) + FOOT;
  }

  box(node) {
    return {x: this.left[node.step], y: TOP + node.lane * (HIGH + GAP), width: this.width[node.step]};
  }

  at(event) {
    if (!this.header) return null;
    const {nodes} = this.header, lane = Math.floor((event.offsetY - TOP + GAP / 2) / (HIGH + GAP));
    const step = this.left.findLastIndex(left => event.offsetX >= left - 8);
    const found = nodes.findIndex(node => node.step === step && node.lane === lane);
    return found < 0 ? null : found;
  }

  /** The nodes from the prompt to this one. */
  line(at) {
    const found = [];
    for (let here = at; here >= 0; here = this.header.nodes[here].parent) found.unshift(here);
    return found;
  }

  // ---------------------------------------------------------------- painting

  paint() {
    if (!this.header || this.root.clientWidth < 120) return;
    this.font = face(this.root, "--st-code-font", FONT, () => this.paint());
    this.prose = face(this.root, "--st-font", 12, () => this.paint());
    this.measure(this.canvas.getContext("2d"));
    const pen = sharp(this.canvas, this.across, this.high), {nodes, rows} = this.header;
    pen.textBaseline = "middle";
    this.lit = new Set(this.cursor === null ? rows[this.chosen].path : this.line(this.cursor));
    this.axis(pen);
    const order = nodes.map((_, at) => at).sort((a, b) => this.lit.has(a) - this.lit.has(b));
    for (const at of order) this.branch(pen, nodes[at], at);
    nodes.forEach((node, at) => this.node(pen, node, at));
  }

  axis(pen) {
    const {before, steps, language} = this.header;
    pen.font = this.prose;
    pen.fillStyle = PLATE.dim;
    pen.textAlign = "center";
    for (let step = 0; step < steps; step++) pen.fillText(whole(step + 1, language), this.left[step] + this.width[step] / 2, 12);
    pen.font = this.font;
    pen.textAlign = "left";
    pen.fillStyle = PLATE.glow;
    pen.fillText(elide(pen, before, this.first), 0, TOP + HIGH / 2);
  }

  branch(pen, node, at) {
    const {nodes} = this.header, to = this.box(node), lit = this.lit.has(at);
    const from = node.parent < 0 ? {x: 0, y: TOP, width: this.first + 4} : this.box(nodes[node.parent]);
    const [x, y, end, middle] = [from.x + from.width, from.y + HIGH / 2, to.x, to.y + HIGH / 2], bend = Math.max(12, (end - x) / 2);
    pen.strokeStyle = lit ? PLATE.mark : PLATE.dim;
    pen.globalAlpha = lit ? 1 : this.found.has(at) ? 0.8 : 0.4;
    pen.lineWidth = lit ? 3 : 1 + 2 * Math.sqrt(node.share);
    pen.setLineDash(LASTS.includes(node.fate) ? [] : [3, 4]);
    pen.beginPath();
    pen.moveTo(x, y);
    pen.bezierCurveTo(x + bend, y, end - bend, middle, end, middle);
    pen.stroke();
    pen.setLineDash([]);
    pen.globalAlpha = 1;
  }

  /** One token: filled by its probability where its text was found, a mere outline where it died or was outdone. */
  node(pen, node, at) {
    const {x, y, width} = this.box(node), full = this.found.has(at), code = Math.round(255 * Math.sqrt(node.share));
    pen.fillStyle = full ? colour(SEQUENTIAL, code) : PLATE.plate;
    pen.fillRect(x, y, width, HIGH);
    pen.strokeStyle = at === this.cursor ? PLATE.glow : this.lit.has(at) ? PLATE.mark : full ? PLATE.dim : PLATE.hairline;
    pen.lineWidth = at === this.cursor || this.lit.has(at) ? 2 : 1;
    pen.setLineDash(LASTS.includes(node.fate) ? [] : [3, 3]);
    pen.strokeRect(x + 0.5, y + 0.5, width - 1, HIGH - 1);
    pen.setLineDash([]);
    pen.fillStyle = full ? onColour(SEQUENTIAL, code) : this.lit.has(at) ? PLATE.glow : PLATE.dim;
    pen.textAlign = "left";
    pen.font = this.font;
    pen.fillText(elide(pen, node.piece, width - 14), x + 8, y + 13);
    pen.font = this.prose;
    pen.fillText(percent(node.share, this.header.language), x + 8, y + 29);
    if (node.death) this.cross(pen, x + width + 5, y + HIGH / 2, this.lit.has(at) ? PLATE.mark : PLATE.dim);
    if (node.fate === "ended") this.stop(pen, x + width + 2, y, this.lit.has(at) ? PLATE.mark : PLATE.dim);
  }

  /** Here a text died. */
  cross(pen, x, y, ink) {
    pen.strokeStyle = ink;
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.moveTo(x - 3, y - 3);
    pen.lineTo(x + 3, y + 3);
    pen.moveTo(x - 3, y + 3);
    pen.lineTo(x + 3, y - 3);
    pen.stroke();
  }

  /** Here a text ended by itself. */
  stop(pen, x, y, ink) {
    pen.fillStyle = ink;
    pen.fillRect(x, y, 3, HIGH);
  }

  // ---------------------------------------------------------------- reading out

  look(cursor) {
    if (!this.header || cursor === this.cursor) return;
    this.cursor = cursor;
    this.paint();
    this.told();
  }

  told() {
    const {words, rows} = this.header;
    if (this.cursor !== null) { this.say.textContent = this.sentence(this.cursor); return; }
    const row = rows[this.chosen], leaves = !row.whole && fill(words.leaves, {name: row.name, step: row.path.length + 1});
    this.say.textContent = leaves || words.keys;
  }

  sentence(at) {
    const {words, nodes, before, language} = this.header, node = nodes[at];
    const number = value => value.toLocaleString(language, {minimumFractionDigits: 2, maximumFractionDigits: 2}).replace("-", "−");
    const behind = node.parent < 0 ? before : nodes[node.parent].piece;
    const told = {token: node.piece, before: behind, share: percent(node.share, language), total: number(node.total)};
    const death = node.death && {other: node.death.piece, other_total: number(node.death.total), bar: number(node.death.bar)};
    const fate = node.fate === "alive" && node.death ? "dies" : node.fate === "ended" && !this.found.has(at) ? "outdone" : node.fate;
    return `${fill(words.node, told)} ${fill(words[fate], {...told, ...death})}`;
  }

  key(event) {
    if (!this.header) return;
    if (event.key === "Escape") return this.look(null);
    const {nodes, rows} = this.header, start = rows[this.chosen].path[0] ?? 0;
    if (event.key === "Enter" && this.cursor !== null) return this.choose(rows.findIndex(row => row.path.includes(this.cursor)));
    if (!/^(Arrow|Home$|End$)/.test(event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const to = this.cursor === null ? start : this.next(event.key, nodes[this.cursor]);
    this.look(to);
    this.show(nodes[to]);
  }

  /** Where a key leads: to the parent, to the best that grew from here, up and down in a column, to the first and the last column. */
  next(key, node) {
    const {nodes, rows} = this.header, find = test => nodes.findIndex(test);
    const lane = by => find(other => other.step === node.step && other.lane === node.lane + by);
    const along = rows[this.chosen].path;
    const to = {
      ArrowLeft: () => node.parent,
      ArrowRight: () => find(other => other.parent === this.cursor),
      ArrowUp: () => lane(-1),
      ArrowDown: () => lane(1),
      Home: () => along[0] ?? 0,
      End: () => along.at(-1) ?? 0,
    }[key]();
    return to < 0 ? this.cursor : to;
  }

  /** Bring a node into sight where the drawing is wider than the page. */
  show(node) {
    const {x, width} = this.box(node), {scrollLeft, clientWidth} = this.frame;
    if (x < scrollLeft) this.frame.scrollLeft = x - 24;
    else if (x + width > scrollLeft + clientWidth) this.frame.scrollLeft = x + width - clientWidth + 24;
  }
}
