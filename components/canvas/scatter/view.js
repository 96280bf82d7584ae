// Points with tokens: they travel between stages, one of them is chosen, its neighbours are told.

const HIGH = 460, DOT = 4, NEAR = 22, LABEL = 13, TRAVEL = 700, FAR = 24;

export default function (component) {
  const root = component.parentElement.querySelector(".scatter");
  root.drawn ??= new Scatter(root);
  root.drawn.receive(component);
  return whenGone(root, () => root.drawn.leave());
}

class Scatter {
  constructor(root) {
    this.root = root;
    this.view = {x: 0, y: 0, zoom: 1};
    this.title = make("h2");
    this.slider = Object.assign(make("input"), {type: "range", min: 0});
    this.told = make("output");
    this.name = make("span", "dim");
    this.back = this.button("‹", () => this.go(this.at - 1));
    this.on = this.button("›", () => this.go(this.at + 1));
    this.row = make("div", "stage", this.name, this.back, this.slider, this.on, this.told);
    this.canvas = make("canvas");
    this.closer = this.button("+", () => this.zoom(1.5));
    this.farther = this.button("−", () => this.zoom(1 / 1.5));
    this.whole = this.button("⤢", () => this.fit());
    this.frame = make("div", "field", this.canvas, make("div", "zoom", this.closer, this.farther, this.whole));
    this.heading = make("h3");
    this.detail = make("p", "detail dim");
    this.lead = make("p", "detail dim");
    this.list = make("ol");
    this.kinds = make("ul", "kinds");
    this.readout = make("p", "readout dim");
    this.readout.setAttribute("aria-live", "polite");
    const side = make("div", "side", make("div", "", this.heading, this.detail), this.lead, this.list);
    root.replaceChildren(make("div", "top", this.title, this.row), this.frame, side, this.kinds, this.readout);
    this.listen();
    this.watch = new ResizeObserver(() => this.paint());
    this.watch.observe(root);
  }

  button(sign, act) {
    const button = make("button", "", sign);
    button.type = "button";
    button.onclick = act;
    return button;
  }

  listen() {
    this.slider.oninput = () => this.travel(Number(this.slider.value));
    this.slider.onchange = () => this.keep();
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.canvas.onkeydown = event => this.key(event);
    this.canvas.onpointerdown = event => this.grab(event);
    this.canvas.onpointermove = event => this.over(event);
    this.canvas.onpointerup = event => this.drop(event);
    this.canvas.onpointercancel = () => (this.held = null);
    this.canvas.onpointerleave = () => this.hover(null);
    this.canvas.addEventListener("wheel", event => this.wheel(event), {passive: false});
  }

  leave() {
    this.watch.disconnect();
    cancelAnimationFrame(this.frameAsked);
    delete this.root.drawn;
  }

  // ---------------------------------------------------------------- from Python

  async receive(component) {
    this.send = component;
    if (!component.data) return;
    const {header, parts} = open(component.data);
    this.asked = header.revision;
    const fresh = header.revision !== this.header?.revision, numbers = fresh ? (await inflate(parts[0])).buffer : null;
    if (this.asked !== header.revision) return;
    this.header = header;
    if (fresh) this.unpack(numbers);
    if (fresh || this.chosen === undefined) Object.assign(this, {at: header.stage, shown: header.stage, chosen: header.chosen, hovered: null});
    if (fresh) this.view = {x: 0, y: 0, zoom: 1};
    this.dress();
    this.tell();
    this.paint();
  }

  unpack(buffer) {
    const {stages, labels, neighbours} = this.header, each = stages.length * labels.length;
    this.places = new Float32Array(buffer, 0, 2 * each);
    this.cosines = new Float32Array(buffer, 8 * each, each * neighbours);
    this.nearest = new Uint16Array(buffer, 8 * each + 4 * each * neighbours, each * neighbours);
  }

