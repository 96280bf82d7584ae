// Threads between the tokens that ask and those that are asked. Moving over a token previews it; a click adds it to the sum or takes it out.
// Each choice is painted here at once and then told to Python, which answers with sentences, and of a long text with what is not here yet.
export default function (component) {
  const root = component.parentElement.querySelector(".threads");
  root.drawn ??= new Threads(root);
  root.drawn.receive(component);
  return whenGone(root, () => root.drawn.leave());
}

const TALL = 500, ROW = 40, LABEL = 14, HEAD = 28, GAP = 12, MOST = 1500;
const RUNGS = [0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5];
const LINE = {token: 22, below: 26, top: 30, air: 10, left: 4};

class Threads {
  constructor(root) {
    this.root = root;
    this.zoom = 1;
    this.grid = new Grid(this);
    this.side = new Group(["query", "key"], side => this.choose({side, tokens: this.header.keys ? [] : this.choice.tokens}));
    this.mode = new Group(["columns", "arcs"], draw => { this.zoom = 1; this.choose({draw}); this.reveal(); });
    this.count = new Group(["sum", "mean"], kind => this.choose({mean: kind === "mean"}));
    this.box = Object.assign(make("input"), {type: "checkbox", onchange: () => this.choose({sink: !this.box.checked})});
    this.boxName = make("span");
    this.clear = this.button("plain", () => this.choose({tokens: []}));
    this.closer = this.button("zoom", () => this.zoomed(2));
    this.wider = this.button("zoom", () => this.zoomed(0.5));
    this.closer.textContent = "+";
    this.wider.textContent = "−";
    this.say = make("p", "say");
    this.say.setAttribute("aria-live", "polite");
    this.titles = make("p", "dim titles");
    this.canvas = make("canvas");
    this.canvas.setAttribute("aria-hidden", "true");
    this.spacer = make("div", "spacer", this.canvas);
    this.frame = make("div", "loom", this.spacer);
    this.note = make("p", "note dim");
    this.hint = make("p", "note dim");
    this.frame.tabIndex = 0;
    this.frame.setAttribute("role", "application");
    const bar = make("div", "bar", this.mode.element, this.side.element, make("div", "zooms", this.wider, this.closer));
    const picture = make("section", "picture", bar, this.say, this.titles, this.frame, this.hint, this.note);
    const last = make("section", "options", this.count.element, make("label", "", this.box, this.boxName), this.clear);
    root.replaceChildren(make("div", "weave", this.grid.section, picture, last));
    this.listen();
    this.watch = new ResizeObserver(() => this.paint());
    this.watch.observe(root);
  }

  button(kind, act) {
    return Object.assign(make("button", kind), {type: "button", onclick: act});
  }

  listen() {
    const {frame} = this;
    frame.onpointermove = event => event.pointerType === "mouse" && this.preview(this.at(event));
    frame.onpointerleave = () => this.preview(null);
    frame.onclick = event => this.press(this.at(event), event.shiftKey);
    frame.ondblclick = event => this.press(this.at(event), true);
    frame.onkeydown = event => this.key(event);
    frame.onblur = () => this.preview(null);
    frame.onscroll = () => this.later();
  }

  // ---------------------------------------------------------------- what Python sends

  async receive(component) {
    this.component = component;
    if (!component.data) return;
    const {header, parts} = open(component.data), told = JSON.stringify(header);
    if (told === this.told) return; // sent again unchanged
    this.told = told;
    const inside = header.dense && header.revision === this.header?.revision ? null : await Promise.all(parts.map(inflate));
    if (this.told !== told) return;
    Object.assign(header, {own: header.queries.texts, other: (header.keys ?? header.queries).texts, square: !header.keys});
    const fresh = header.revision !== this.header?.revision;
    if (fresh || header.serial !== this.header?.serial) this.choice = header.choice;
    if (fresh) Object.assign(this, {maps: {}, kept: {}, zoom: 1, cursor: null, hovered: null});
    this.header = header;
    if (inside) this.keep(inside);
    this.slots = this.slotted();
    this.write();
    this.paint();
    if (fresh) this.reveal();
  }

  /** The numbers: every map, or the strong weights of the chosen heads and what the chosen tokens add up to. */
  keep([first, ...strong]) {
    const {header} = this;
    if (header.dense) { this.all = first; return; }
    this.sums = {of: this.named(header.choice), values: new Float32Array(first.buffer, first.byteOffset, first.length / 4)};
    header.choice.heads.forEach((head, i) => { this.kept[head] = this.strong(strong[i], header.strong[i]); });
  }

  strong(bytes, {floor, count}) {
    const rows = this.header.own.length, view = new DataView(bytes.buffer, bytes.byteOffset), at = 2 * rows + 2 * count;
    const keys = new Uint16Array(count), starts = new Uint32Array(rows + 1);
    for (let i = 0; i < rows; i++) starts[i + 1] = starts[i] + view.getUint16(2 * i, true);
    for (let i = 0; i < count; i++) keys[i] = view.getUint16(2 * rows + 2 * i, true);
    return {floor, keys, starts, weights: unrooted(bytes, at, count, at + count)};
  }

  named({heads, tokens, side, sink}) {
    return JSON.stringify([heads, tokens, side, sink || side === "query"]);
  }

  // ---------------------------------------------------------------- numbers

