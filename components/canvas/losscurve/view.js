// One or two runs over time or tokens, and what they wrote on the way. Everything is laid out in Python; this file knows pixels.
export default function (component) {
  const root = component.parentElement.querySelector(".losscurve");
  root.drawn ??= new View(root);
  root.drawn.receive(component.data);
  return whenGone(root, () => root.drawn.leave());
}

class View {
  constructor(root) {
    this.root = root;
    this.canvas = make("canvas");
    this.output = make("output", "read");
    this.heading = make("h4");
    this.list = make("ol");
    this.log = make("div", "log", this.list);
    this.canvas.tabIndex = this.log.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.log.setAttribute("role", "log");
    root.replaceChildren(make("figure", "plate", this.canvas, this.output), make("section", "written", this.heading, this.log));
    this.at = null;
    this.listed = "";
    this.canvas.onpointermove = event => this.point(event.offsetX);
    this.canvas.onpointerleave = () => this.look(null);
    this.canvas.onkeydown = event => this.key(event);
    this.canvas.onblur = () => this.look(null);
    this.watch = new ResizeObserver(() => this.paint());
    this.watch.observe(this.canvas.parentElement);
  }

  leave() {
    this.watch.disconnect();
    delete this.root.drawn;
  }

  async receive(data) {
    if (!data) return;
    const {header, parts} = open(data);
    this.asked = header.revision;
    const numbers = new Float32Array((await inflate(parts[0])).buffer);
    if (this.asked !== header.revision) return;
    let at = 0;
    const take = count => numbers.subarray(at, (at += count));
    for (const line of header.lines) Object.assign(line, {x: take(line.count), y: take(line.count), raw: take(line.count)});
    this.chart = header;
    this.canvas.setAttribute("aria-label", header.label);
    this.tell();
    this.paint();
  }

  // ---------------------------------------------------------------- geometry

  frame() {
    const {clientWidth: width, clientHeight: height} = this.canvas.parentElement, narrow = width < 520;
    return { left: narrow ? 40 : 56, right: width - (narrow ? 40 : 56), top: 40, bottom: height - 46, narrow, width, height };
  }

  px(value) {
    const { x } = this.chart, f = this.frame();
    return f.left + Math.min((value - x.low) / (x.high - x.low), 1) * (f.right - f.left);
  }

  py(value) {
    const { low, high, log } = this.chart.left, f = this.frame();
    const share = log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
    return f.bottom - Math.min(Math.max(share, -0.02), 1) * (f.bottom - f.top);
  }

  // ---------------------------------------------------------------- painting

  paint() {
    const f = this.frame();
    if (!this.chart || !f.width) return;
    const pen = sharp(this.canvas, f.width, f.height);
    pen.font = this.font(12.5);
    this.axes(pen, f);
    this.levels(pen, f);
    this.chart.lines.forEach((line, i) => this.curve(pen, f, line, this.chart.colours[i]));
    this.tips(pen, f);
    if (!this.chart.lines.some(line => line.count)) this.invite(pen, f);
    if (this.at !== null) this.cross(pen, f);
    this.root.dataset.painted = this.chart.revision;
  }

  font(size) {
    return face(this.root, "--st-font", size, () => this.paint());
  }

  axes(pen, f) {
    const { x, left, right } = this.chart;
    pen.lineWidth = 1;
    pen.strokeStyle = PLATE.hairline;
    pen.fillStyle = PLATE.dim;
    pen.textBaseline = "middle";
    for (const [value, text] of left.ticks) {
      const y = Math.round(this.py(value)) + 0.5;
      segment(pen, f.left, y, f.right, y);
      write(pen, text, f.left - 8, y, "right");
    }
    for (const [value, text] of right.ticks) {
      const y = Math.round(this.py(value)) + 0.5;
      segment(pen, f.right, y, f.right + 4, y);
      write(pen, text, f.right + 8, y, "left");
    }
    pen.textBaseline = "alphabetic";
    for (const [value, text] of thin(x.ticks, f.narrow ? 4 : 12)) {
      const at = Math.round(this.px(value)) + 0.5;
      segment(pen, at, f.bottom, at, f.bottom + 4);
      write(pen, text, at, f.bottom + 18, "center");
    }
    segment(pen, f.left, f.bottom + 0.5, f.right, f.bottom + 0.5);
    write(pen, x.title, (f.left + f.right) / 2, f.height - 9, "center");
    write(pen, left.title, 12, 20, "left");
    write(pen, right.title, f.width - 12, 20, "right");
  }