  dress() {
    const {title, stages, kinds, words} = this.header;
    this.title.textContent = title;
    this.row.hidden = stages.length < 2;
    this.name.textContent = words.stages;
    this.slider.max = stages.length - 1;
    this.slider.setAttribute("aria-label", words.stages);
    const names = [[this.back, words.before], [this.on, words.after], [this.closer, words.zoom_in], [this.farther, words.zoom_out], [this.whole, words.fit]];
    for (const [button, name] of names) {
      button.setAttribute("aria-label", name);
      button.title = name;
    }
    this.canvas.setAttribute("aria-label", `${title}. ${words.map} ${words.keys}`);
    this.kinds.replaceChildren(...kinds.map(kind => {
      const dot = make("i");
      dot.style.background = kind.colour;
      return make("li", "", dot, kind.name);
    }));
    this.kinds.hidden = !kinds.length;
    this.kinds.setAttribute("aria-label", words.groups);
  }

  /** The stage, the chosen point and its neighbours, in words and bars. */
  tell() {
    const {stages, labels, details, neighbours, words, language} = this.header;
    this.slider.value = this.at;
    this.told.textContent = stages[this.at];
    this.slider.setAttribute("aria-valuetext", stages[this.at]);
    this.back.disabled = this.at === 0;
    this.on.disabled = this.at === stages.length - 1;
    if (!labels.length) return;
    this.heading.textContent = labels[this.chosen];
    this.detail.textContent = details[this.chosen];
    this.lead.textContent = neighbours ? fill(words.nearest, {token: labels[this.chosen]}) : words.none;
    this.listed(this.near(this.chosen).map(({point, cosine}) => {
      const bar = make("i"), told = cosine.toLocaleString(language, {minimumFractionDigits: 2, maximumFractionDigits: 2}).replace("-", "−");
      bar.style.width = `${100 * Math.max(0, cosine)}%`;
      const button = make("button", "", make("span", "piece", labels[point]), make("span", "track", bar), make("span", "share", told));
      button.type = "button";
      button.title = details[point];
      button.setAttribute("aria-label", `${fill(words.cosine, {token: labels[point], cosine: told})} ${details[point]}`);
      button.onclick = () => this.choose(point);
      return make("li", "", button);
    }));
    this.say();
  }

  /** Another list in the old one's place; who had the focus in it keeps it. */
  listed(rows) {
    const held = [...this.list.children].findIndex(row => row.contains(this.root.getRootNode().activeElement));
    this.list.replaceChildren(...rows);
    rows[held]?.firstChild.focus();
  }

  say() {
    const {labels, details, stages, words} = this.header, point = this.hovered ?? this.chosen;
    this.readout.textContent = labels.length ? fill(words.point, {token: labels[point], detail: details[point], stage: stages[this.at]}) : "";
  }

  near(point) {
    const {labels, neighbours} = this.header, from = (this.at * labels.length + point) * neighbours;
    return Array.from({length: neighbours}, (_, i) => ({point: this.nearest[from + i], cosine: this.cosines[from + i]}));
  }

  // ---------------------------------------------------------------- where a point is

  size() {
    const width = Math.max(120, this.frame.clientWidth);
    return {width, height: Math.min(HIGH, Math.max(320, width * 0.8))};
  }

  /** Where a point is in the picture, between two stages while it travels. */
  place(point) {
    const {labels} = this.header, {width, height} = this.size(), low = Math.floor(this.shown), share = this.shown - low, count = labels.length;
    const here = 2 * (low * count + point), there = 2 * (Math.min(low + 1, this.header.stages.length - 1) * count + point);
    const [x, y] = [0, 1].map(axis => (1 - share) * this.places[here + axis] + share * this.places[there + axis]);
    const wide = (width / 2 - 56) * this.view.zoom, side = (height / 2 - 26) * this.view.zoom;
    return [width / 2 + (x - this.view.x) * wide, height / 2 - (y - this.view.y) * side, wide, side];
  }