  /** A head's whole map; of a long text there is none. */
  map([layer, head]) {
    const {layers, heads, own, other} = this.header, cells = own.length * other.length, at = (layer * heads + head) * cells;
    return (this.maps[`${layer}.${head}`] ??= unrooted(this.all, at, cells, layers * heads * cells + at));
  }

  /** Visit every weight of a head that is here and belongs to the chosen tokens: visit(query, key, weight). */
  each(head, now, visit) {
    const {dense, own, other} = this.header, {side, sink} = now, chosen = now.picked, from = sink ? 0 : 1;
    const queries = side === "query" && chosen ? [...chosen] : own.keys();
    if (dense) {
      const map = this.map(head), keys = side === "key" && chosen ? [...chosen] : null;
      for (const q of queries) {
        if (keys) { for (const k of keys) if (k >= from) visit(q, k, map[q * other.length + k]); }
        else for (let k = from; k < other.length; k++) visit(q, k, map[q * other.length + k]);
      }
      return;
    }
    const kept = this.kept[head];
    if (!kept) return;
    for (const q of queries) for (let i = kept.starts[q]; i < kept.starts[q + 1]; i++) {
      const k = kept.keys[i];
      if (k >= from && (side === "query" || !chosen || chosen.has(k))) visit(q, k, kept.weights[i]);
    }
  }

  /** What each token of the other side gets, head by head, and whether that is exact. */
  added(now) {
    const {dense} = this.header, size = (now.side === "query" ? this.header.other : this.header.own).length;
    if (!dense && this.sums?.of === this.named(now)) {
      const rows = now.heads.map((_, i) => this.sums.values.slice(i * size, (i + 1) * size));
      if (!now.sink && now.side === "query") for (const row of rows) row[0] = 0;
      return {rows, exact: true};
    }
    const rows = now.heads.map(head => {
      const row = new Float32Array(size);
      this.each(head, now, (q, k, weight) => { row[now.side === "query" ? k : q] += weight; });
      return row;
    });
    return {rows, exact: dense};
  }

  /** The threads to draw, of those in view no more than `MOST`: the strongest, and the floor under which none is drawn. */
  drawn(now, near = () => true) {
    const lowest = this.header.dense ? 0.005 : Math.max(0.01, ...now.heads.map(head => this.kept[head]?.floor ?? 0));
    const found = [];
    now.heads.forEach((head, slot) => this.each(head, now, (q, k, weight) => { if (weight >= lowest && near(q, k)) found.push({slot, q, k, weight}); }));
    found.sort((a, b) => a.weight - b.weight);
    if (found.length <= MOST) return {threads: found, floor: lowest};
    const least = found[found.length - MOST].weight, rung = RUNGS.find(rung => rung >= least);
    return rung === undefined ? {threads: found.slice(-MOST), floor: least} : {threads: found.filter(({weight}) => weight >= rung), floor: rung};
  }

  /** What is on show now: what was chosen, or the one token under the pointer or the cursor, unless it is chosen or was just let go. */
  shown() {
    const {choice} = this, over = this.hovered ?? this.cursor, same = other => other?.side === over?.side && other?.at === over?.at;
    const now = over && !same(this.pressed) && !(choice.side === over.side && choice.tokens.includes(over.at)) ? {...choice, side: over.side, tokens: [over.at]} : {...choice};
    now.picked = now.tokens.length ? new Set(now.tokens) : null;
    return now;
  }

  // ---------------------------------------------------------------- colours

  /** A head has a colour of its own, or the next free one where a head chosen before it took that: the same wherever a link is opened. */
  slotted() {
    const {heads: size, hues} = this.header, free = new Set(hues.keys()), slots = {};
    for (const [layer, head] of this.choice.heads.slice(0, hues.length)) {
      let slot = (layer * size + head) % hues.length;
      while (!free.delete(slot)) slot = (slot + 1) % hues.length;
      slots[`${layer},${head}`] = slot;
    }
    return slots;
  }

  get many() {
    return this.choice.heads.length > this.header.hues.length;
  }

  hue(head) {
    return this.many ? this.header.by_layer[head[0]] : this.header.hues[this.slots[String(head)] ?? 0];
  }

  // ---------------------------------------------------------------- what the reader does

  preview(over) {
    if (this.hovered?.side === over?.side && this.hovered?.at === over?.at && (over || !this.cursor)) return;
    if (this.pressed?.side !== over?.side || this.pressed?.at !== over?.at) this.pressed = null;
    this.hovered = over;
    if (over !== null || document.activeElement !== this.root.getRootNode().host) this.cursor = null;
    this.later();
  }

  /** However fast the pointer moves, one picture a frame. */
  later() {
    this.awaited ??= requestAnimationFrame(() => { this.awaited = null; this.paint(); });
  }

  choose(what) {
    this.choice = {...this.choice, ...what};
    this.slots = this.slotted();
    this.paint();
    this.component.setTriggerValue("choice", this.choice);
  }

  /** A token added to the sum, or taken out; `only` leaves no other. A token of the other column begins a sum of its own. */
  press(over, only) {
    if (!over) return;
    this.pressed = over;
    const {side, tokens} = this.choice, had = side === over.side && tokens.includes(over.at);
    const rest = side === over.side && !only ? tokens.filter(token => token !== over.at) : [];
    this.choose({side: over.side, tokens: had && !only ? rest : [...rest, over.at].sort((a, b) => a - b)});
  }