  levels(pen, f) {
    for (const level of this.chart.levels) {
      const y = Math.round(this.py(level.y)) + 0.5;
      if (level.floor) forbidden(pen, f, y);
      pen.strokeStyle = pen.fillStyle = level.floor ? PLATE.mark : PLATE.dim;
      pen.lineWidth = level.floor ? 1.5 : 1;
      pen.setLineDash(level.floor ? [] : [4, 5]);
      segment(pen, f.left, y, f.right, y);
      pen.setLineDash([]);
      label(pen, elide(pen, level.name, f.right - f.left - 12), f.left + 8, y + (level.floor ? 15 : -8), "left");
    }
  }

  curve(pen, f, line, colour) {
    if (!line.count) return;
    pen.save();
    pen.beginPath();
    pen.rect(f.left, f.top - 3, f.right - f.left + 3, f.bottom - f.top + 3);
    pen.clip();
    pen.strokeStyle = colour;
    pen.lineJoin = "round";
    pen.globalAlpha = 0.3;
    pen.lineWidth = 1;
    this.path(pen, line.x, line.raw);
    pen.globalAlpha = 1;
    pen.lineWidth = 2.5;
    this.path(pen, line.x, line.y);
    pen.restore();
    pen.fillStyle = colour;
    disc(pen, this.px(line.x[line.count - 1]), this.py(line.y[line.count - 1]), 4.5);
  }

  path(pen, x, y) {
    pen.beginPath();
    for (let i = 0; i < x.length; i++) pen.lineTo(this.px(x[i]), this.py(y[i]));
    pen.stroke();
  }

  // Names stand right of the end of their curves, or above it where there is no room, pushed apart where two would touch.
  tips(pen, f) {
    pen.font = `600 ${this.font(14)}`;
    const tips = this.chart.lines.flatMap((line, i) => (line.count ? [this.tip(pen, f, line, this.chart.colours[i])] : [])).sort((a, b) => a.y - b.y);
    if (tips.length === 2 && tips[1].y - tips[0].y < 19) {
      const middle = (tips[0].y + tips[1].y) / 2;
      [tips[0].y, tips[1].y] = [middle - 9.5, middle + 9.5];
    }
    for (const {text, x, y, colour} of tips) {
      pen.fillStyle = colour;
      label(pen, text, x, Math.max(y, f.top + 8), "left");
    }
    pen.font = this.font(12.5);
  }

  tip(pen, f, line, colour) {
    const text = `${line.name} ${line.tip}`.trim(), width = pen.measureText(text).width;
    const x = this.px(line.x[line.count - 1]), y = this.py(line.y[line.count - 1]), room = f.right - x > width + 18;
    return {text, colour, x: room ? x + 13 : f.right - width - 8, y: room ? y + 5 : y - 14};
  }

  invite(pen, f) {
    pen.fillStyle = PLATE.glow;
    pen.font = this.font(15);
    wrap(pen, this.chart.empty, (f.right - f.left) * 0.8).forEach((row, i, rows) =>
      write(pen, row, (f.left + f.right) / 2, (f.top + f.bottom) / 2 + (i - (rows.length - 1) / 2) * 21, "center"));
  }

  cross(pen, f) {
    const at = Math.round(this.px(this.at)) + 0.5;
    pen.strokeStyle = PLATE.dim;
    pen.lineWidth = 1;
    segment(pen, at, f.top, at, f.bottom);
    this.chart.lines.forEach((line, i) => {
      const n = nearest(line.x, this.at);
      pen.fillStyle = this.chart.colours[i];
      if (n >= 0) disc(pen, this.px(line.x[n]), this.py(line.y[n]), 3.5);
    });
  }

  // ---------------------------------------------------------------- reading a point

  point(offset) {
    const { x } = this.chart, f = this.frame();
    this.look(x.low + (Math.min(Math.max((offset - f.left) / (f.right - f.left), 0), 1)) * (x.high - x.low));
  }

  key(event) {
    const turn = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const line = this.chart.lines.find(line => line.count);
    if (!turn || !line) return;
    event.preventDefault();
    const stride = Math.max(1, Math.round(line.count / 60));
    const here = this.at === null ? line.count - 1 : nearest(line.x, this.at) + turn * stride;
    this.look(line.x[Math.min(Math.max(here, 0), line.count - 1)]);
  }