  at_(event) {
    const box = this.canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    let best = null, least = NEAR ** 2;
    for (let point = 0; point < this.header.labels.length; point++) {
      const [left, top] = this.place(point), far = (left - x) ** 2 + (top - y) ** 2;
      if (far < least) [best, least] = [point, far];
    }
    return best;
  }

  // ---------------------------------------------------------------- painting

  paint() {
    if (!this.header || this.root.clientWidth < 60) return;
    const {width, height} = this.size(), pen = sharp(this.canvas, width, height);
    const spots = this.header.labels.map((_, point) => this.place(point));
    if (spots.length) this.links(pen, spots);
    this.dots(pen, spots);
    this.names(pen, spots, width, height);
    this.root.dataset.painted = `${this.header.revision}/${this.at}/${this.chosen}`;
  }

  links(pen, spots) {
    const [x, y] = spots[this.chosen];
    pen.lineWidth = 1;
    for (const {point, cosine} of this.near(this.chosen)) {
      pen.strokeStyle = PLATE.mark;
      pen.globalAlpha = 0.15 + 0.75 * Math.max(0, cosine);
      pen.beginPath();
      pen.moveTo(x, y);
      pen.lineTo(spots[point][0], spots[point][1]);
      pen.stroke();
    }
    pen.globalAlpha = 1;
  }

  dots(pen, spots) {
    const {groups, kinds, marked} = this.header, special = new Set(marked);
    const dot = (point, size) => {
      const [x, y] = spots[point], kind = kinds[groups[point]];
      pen.fillStyle = kind ? kind.colour : "#8c8797";
      pen.beginPath();
      pen.arc(x, y, size, 0, 2 * Math.PI);
      pen.fill();
    };
    spots.forEach((_, point) => special.has(point) || dot(point, DOT - 0.6));
    for (const point of marked) {
      dot(point, DOT + 1.4);
      this.ring(pen, spots[point], DOT + 3, PLATE.glow, 1);
    }
    if (spots.length) this.ring(pen, spots[this.chosen], DOT + 5, PLATE.mark, 2.5);
    if (this.hovered !== null && spots.length) this.ring(pen, spots[this.hovered], DOT + 4, PLATE.glow, 1.5);
  }

  ring(pen, [x, y], radius, ink, thick) {
    pen.strokeStyle = ink;
    pen.lineWidth = thick;
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.stroke();
  }