  key(event) {
    const {ctrlKey, metaKey, altKey} = event;
    if (event.key === "Escape") { this.cursor = this.hovered = null; this.choose({tokens: []}); event.preventDefault(); return; }
    if (event.key === "+" || event.key === "-") { this.zoomed(event.key === "+" ? 2 : 0.5); event.preventDefault(); return; }
    const here = this.cursor ?? {side: this.choice.side, at: this.choice.tokens.at(-1) ?? 0};
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); this.cursor = here; this.press(here, event.shiftKey); return; }
    if (ctrlKey || metaKey || altKey) return;
    const to = this.place.travel(event, this.cursor ? here : null, here);
    if (!to) return;
    event.preventDefault();
    this.hovered = null;
    this.pressed = null;
    this.cursor = to;
    this.into(to);
    this.later();
  }

  zoomed(factor) {
    const {place, frame} = this, middle = (frame.scrollTop + frame.clientHeight / 2) / this.place.height;
    this.zoom = Math.max(1, Math.min(this.zoom * factor, 48 / (place.row / this.zoom)));
    this.paint();
    frame.scrollTop = middle * this.place.height - frame.clientHeight / 2;
  }

  /** A token into view. */
  into({side, at}) {
    const {y} = this.place.of(side, at), {frame} = this;
    if (y < frame.scrollTop + HEAD || y > frame.scrollTop + frame.clientHeight - HEAD) frame.scrollTop = y - frame.clientHeight / 2;
  }

  reveal() {
    const at = this.choice.tokens.at(-1);
    if (this.place && at !== undefined) this.into({side: this.choice.side, at});
  }

  at(event) {
    const box = this.frame.getBoundingClientRect();
    return this.place?.hit(event.clientX - box.left, event.clientY - box.top + this.frame.scrollTop) ?? null;
  }

  // ---------------------------------------------------------------- words

  write() {
    const {words, square} = this.header;
    this.grid.write(this.header);
    this.side.write(words, words.side);
    this.mode.write(words, words.draw);
    this.count.write(words, words.count);
    this.boxName.textContent = words.sink;
    this.clear.textContent = words.clear;
    this.closer.setAttribute("aria-label", words.closer);
    this.wider.setAttribute("aria-label", words.wider);
    this.hint.textContent = words.hint;
    this.frame.setAttribute("aria-label", `${words.label} ${words.keys}`);
    this.axes = square ? {query: words.queries_title, key: words.keys_title} : {query: words.queries_across, key: words.keys_across};
  }

  listed(names, many, count) {
    const {words} = this.header;
    if (names.length > 3 || !names.length) return fill(many, {count: count ?? names.length});
    return names.length === 1 ? names[0] : `${names.slice(0, -1).join(", ")}${words.and}${names.at(-1)}`;
  }

  headsNamed(heads) {
    const {words} = this.header, numbers = heads.map(([layer, head]) => ({layer: layer + 1, head: head + 1}));
    if (heads.length === 1) return fill(words.head_named, numbers[0]);
    if (heads.length > 3) return fill(words.heads_count, {count: heads.length});
    return fill(words.heads_named, {names: this.listed(numbers.map(each => fill(words.head_short, each)), "")});
  }

  /** What the sum is made of and where most of it goes. */
  sentence(now, total, exact) {
    const {header} = this, {words, own, other} = header;
    if (!now.heads.length) return words.no_heads;
    const mine = now.side === "query" ? own : other, theirs = now.side === "query" ? other : own;
    const best = [...total.keys()].filter(at => total[at] > 0).sort((a, b) => total[b] - total[a]).slice(0, 3);
    const named = best.map(at => fill(words.share, {token: `“${theirs[at]}”`, share: exact ? this.value(total[at], now) : ""}).trim());
    const tokens = now.tokens.length ? this.listed(now.tokens.map(at => `“${mine[at]}”`), words.tokens_count) : fill(words.every, {count: mine.length});
    const heads = this.headsNamed(now.heads);
    const told = fill(words[`said_${now.side}`], {tokens, heads, shares: named.length ? this.listed(named, "") : words.nothing});
    return this.cursor ? `${this.reading()} ${told}` : told;
  }

  /** A mean is a share, in per cent; a sum is a number, 1 being all that one token gives in one head. */
  value(number, {mean}) {
    const {language} = this.header;
    if (mean) return percent(number, language);
    const written = (value, digits) => value.toLocaleString(language, {minimumFractionDigits: digits, maximumFractionDigits: digits});
    return number > 0 && number < 0.005 ? `<\u202f${written(0.01, 2)}` : written(number, number < 99.995 ? 2 : 0);
  }

  /** Whether the token under the cursor is chosen, and, once that is exactly here, what it gets from what is. */
  reading() {
    const {words, own, other, square} = this.header, {side, at} = this.cursor, {choice, locked} = this;
    const mine = side === "query" ? own : other, chosen = choice.side === side && choice.tokens.includes(at);
    const counted = locked.exact && (choice.side !== side || (square && choice.draw === "arcs")), named = {token: `“${mine[at]}”`, place: at + 1, count: mine.length};
    const told = counted ? fill(words.cursor, {...named, share: this.value(locked.total[at], choice)}) : fill(words.cursor_alone, named);
    return `${told} ${chosen ? words.chosen : words.not_chosen}`;
  }

  remarks(now, {floor, most, exact}) {
    const {words, language, other, dense, written} = this.header, told = [];
    if (now.heads.length) told.push(fill(words.floor, {share: percent(floor, language)}));
    if (now.heads.length && exact) told.push(fill(words.bar, {share: this.value(most, now)}));
    told.push(now.mean ? words.mean_note : words.sum_note);
    const taken = now.sink || now.side === "key" ? null : this.sunk(now);
    if (taken !== null) told.push(fill(words.sunk, {token: `“${other[0]}”`, share: percent(taken, language)}));
    if (!exact && !dense) told.push(words.soon);
    if (written) told.push(words.written);
    this.note.textContent = told.join(" ");
  }

  /** The share of what the tokens give that goes to the first key; `null` while it is not exactly here. */
  sunk(now) {
    if (!now.heads.length) return null;
    const {rows, exact} = this.added({...now, sink: true});
    if (!exact) return null;
    let first = 0, whole = 0;
    for (const row of rows) { first += row[0]; for (const value of row) whole += value; }
    return whole ? first / whole : null;
  }

  // ---------------------------------------------------------------- painting

  /** What is on show, as numbers: rows by head, their total, the largest. */
  reckon(now) {
    const {rows, exact} = this.added(now), count = now.mean ? now.heads.length * (now.tokens.length || this.mine(now).length) || 1 : 1;
    const size = (now.side === "query" ? this.header.other : this.header.own).length, total = new Float32Array(size);
    for (const row of rows) for (let i = 0; i < size; i++) { row[i] /= count; total[i] += row[i]; }
    return {rows, total, exact, most: total.reduce((a, b) => Math.max(a, b), 0)};
  }

  mine({side}) {
    return side === "query" ? this.header.own : this.header.other;
  }

  paint() {
    const width = this.frame.clientWidth;
    if (!this.header || width <= 0) return;
    const now = this.shown(), sums = this.reckon(now);
    this.locked = this.cursor && this.reckon({...this.choice, picked: this.choice.tokens.length ? new Set(this.choice.tokens) : null});
    this.place = now.draw === "arcs" ? new Lines(this, width) : new Columns(this, width, now);
    this.frame.style.height = `${Math.min(this.place.height, TALL + HEAD)}px`;
    this.spacer.style.height = `${this.place.height}px`;
    const high = Math.min(this.place.height, TALL + HEAD), top = Math.max(0, Math.min(this.frame.scrollTop, this.place.height - high));
    const {threads, floor} = this.drawn(now, (q, k) => this.place.near(q, k, top, top + high));
    const pen = sharp(this.canvas, width, high);
    pen.save();
    pen.translate(0, -top);
    this.place.paint(pen, {now, ...sums, threads, top, bottom: top + high, font: face(this.root, "--st-code-font", LABEL, () => this.later())});
    pen.restore();
    this.tell(now, sums, floor);
  }

  tell(now, {total, most, exact}, floor) {
    const {choice, header} = this, said = this.sentence(now, total, exact);
    if (this.say.textContent !== said) this.say.textContent = said;
    this.titles.textContent = choice.draw === "arcs" ? header.words.arcs_title : "";
    this.remarks(now, {floor, most, exact});
    this.grid.mark(choice);
    this.side.mark(choice.side);
    this.mode.mark(choice.draw);
    this.count.mark(choice.mean ? "mean" : "sum");
    this.box.checked = !choice.sink;
    this.clear.disabled = !choice.tokens.length;
    this.closer.hidden = this.wider.hidden = choice.draw === "arcs";
    this.wider.disabled = this.zoom <= 1;
    this.closer.disabled = this.place.row >= 48;
    const heads = choice.heads.map(([layer, head]) => `${layer}.${head}`).join("+");
    this.root.dataset.painted = [header.revision, heads, choice.tokens.join("+"), choice.side, choice.draw, choice.sink, choice.mean, exact ? "exact" : "coarse"].join("/");
  }

  leave() {
    this.watch.disconnect();
  }
}

