// The ledger: numbered lines, each a term, its vectors as strips, and an equation. A walk lights one line after the other.
export default function (component) {
  const root = component.parentElement.querySelector(".ledger");
  root.drawn ??= new Ledger(root);
  if (component.data) root.drawn.receive(component.data);
  return whenGone(root, () => root.drawn.leave());
}

const HIGH = {cells: 16, bars: 40};

class Ledger {
  constructor(root) {
    this.root = root;
    this.step = 0; // 0 is every line at once
    this.title = make("h3");
    this.list = make("ol");
    this.where = make("output");
    [this.back, this.on] = [-1, 1].map(by => {
      const button = make("button");
      button.type = "button";
      button.onclick = () => this.walk(by);
      return button;
    });
    this.name = make("span");
    this.legend = make("p", "legend");
    root.replaceChildren(make("div", "head", this.title, make("div", "walk", this.name, this.back, this.where, this.on)), this.list, this.legend);
    root.onkeydown = event => this.key(event);
    this.watch = new ResizeObserver(() => this.paint());
    this.watch.observe(root);
  }

  async receive(bytes) {
    const {header: data, parts} = open(bytes);
    this.asked = bytes;
    const numbers = new Float32Array((await inflate(parts[0])).buffer);
    if (this.asked !== bytes) return;
    this.data = data;
    let at = 0;
    for (const strip of data.lines.flatMap(line => line.strips)) strip.values = numbers.subarray(at, (at += strip.count));
    this.title.textContent = data.title;
    this.name.textContent = data.words.steps;
    this.legend.textContent = data.legend;
    this.back.textContent = data.words.previous;
    this.on.textContent = data.words.next;
    this.step = Math.min(this.step, data.lines.length);
    this.lines = data.lines.map((line, i) => new Row(line, i, data.language));
    this.list.replaceChildren(...this.lines.map(line => line.item));
    this.paint();
    this.light();
  }

  paint() {
    if (!this.data || !this.root.clientWidth) return;
    this.lines.forEach(line => line.measure()); // all before any is painted: to measure after painting is to lay the page out again
    this.lines.forEach(line => line.paint());
    this.root.dataset.painted = this.data.revision;
  }

  walk(by) {
    const {length} = this.data.lines;
    this.step = (this.step + by + length + 1) % (length + 1);
    this.light();
    if (this.step) this.lines[this.step - 1].item.scrollIntoView({block: "nearest"});
  }

  light() {
    this.lines.forEach(({item}, i) => {
      item.classList.toggle("lit", i + 1 === this.step);
      item.classList.toggle("later", this.step > 0 && i + 1 > this.step);
    });
    this.where.textContent = this.step ? `${this.step} / ${this.lines.length}` : this.data.words.all;
    this.back.disabled = this.step === 0;
  }

  key(event) {
    const by = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    if (!by || (by < 0 && this.step === 0)) return;
    event.preventDefault();
    this.walk(by);
  }

  leave() {
    this.watch.disconnect();
  }
}

/** An equation, its result set off. */
function equation(text) {
  const at = text.lastIndexOf("= ") + 1;
  return at ? make("p", "", text.slice(0, at), make("strong", "", text.slice(at))) : make("p", "", text);
}

class Row {
  constructor(line, at, language) {
    this.result = make("output");
    this.strips = line.strips.map(strip => new Strip(strip, language, text => { this.result.textContent = text; }));
    this.item = make(
      "li", "",
      make("div", "term", make("b", "", String(at + 1)), make("strong", "", line.term), make("span", "", line.remark)),
      make("div", "strips", ...this.strips.map(strip => strip.element)),
      make("div", "result", ...line.equations.map(equation), ...(line.strips.length ? [this.result] : [])),
    );
  }

  measure() {
    this.strips.forEach(strip => strip.measure());
  }

  paint() {
    this.strips.forEach(strip => strip.paint());
  }
}

class Strip {
  constructor(strip, language, say) {
    Object.assign(this, {strip, language, say});
    this.canvas = make("canvas");
    this.box = make("div", "box", this.canvas);
    this.element = make("div", "strip", make("span", "", strip.name), this.box, make("span", "", strip.scale));
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", `${strip.name}: ${strip.values.length}`);
    this.canvas.onpointermove = event => this.read(event);
    this.canvas.onpointerleave = () => say("");
  }

  measure() {
    this.width = this.box.clientWidth;
  }

  paint() {
    const {values, kind, chosen, blocked} = this.strip, {width} = this, high = HIGH[kind];
    if (!width) return;
    const pen = sharp(this.canvas, width, high), cell = Math.min(width / values.length, 48);
    const closed = new Set(blocked), shut = hatch(pen);
    this.cell = cell;
    values.forEach((value, i) => {
      if (!closed.has(i)) return this.draw(pen, value, i * cell, cell, high);
      pen.fillStyle = shut;
      return pen.fillRect(i * cell, 0, cell, high);
    });
    if (chosen !== null) this.frame(pen, chosen * cell, cell, high);
  }

  draw(pen, value, x, cell, high) {
    const {kind, most, signed} = this.strip, share = Math.max(-1, Math.min(1, value / most)), root = Math.sign(share) * Math.sqrt(Math.abs(share));
    pen.fillStyle = signed ? colour(DIVERGING, Math.round(127.5 + 127.5 * root)) : colour(SEQUENTIAL, Math.round(255 * Math.max(root, 0.35)));
    const wide = Math.max(1, cell - (cell >= 5 ? 1 : 0));
    if (kind === "cells") return pen.fillRect(x, 0, wide, high);
    const zero = signed ? high / 2 : high - 2, reach = signed ? high / 2 - 2 : high - 5, long = Math.max(1, Math.abs(share) * reach);
    return pen.fillRect(x, share < 0 ? zero : zero - long, wide, long);
  }

  frame(pen, x, cell, high) {
    pen.strokeStyle = PLATE.mark;
    pen.lineWidth = 2;
    pen.strokeRect(x + 1 - (cell < 4 ? 2 : 0), 1, Math.max(cell - 2, 3), high - 2);
  }

  read(event) {
    const {values, names, name, blocked} = this.strip, at = Math.floor((event.clientX - this.canvas.getBoundingClientRect().left) / this.cell);
    if (at < 0 || at >= values.length) return this.say("");
    const number = values[at].toLocaleString(this.language, {maximumSignificantDigits: 4}).replace("-", "−");
    return this.say(`${name} [${at + 1}]${names.length ? ` ${names[at]}` : ""} = ${blocked.includes(at) ? "−∞" : number}`);
  }
}