  /** The chosen, the hovered, its neighbours, the reader's own tokens, then whoever finds room. */
  names(pen, spots, width, height) {
    if (!spots.length) return;
    pen.font = face(this.root, "--st-code-font", LABEL, () => this.paint());
    pen.textBaseline = "middle";
    const close = this.near(this.chosen).map(({point}) => point), first = [this.hovered, this.chosen, ...close, ...this.header.marked];
    const taken = [[width - 116, 0, width, 44]], strong = new Set(first), order = new Set([...first, ...spots.keys()]);
    order.delete(null);
    for (const point of order) {
      const [x, y] = spots[point], text = elide(pen, this.header.labels[point], 110), wide = pen.measureText(text).width;
      const left = x + 9 + wide > width ? x - 9 - wide : x + 9, box = [left, y - 8, left + wide, y + 8];
      const outside = x < -20 || y < -20 || x > width + 20 || y > height + 20;
      const clashes = taken.some(other => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3]);
      if (outside || (clashes && point !== this.hovered && point !== this.chosen)) continue;
      taken.push(box);
      pen.fillStyle = strong.has(point) ? PLATE.glow : PLATE.dim;
      pen.fillText(text, left, y + 1);
    }
  }

  // ---------------------------------------------------------------- moving

  go(stage) {
    this.travel(Math.max(0, Math.min(this.header.stages.length - 1, stage)));
    this.keep();
  }

  /** Every point on its way to another stage; at once for readers who want no motion. */
  travel(stage) {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches, from = this.shown, start = performance.now();
    this.at = stage;
    this.tell();
    cancelAnimationFrame(this.frameAsked);
    const step = now => {
      const share = still ? 1 : Math.min(1, (now - start) / TRAVEL), eased = share * share * (3 - 2 * share);
      this.shown = from + (stage - from) * eased;
      this.paint();
      if (share < 1) this.frameAsked = requestAnimationFrame(step);
    };
    step(start);
  }

  keep() {
    this.send.setStateValue("stage", {index: this.at});
  }

  zoom(by, x = 0, y = 0) {
    const zoom = Math.max(1, Math.min(FAR, this.view.zoom * by)), share = 1 / this.view.zoom - 1 / zoom;
    this.view = zoom === 1 ? {x: 0, y: 0, zoom} : {x: this.view.x + x * share, y: this.view.y + y * share, zoom};
    this.paint();
  }

  fit() {
    this.view = {x: 0, y: 0, zoom: 1};
    this.paint();
  }

  wheel(event) {
    if (!this.header || (!event.ctrlKey && document.activeElement !== this.canvas && !this.root.contains(this.root.getRootNode().activeElement))) return;
    event.preventDefault();
    const {width, height} = this.size(), [, , wide, side] = this.place(0), box = this.canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left - width / 2) / wide) * this.view.zoom, y = (-(event.clientY - box.top - height / 2) / side) * this.view.zoom;
    this.zoom(Math.exp(-event.deltaY / 400), x, y);
  }

  grab(event) {
    this.held = {x: event.clientX, y: event.clientY, view: this.view, moved: false};
    if (event.pointerType === "mouse" || this.view.zoom > 1) this.canvas.setPointerCapture(event.pointerId);
  }

  over(event) {
    if (!this.header?.labels.length) return;
    if (!this.held || !event.buttons) return this.hover(this.at_(event));
    const right = event.clientX - this.held.x, down = event.clientY - this.held.y;
    if (Math.hypot(right, down) > 5) this.held.moved = true;
    if (!this.held.moved || this.view.zoom === 1) return;
    const [, , wide, side] = this.place(0);
    this.view = {...this.view, x: this.held.view.x - right / wide, y: this.held.view.y + down / side};
    this.paint();
  }

  drop(event) {
    const moved = this.held?.moved, point = this.header?.labels.length ? this.at_(event) : null;
    this.held = null;
    if (!moved && point !== null) this.choose(point);
  }

  hover(point) {
    if (point === this.hovered || !this.header) return;
    this.hovered = point;
    this.say();
    this.paint();
  }

  choose(point) {
    this.chosen = point;
    this.hovered = null;
    this.tell();
    this.paint();
    this.send.setStateValue("point", {index: point});
  }

  // ---------------------------------------------------------------- keys

  key(event) {
    if (!this.header?.labels.length || event.ctrlKey || event.metaKey || event.altKey) return;
    const towards = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    const acts = {
      "+": () => this.zoom(1.5),
      "-": () => this.zoom(1 / 1.5),
      0: () => this.fit(),
      Enter: () => this.choose(this.hovered ?? this.chosen),
      " ": () => this.choose(this.hovered ?? this.chosen),
      Escape: () => this.hover(null),
      PageUp: () => this.go(this.at - 1),
      PageDown: () => this.go(this.at + 1),
    };
    const act = towards ? () => this.hover(this.next(towards)) : acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  /** The point that an arrow leads to: near, and more ahead than aside. */
  next([right, down]) {
    const from = this.hovered ?? this.chosen, [x, y] = this.place(from);
    let best = from, least = Infinity;
    for (let point = 0; point < this.header.labels.length; point++) {
      const [left, top] = this.place(point), ahead = (left - x) * right + (top - y) * down, aside = Math.abs((left - x) * down) + Math.abs((top - y) * right);
      if (point !== from && ahead > 0.5 && aside <= 2 * ahead && ahead + 2 * aside < least) [best, least] = [point, ahead + 2 * aside];
    }
    return best;
  }
}