/** Threads stroked lightest first, as they are sorted; `path(pen, thread)` lays one. Each is a path of its own: one that crosses itself is slow. */
function weave(pen, threads, hue, path, wide) {
  const crowd = Math.min(1, Math.max(0.3, Math.sqrt(120 / threads.length)));
  for (const thread of threads) {
    pen.lineWidth = Math.max(0.7, thread.weight * wide * crowd);
    pen.globalAlpha = Math.min(1, 0.12 + 0.83 * Math.sqrt(thread.weight)) * crowd;
    pen.strokeStyle = hue(thread);
    pen.beginPath();
    path(pen, thread);
    pen.stroke();
  }
  pen.globalAlpha = 1;
}

/** A bar of a colour per head, as long as its part of the sum. */
function stacked(pen, rows, hues, at, x, y, long, high, most) {
  let from = x;
  rows.forEach((row, slot) => {
    const part = most ? (row[at] / most) * long : 0;
    if (part <= 0) return;
    pen.fillStyle = hues[slot];
    pen.fillRect(from, y, part, high);
    from += part;
  });
}

// ---------------------------------------------------------------- two columns

class Columns {
  constructor(view, width, now) {
    const {header} = view, narrow = width < 460, most = Math.max(header.own.length, header.other.length);
    Object.assign(this, {view, header, width, narrow, side: now.side});
    this.row = Math.min(ROW, (TALL - 2 * GAP) / most) * view.zoom;
    this.bars = narrow ? 58 : Math.min(170, width * 0.2);
    this.number = 46;
    this.label = narrow ? 74 : Math.min(150, width * 0.17);
    this.height = HEAD + GAP + most * this.row + GAP;
    const aside = this.bars + this.number;
    this.left = (now.side === "key" ? aside : 0) + this.label;
    this.right = width - (now.side === "query" ? aside : 0) - this.label;
  }