  look(at) {
    const known = this.chart && this.chart.lines.some(line => line.count);
    this.at = known ? at : null;
    this.output.classList.toggle("shown", this.at !== null);
    if (this.at !== null) this.say();
    this.mark();
    this.paint();
  }

  say() {
    const { lines, levels, x, language } = this.chart, f = this.frame();
    const floor = levels.find(level => level.floor)?.y;
    const number = (value, digits) => value.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
    const rows = lines.map(line => ({ line, n: nearest(line.x, this.at) })).filter(({ n }) => n >= 0);
    const where = rows.length ? rows[0].line.x[rows[0].n] : this.at;
    const digits = x.high < 10 ? 1 : 0;
    this.output.textContent = [
      `${x.title}: ${number(where, digits)}`,
      ...rows.map(({ line, n }) => `${line.name}: ${number(line.y[n], 3)}${floor ? ` · ${number(line.y[n] / floor, 2)} ×` : ""}`),
    ].join("\n");
    const right = this.px(this.at) > f.width / 2;
    this.output.style.left = right ? "auto" : `${this.px(this.at) + 12}px`;
    this.output.style.right = right ? `${f.width - this.px(this.at) + 12}px` : "auto";
    this.output.style.top = `${f.top + 22}px`;
  }

  // ---------------------------------------------------------------- what the runs wrote

  tell() {
    const { passages, log_title } = this.chart, said = JSON.stringify(passages);
    this.root.classList.toggle("tells", passages.length > 0);
    this.heading.textContent = log_title;
    this.log.setAttribute("aria-label", log_title);
    if (said === this.listed) return;
    const fresh = JSON.parse(this.listed || "[]"), grew = passages.length > fresh.length;
    const atEnd = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 60;
    this.listed = said;
    this.list.replaceChildren(...passages.map(passage => this.item(passage)));
    if (grew && (atEnd || !fresh.length)) this.log.scrollTop = this.log.scrollHeight;
  }

  item(passage) {
    const head = make("div", "when", make("span", "", passage.when), make("span", "", passage.reached));
    const item = make("li", "", head, make("p", "said", make("i", "", passage.opening), passage.text));
    item.style.setProperty("--run", this.chart.colours[passage.line]);
    item.onpointerenter = () => this.look(passage.x);
    item.onpointerleave = () => this.look(null);
    return item;
  }

  mark() {
    const { passages } = this.chart;
    const nearby = line => passages.map((p, i) => ({ p, i })).filter(({ p }) => p.line === line && this.at !== null && p.x <= this.at + 1e-6).pop();
    const marked = new Set([0, 1].map(nearby).filter(Boolean).map(({ i }) => i));
    [...this.list.children].forEach((item, i) => item.classList.toggle("near", marked.has(i)));
  }
}

// ---------------------------------------------------------------- strokes

function segment(pen, x0, y0, x1, y1) {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}

function disc(pen, x, y, radius) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fill();
}

function write(pen, text, x, y, align) {
  pen.textAlign = align;
  pen.fillText(text, x, y);
}

// Words on a dimmed ground, so that lines do not run through them.
function label(pen, text, x, y, align) {
  const width = pen.measureText(text).width, ink = pen.fillStyle;
  pen.fillStyle = PLATE.plate;
  pen.globalAlpha = 0.8;
  pen.fillRect((align === "right" ? x - width : x) - 4, y - 13, width + 8, 18);
  pen.globalAlpha = 1;
  pen.fillStyle = ink;
  write(pen, text, x, y, align);
}

// Below the floor no model can go.
function forbidden(pen, f, y) {
  pen.fillStyle = hatch(pen);
  pen.fillRect(f.left, y, f.right - f.left, f.bottom - y);
}

function wrap(pen, text, width) {
  const rows = [""];
  for (const word of text.split(" ")) {
    const longer = `${rows[rows.length - 1]} ${word}`.trim();
    if (pen.measureText(longer).width > width) rows.push(word);
    else rows[rows.length - 1] = longer;
  }
  return rows;
}

function thin(ticks, most) {
  const every = Math.ceil(ticks.length / most);
  return ticks.filter((_, i) => i % every === 0);
}

// The index of the point at or just before `at`; -1 where the curve has not begun.
function nearest(x, at) {
  let low = 0, high = x.length - 1;
  if (high < 0) return -1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (x[middle] <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}