  y(at) {
    return HEAD + GAP + (at + 0.5) * this.row;
  }

  of(side, at) {
    return {x: side === "query" ? this.left : this.right, y: this.y(at)};
  }

  hit(x, y) {
    const side = this.column(x), at = Math.floor((y - HEAD - GAP) / this.row);
    const size = (side === "query" ? this.header.own : this.header.other).length;
    return at >= 0 && at < size ? {side, at} : null;
  }

  /** The column a pointer means. The columns move aside for the sums of the token it is over: where that would carry the other one under it,
   *  it stays with the one it was over. */
  column(x) {
    const aside = this.bars + this.number, asking = aside + this.label + 20, asked = this.width - asking;
    if (asking >= asked) return x < (this.left + this.right) / 2 ? "query" : "key";
    if (x <= asking || x >= asked) return x <= asking ? "query" : "key";
    return this.view.hovered?.side ?? (x < (this.left + this.right) / 2 ? "query" : "key");
  }

  travel(event, from, start) {
    const step = event.shiftKey ? 10 : 1, by = {ArrowUp: -step, ArrowDown: step, Home: -1e5, End: 1e5, ArrowLeft: 0, ArrowRight: 0}[event.key];
    if (by === undefined) return null;
    const side = {ArrowLeft: "query", ArrowRight: "key"}[event.key] ?? start.side;
    const size = (side === "query" ? this.header.own : this.header.other).length;
    return {side, at: Math.max(0, Math.min(size - 1, start.at + (from ? by : 0)))};
  }

  paint(pen, scene) {
    const {view} = this, {now, threads} = scene, hues = now.heads.map(head => view.hue(head)), lanes = now.heads.length;
    const shift = slot => (lanes > 1 ? (slot / (lanes - 1) - 0.5) * Math.min(this.row * 0.5, 3.4 * (lanes - 1)) : 0);
    const [left, right] = [this.left + 8, this.right - 8], bend = (right - left) * 0.45;
    const path = (pen, {q, k, slot}) => {
      pen.moveTo(left, this.y(q) + shift(slot));
      pen.bezierCurveTo(left + bend, this.y(q) + shift(slot), right - bend, this.y(k) + shift(slot), right, this.y(k) + shift(slot));
    };
    weave(pen, threads, ({slot}) => hues[slot], path, Math.max(2.5, Math.min(9, this.row * 0.45)));
    this.beside(pen, scene, hues);
    for (const side of ["query", "key"]) this.tokens(pen, scene, side);
    this.titled(pen, scene);
  }

  titled(pen, {top, font}) {
    pen.fillStyle = PLATE.plate;
    pen.fillRect(0, top, this.width, HEAD - 4);
    pen.font = font;
    pen.fillStyle = PLATE.dim;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    pen.fillText(elide(pen, this.view.axes.query, this.left + 40), Math.max(this.left, pen.measureText(this.view.axes.query).width), top + 10);
    pen.textAlign = "left";
    pen.fillText(elide(pen, this.view.axes.key, this.width - this.right + 40), Math.min(this.right, this.width - pen.measureText(this.view.axes.key).width), top + 10);
  }

  /** Whether any of a thread is in view. */
  near(q, k, top, bottom) {
    return Math.max(this.y(q), this.y(k)) >= top && Math.min(this.y(q), this.y(k)) <= bottom;
  }

  /** Bars and numbers beside the tokens of the other side. */
  beside(pen, {now, rows, total, exact, most, top, bottom, font}, hues) {
    const high = Math.max(1, Math.min(12, this.row * 0.62)), x = now.side === "query" ? this.right + this.label : this.number;
    const spaced = this.spaced([...total.keys()].filter(at => total[at] >= 0.001 * (now.mean ? 0.1 : 1)).sort((a, b) => total[b] - total[a]));
    pen.font = font;
    pen.textBaseline = "middle";
    for (let at = 0; at < total.length; at++) {
      const y = this.y(at);
      if (y < top - 20 || y > bottom + 20 || total[at] <= 0) continue;
      const long = most ? (total[at] / most) * (this.bars - 8) : 0, from = now.side === "query" ? x : x + this.bars - 8 - long;
      stacked(pen, rows, hues, at, from, y - high / 2, this.bars - 8, high, most);
      if (!exact || !spaced.has(at)) continue;
      pen.fillStyle = PLATE.glow;
      pen.textAlign = now.side === "query" ? "left" : "right";
      pen.fillText(this.view.value(total[at], now), now.side === "query" ? from + long + 6 : from - 6, y);
    }
  }

  /** Of tokens in the order of how much they matter, those whose labels do not run into each other. */
  spaced(order) {
    if (this.row >= LABEL) return new Set(order);
    const taken = new Set(), kept = new Set(), apart = LABEL + 1;
    for (const at of order) {
      const slot = Math.round(this.y(at)), free = [...Array(2 * apart - 1)].every((_, i) => !taken.has(slot - apart + 1 + i));
      if (free) { taken.add(slot); kept.add(at); }
    }
    return kept;
  }

  tokens(pen, {now, total, top, bottom, font}, side) {
    const {view, header} = this, texts = side === "query" ? header.own : header.other, {choice} = view, over = view.hovered ?? view.cursor;
    const chosen = at => choice.side === side && choice.tokens.includes(at), here = at => over?.side === side && over.at === at;
    const weight = at => (here(at) ? 4 : 0) + (chosen(at) ? 3 : 0) + (now.side === side ? 0 : Math.min(2, total[at]));
    const order = [...texts.keys()].sort((a, b) => weight(b) - weight(a)), kept = this.spaced(order);
    const x = side === "query" ? this.left : this.right, sign = side === "query" ? -1 : 1;
    pen.font = font;
    pen.textBaseline = "middle";
    pen.textAlign = side === "query" ? "right" : "left";
    for (const at of kept) {
      const y = this.y(at);
      if (y < top - 20 || y > bottom + 20) continue;
      const text = elide(pen, texts[at], this.label - 14), wide = pen.measureText(text).width, high = Math.max(14, Math.min(22, this.row - 2));
      const edge = side === "query" ? x - wide - 5 : x - 5;
      if (chosen(at) || here(at)) {
        pen.fillStyle = chosen(at) ? PLATE.mark : PLATE.hairline;
        pen.fillRect(edge, y - high / 2, wide + 10, high);
      }
      const lit = chosen(at) ? "#111017" : now.side === side ? (now.picked && !now.picked.has(at) ? PLATE.dim : PLATE.glow) : total[at] >= 0.01 ? PLATE.glow : PLATE.dim;
      pen.fillStyle = lit;
      pen.fillText(text, x, y);
      if (at >= texts.length - header.written && header.square) {
        pen.fillStyle = PLATE.mark;
        pen.fillRect(x - sign * 8 - 1, y - high / 2, 2, high);
      }
    }
  }
}

// ---------------------------------------------------------------- the running text

class Lines {
  constructor(view, width) {
    const {header} = view;
    Object.assign(this, {view, header, width, row: 48});
    const pen = view.canvas.getContext("2d");
    pen.save();
    pen.font = face(view.root, "--st-code-font", LABEL, () => view.later());
    const texts = header.square ? [["query", header.queries]] : [["key", header.keys], ["query", header.queries]];
    this.least = header.own.length + (header.square ? 0 : header.other.length) <= 48 ? 46 : 14; // few tokens leave each its number
    const wraps = texts.map(([side, row]) => [side, this.wrap(pen, row)]), lines = wraps.reduce((sum, [, found]) => sum + found.count, 0);
    pen.restore();
    this.air = lines > 6 ? 44 : lines > 2 ? 66 : Math.min(150, 34 + width * 0.12);
    this.step = this.air + LINE.token + LINE.below;
    this.boxes = {};
    let top = header.square ? 0 : 24 - this.air;
    for (const [side, {places, count}] of wraps) {
      this.boxes[side] = places.map(({x, wide, line}) => ({x, wide, line, top: top + line * this.step + this.air}));
      top += count * this.step + (header.square ? 0 : 16);
    }
    if (header.square) this.boxes.key = this.boxes.query;
    this.height = Math.max(top + LINE.air, this.step);
  }

  wrap(pen, {texts, apart}) {
    const places = [];
    let x = LINE.left, line = 0;
    texts.forEach((text, i) => {
      const wide = Math.max(this.least, Math.min(this.width - 10, pen.measureText(text).width)), gap = i && apart[i] ? 9 : i ? 3 : 0;
      if (x + gap + wide > this.width - 6 && x > LINE.left) { line++; x = LINE.left; } else x += gap;
      places.push({x, wide, line});
      x += wide;
    });
    return {places, count: line + 1};
  }

  of(side, at) {
    const {x, wide, top} = this.boxes[side][at];
    return {x: x + wide / 2, y: top + LINE.token / 2};
  }

  hit(x, y) {
    for (const side of this.header.square ? [this.view.choice.side] : ["query", "key"]) {
      const at = this.boxes[side].findIndex(box => x >= box.x - 3 && x <= box.x + box.wide + 3 && y >= box.top - 4 && y <= box.top + LINE.token + 16);
      if (at >= 0) return {side, at};
    }
    return null;
  }

  travel(event, from, start) {
    const boxes = this.boxes[start.side], step = event.shiftKey ? 10 : 1;
    const by = {ArrowLeft: -step, ArrowRight: step, Home: -1e5, End: 1e5}[event.key], inside = at => Math.max(0, Math.min(boxes.length - 1, at));
    if (by !== undefined) return {side: start.side, at: from ? inside(start.at + by) : start.at};
    const down = {ArrowUp: -1, ArrowDown: 1}[event.key];
    if (!down) return null;
    return this.beside(start, down);
  }

  /** The token above or below, in the next line or in the other text. */
  beside(start, down) {
    const here = this.boxes[start.side][start.at], sides = this.header.square ? [start.side] : ["key", "query"];
    const all = sides.flatMap(side => this.boxes[side].map((box, at) => ({side, at, box}))).filter(({box}) => (box.top - here.top) * down > 1);
    const near = ({box}) => Math.abs(box.top - here.top) * 10 + Math.abs(box.x - here.x);
    const found = all.sort((a, b) => near(a) - near(b))[0];
    return found ? {side: found.side, at: found.at} : start;
  }

  paint(pen, scene) {
    const {view} = this, {now, threads} = scene, hues = now.heads.map(head => view.hue(head));
    const lanes = now.heads.length, shift = slot => (lanes > 1 ? (slot / (lanes - 1) - 0.5) * Math.min(10, 3 * (lanes - 1)) : 0);
    weave(pen, threads, ({slot}) => hues[slot], (pen, thread) => this.arc(pen, thread, shift(thread.slot)), 7);
    this.dots(pen, threads, hues, shift);
    for (const side of this.header.square ? ["query"] : ["key", "query"]) this.tokens(pen, scene, side, hues);
    if (!this.header.square) this.titled(pen, scene.font);
  }

  /** Which of the two texts asks, and which is asked. */
  titled(pen, font) {
    pen.font = font;
    pen.textAlign = "left";
    for (const side of ["key", "query"]) {
      const y = this.boxes[side][0].top - 13, name = this.view.axes[side];
      pen.fillStyle = PLATE.plate;
      pen.fillRect(0, y - 8, pen.measureText(name).width + 8, 16);
      pen.fillStyle = PLATE.dim;
      pen.fillText(name, LINE.left, y);
    }
  }

  /** Whether any of an arc is in view. */
  near(q, k, top, bottom) {
    const ends = [this.boxes.query[q].top, this.boxes.key[k].top];
    return Math.max(...ends) >= top - LINE.token - LINE.below && Math.min(...ends) <= bottom + this.air;
  }

  arc(pen, {q, k}, shift) {
    const from = this.boxes.query[q], to = this.boxes.key[k], [x, z] = [from.x + from.wide / 2 + shift, to.x + to.wide / 2 + shift];
    if (from.top === to.top) {
      const rise = Math.min(this.air - 6, 16 + Math.abs(x - z) * 0.32 + Math.abs(shift)) * 1.3, lean = x === z ? 9 : 0;
      pen.moveTo(x + lean, from.top - 2);
      pen.bezierCurveTo(x + lean, from.top - rise, z - lean, to.top - rise, z - lean, to.top - 2);
      return;
    }
    const up = to.top < from.top, start = up ? from.top - 2 : from.top + LINE.token + 18, end = up ? to.top + LINE.token + 18 : to.top - 2, pull = this.air * (up ? 0.8 : -0.8);
    pen.moveTo(x, start);
    pen.bezierCurveTo(x, start - pull, z, end + pull, z, end);
  }

  /** A dot where a query asks. */
  dots(pen, threads, hues, shift) {
    const done = new Set();
    for (const {q, k, slot} of threads) {
      const from = this.boxes.query[q], down = this.boxes.key[k].top > from.top, name = `${q}.${slot}.${down}`;
      if (done.has(name)) continue;
      done.add(name);
      pen.fillStyle = hues[slot];
      pen.beginPath();
      const lean = q === k && this.header.square ? 9 : 0;
      pen.arc(from.x + from.wide / 2 + shift(slot) + lean, down ? from.top + LINE.token + 18 : from.top - 2, 2.6, 0, 2 * Math.PI);
      pen.fill();
    }
  }

  tokens(pen, { now, rows, total, exact, most, top, bottom, font }, side, hues) {
    const {view, header} = this, texts = side === "query" ? header.own : header.other, {choice} = view, over = view.hovered ?? view.cursor;
    const counted = header.square || side !== now.side;
    pen.textBaseline = "middle";
    pen.textAlign = "center";
    this.boxes[side].forEach((box, at) => {
      if (box.top < top - 60 || box.top > bottom + 60) return;
      const chosen = (header.square || choice.side === side) && choice.tokens.includes(at), here = over?.at === at && (header.square || over.side === side);
      pen.fillStyle = chosen ? PLATE.mark : here ? PLATE.hairline : PLATE.plate;
      pen.fillRect(box.x - 1, box.top, box.wide + 2, LINE.token);
      pen.font = font;
      pen.fillStyle = chosen ? "#111017" : !counted || total[at] >= 0.01 || !now.picked ? PLATE.glow : PLATE.dim;
      pen.fillText(elide(pen, texts[at], box.wide + 4), box.x + box.wide / 2, box.top + LINE.token / 2 + 1);
      if (header.square && at >= texts.length - header.written) {
        pen.fillStyle = PLATE.mark;
        pen.fillRect(box.x - 1, box.top + LINE.token - 1, box.wide + 2, 2);
      }
      if (counted) this.below(pen, {now, rows, total, exact, most}, at, box, hues);
    });
  }

  below(pen, {now, rows, total, exact, most}, at, box, hues) {
    if (total[at] <= 0) return;
    stacked(pen, rows, hues, at, box.x, box.top + LINE.token + 2, box.wide, 4, most);
    if (!exact || total[at] < 0.01 || total[at] < 0.02 * most) return;
    pen.font = pen.font.replace(/^\S+px/, "11px");
    const told = this.view.value(total[at], now);
    const wide = pen.measureText(told).width;
    if (wide > box.wide + 2) return;
    pen.fillStyle = PLATE.plate;
    pen.fillRect(box.x + (box.wide - wide) / 2 - 1, box.top + LINE.token + 7, wide + 2, 12);
    pen.fillStyle = PLATE.dim;
    pen.fillText(told, box.x + box.wide / 2, box.top + LINE.token + 13);
  }
}

// ---------------------------------------------------------------- every head, on or off

class Grid {
  constructor(view) {
    Object.assign(this, {view, buttons: []});
    this.title = make("h3");
    this.note = make("p", "dim");
    this.cells = make("div", "cells");
    this.cells.setAttribute("role", "group");
    this.all = view.button("plain", () => view.choose({heads: this.every()}));
    this.none = view.button("plain", () => view.choose({heads: []}));
    this.opening = view.button("plain", () => view.choose({heads: view.header.opening.heads}));
    this.chips = make("div", "chips");
    this.chips.setAttribute("role", "group");
    this.section = make("section", "gridded", this.title, this.cells, make("div", "presses", this.opening, this.all, this.none), this.chips, this.note);
    this.cells.onkeydown = event => this.key(event);
  }

  every() {
    const {layers, heads} = this.view.header;
    return Array.from({length: layers * heads}, (_, i) => [Math.floor(i / heads), i % heads]);
  }

  write({layers, heads, words}) {
    this.words = words;
    this.title.textContent = words.heads;
    this.note.textContent = words.heads_note;
    this.cells.setAttribute("aria-label", words.heads);
    this.chips.setAttribute("aria-label", words.colours);
    [this.opening.textContent, this.all.textContent, this.none.textContent] = [words.opening, words.all, words.none];
    if (this.shape !== `${layers}.${heads}`) this.build(layers, heads);
    this.corner.textContent = words.layer;
    this.buttons.forEach(row => row.forEach((button, i) => {
      button.setAttribute("aria-label", fill(i ? words.cell : words.whole_layer, {layer: row.layer + 1, head: i}));
      button.title = button.getAttribute("aria-label");
    }));
  }

  build(layers, heads) {
    this.shape = `${layers}.${heads}`;
    this.corner = make("span", "corner");
    const shown = [this.corner, ...Array.from({length: heads}, (_, head) => make("span", "", String(head + 1)))];
    this.buttons = Array.from({length: layers}, (_, layer) => {
      const row = [this.whole(layer), ...Array.from({length: heads}, (_, head) => this.one(layer, head))];
      shown.push(...row);
      return Object.assign(row, {layer});
    });
    this.cells.style.gridTemplateColumns = `minmax(24px, max-content) repeat(${heads}, 24px)`;
    this.cells.replaceChildren(...shown);
    this.focused = [0, 1];
  }

  whole(layer) {
    const button = this.view.button("layer", () => this.toggleLayer(layer));
    button.textContent = String(layer + 1);
    return button;
  }

  one(layer, head) {
    const button = this.view.button("head", event => this.toggle([layer, head], event.shiftKey));
    button.ondblclick = () => this.toggle([layer, head], true);
    Object.assign(button.dataset, {layer, head});
    return button;
  }

  toggle(head, only) {
    const {heads} = this.view.choice, name = String(head), had = heads.some(one => String(one) === name);
    if (only) this.view.choose({heads: [head]});
    else this.view.choose({heads: had ? heads.filter(one => String(one) !== name) : [...heads, head]});
  }

  toggleLayer(layer) {
    const {heads} = this.view.choice, rest = heads.filter(one => one[0] !== layer), size = this.view.header.heads;
    const own = heads.length - rest.length === size ? [] : Array.from({length: size}, (_, head) => [layer, head]);
    this.view.choose({heads: [...rest, ...own]});
  }

  mark({heads}) {
    const on = new Map(heads.map(head => [String(head), this.view.hue(head)]));
    this.buttons.forEach((row, layer) => row.forEach((button, i) => {
      const hue = i ? on.get(String([layer, i - 1])) : undefined, pressed = i ? hue !== undefined : row.slice(1).every((_, head) => on.has(String([layer, head])));
      button.setAttribute("aria-pressed", pressed);
      button.style.background = hue ?? "";
      button.tabIndex = this.focused[0] === layer && this.focused[1] === i ? 0 : -1;
    }));
    const told = this.view.many ? this.byLayer(heads) : heads.map(head => this.chip(head));
    this.chips.replaceChildren(...told);
  }

  chip(head) {
    const named = {layer: head[0] + 1, head: head[1] + 1}, swatch = make("i");
    swatch.style.background = this.view.hue(head);
    const button = this.view.button("chip", () => this.toggle(head, false));
    button.append(swatch, fill(this.words.head_short, named), " ×");
    button.setAttribute("aria-label", fill(this.words.chip, named));
    button.title = button.getAttribute("aria-label");
    return button;
  }

  byLayer(heads) {
    const layers = [...new Set(heads.map(([layer]) => layer))].sort((a, b) => a - b).map(layer => {
      const swatch = make("i");
      swatch.style.background = this.view.header.by_layer[layer];
      return make("span", "chip", swatch, fill(this.words.layer_short, {layer: layer + 1}));
    });
    return [make("span", "dim", this.words.by_layer), ...layers];
  }

  key(event) {
    const row = this.buttons.findIndex(row => row.includes(event.target));
    if (row < 0) return;
    const to = travelled(event, row, this.buttons[row].indexOf(event.target), this.buttons.length, this.buttons[row].length);
    if (!to) return;
    this.focused = to;
    this.mark(this.view.choice);
    this.buttons[to[0]][to[1]].focus();
  }
}

// ---------------------------------------------------------------- one of a few

class Group {
  constructor(names, choose) {
    this.names = names;
    this.title = make("span", "dim");
    this.buttons = names.map(name => Object.assign(make("button", "choice"), {type: "button", onclick: () => choose(name)}));
    this.element = make("div", "group", this.title, make("div", "choices", ...this.buttons));
    this.element.setAttribute("role", "group");
  }

  write(words, title) {
    this.title.textContent = title;
    this.element.setAttribute("aria-label", title);
    this.buttons.forEach((button, i) => { button.textContent = words[this.names[i]]; });
  }

  mark(chosen) {
    this.buttons.forEach((button, i) => button.setAttribute("aria-pressed", this.names[i] === chosen));
  }
}
