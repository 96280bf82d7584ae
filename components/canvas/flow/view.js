// The flow: one picture of the whole pass, to go into and out of. All of it is in the browser; Python hears where the reader stands.

const WIDE_FROM = 1000, MOVE = 420;

export default function (component) {
  const root = component.parentElement.querySelector(".flow");
  root.drawn ??= new Flow(root);
  root.drawn.receive(component);
  return whenGone(root, () => root.drawn.leave());
}

/** A place as its parts; the other way round, its name. */
function parsed(name) {
  const [, stack, end, layer, rest = ""] = name.match(/^(encoder|decoder)\.(?:(embed|norm)|(\d+)(?:\.(.*))?)$/) ?? [];
  if (!stack) return {stack: "", layer: 0, branch: "", head: 0, leaf: ""};
  const [, branch, head, leaf] = rest.match(/^(attn|cross)\.(\d+)(?:\.(\w+))?$/) ?? [];
  return {stack, layer: Number(layer ?? 0), branch: branch ?? "", head: Number(head ?? 0), leaf: end ?? (branch ? leaf ?? "" : rest)};
}

const named = ({stack, layer, branch, head, leaf}) => [stack, layer, branch, head, leaf].filter(Boolean).join(".");
const levelOf = ({stack, layer, head, leaf}) => (!stack ? "model" : leaf ? "vector" : head ? "head" : layer ? "block" : "model");

class Flow {
  constructor(root) {
    this.root = root;
    this.crumbs = make("nav", "crumbs");
    this.walk = make("div", "walk");
    this.canvas = make("canvas");
    this.stage = make("div", "stage", this.canvas);
    this.sentence = make("p", "say");
    this.sentence.setAttribute("aria-live", "polite");
    this.legend = make("p", "legend dim");
    root.replaceChildren(this.crumbs, this.sentence, this.walk, this.stage, this.legend);
    Object.assign(this.stage, {tabIndex: 0});
    this.stage.setAttribute("role", "application");
    this.scenes = new Scenes(this);
    Object.assign(this, {choice: null, focus: null, hovered: null, cell: 0, touches: new Map()});
    this.listen();
    this.watch = new ResizeObserver(() => this.paint());
    this.watch.observe(root);
  }

  listen() {
    const {stage} = this;
    stage.onkeydown = event => this.key(event);
    stage.onclick = event => this.clicked(event);
    stage.onpointermove = event => this.moved(event);
    stage.onpointerleave = () => this.hover(null);
    stage.onpointerdown = event => { if (event.pointerType === "touch") this.touches.set(event.pointerId, event); this.spread = this.pinch(); };
    stage.onpointerup = stage.onpointercancel = event => this.touches.delete(event.pointerId);
    stage.addEventListener("wheel", event => this.wheel(event), {passive: false});
  }

  // ---------------------------------------------------------------- what Python sends

  async receive(component) {
    this.component = component;
    if (!component.data) return;
    const {header, parts} = open(component.data), told = JSON.stringify(header);
    if (told === this.received) return;
    this.received = told;
    const [codes, bytes] = await Promise.all(parts.map(inflate));
    if (this.received !== told) return;
    const fresh = header.serial !== this.header?.serial, elsewhere = this.choice?.place !== header.choice.place;
    this.choice = fresh ? {...header.choice} : {...this.choice, at: header.choice.at, source: header.choice.source};
    this.header = header;
    this.numbers = new Numbers(header, codes, new Float32Array(bytes.buffer));
    if (fresh && elsewhere) Object.assign(this, {focus: ["model", "vector"].includes(this.level) ? null : {item: 0, part: -1}, cell: 0});
    this.cell = Math.min(this.cell, Math.max(0, (this.opened()?.length ?? 1) - 1));
    this.stage.setAttribute("aria-label", header.words.aria);
    this.buttons();
    this.show();
  }

  opened() {
    return this.place.leaf ? this.numbers.vector(this.place) : null;
  }

  get place() { return parsed(this.choice.place); }
  get level() { return levelOf(this.place); }

  /** Which of the tokens that can be followed is; the likeliest is the first. */
  get k() { return Math.max(0, this.header.tokens.indexOf(this.choice.token)); }

  /** The token that is followed through a stack, its text, and the tokens it can look at. */
  get at() { return !this.place.stack || this.place.stack === this.header.config.main ? this.choice.at : this.choice.source; }
  get queries() { return this.piecesOf(this.place.stack || this.header.config.main); }
  get keys() { return this.place.branch === "cross" ? this.header.sourcePieces : this.queries; }

  piecesOf(stack) {
    return stack === this.header.config.main ? this.header.pieces : this.header.sourcePieces;
  }

  // ---------------------------------------------------------------- how numbers and words are written

  prose(size) { return face(this.stage, "--st-font", size, () => this.paint()); }
  code(size) { return face(this.stage, "--st-code-font", size, () => this.paint()); }

  number(value) {
    const digits = Math.abs(value) >= 1000 ? {maximumFractionDigits: 0} : {maximumSignificantDigits: 3};
    return value.toLocaleString(this.header.language, digits).replace("-", "−");
  }

  signed(value) {
    return `${value > 0 ? "+" : ""}${this.number(value)}`;
  }

  brief(value, leaf) {
    if (leaf === "pattern") return percent(value, this.header.language);
    return value.toLocaleString(this.header.language, Math.abs(value) >= 10 ? {maximumFractionDigits: 0} : {minimumFractionDigits: 2, maximumFractionDigits: 2}).replace("-", "−");
  }

  /** What every sentence about the open place may name. */
  told(place = this.place) {
    const {header} = this, own = place.stack && place.stack !== header.config.main, at = own ? this.choice.source : this.choice.at;
    const pieces = this.piecesOf(own ? "encoder" : header.config.main);
    return {layer: place.layer, head: place.head, token: pieces[at], position: at + 1, followed: header.names[this.k], stack: header.words[place.stack || header.config.main]};
  }

  titled(place) {
    const {words} = this.header, parts = [];
    if (!place.layer) return words[`leaf.${place.leaf}`];
    parts.push(this.layered(place));
    if (place.head) parts.push(this.headed(place));
    if (place.leaf) parts.push(place.head ? place.leaf : words[`leaf.${place.leaf}`]);
    return parts.join(" › ");
  }

  layered({stack, layer}) {
    const {words, config} = this.header, told = fill(words.layer, {layer});
    return Object.keys(config.depths).length > 1 ? `${words[stack]}, ${told.toLocaleLowerCase(this.header.language)}` : told;
  }

  headed({branch, head}) {
    return fill(this.header.words[branch === "cross" ? "cross_head" : "head"], {head});
  }

  // ---------------------------------------------------------------- what stands in the picture now

  picture(place = this.place) {
    const {layouts} = this.header, shape = this.shape, level = levelOf(place);
    if (level === "vector") return {shape, width: shape === "wide" ? 1160 : 330, height: this.vectorHeight(place), boxes: []};
    const name = {model: "model", block: `block.${place.stack}`, head: "head"}[level];
    return layouts[`${name}.${shape}`];
  }

  vectorHeight(place) {
    if (this.shape === "wide") return 330;
    const values = this.numbers.vector(place), {rows, side} = this.scenes.grid({shape: "tall", width: 330, height: 600}, values?.length ?? 8);
    return 40 + rows * side.y;
  }

  /** The stations of the picture in order; each has a box, the place it opens, and the parts inside it. */
  items() {
    const {place, level} = this, {boxes} = this.picture();
    if (level === "vector") return [];
    if (level === "head") return boxes.map(box => ({box, open: box.kind === "row" ? {...place, leaf: box.name} : null, parts: []}));
    if (level === "block") return boxes.filter(box => !box.inside).map(box => this.blockItem(box, boxes));
    return boxes.filter(box => !box.inside).map(box => this.modelItem(box, boxes));
  }

  blockItem(box, boxes) {
    const {place} = this;
    const parts = boxes.filter(part => part.inside === box.name).map(part => ({box: part, open: {...place, branch: box.name, head: Number(part.name.split(".").at(-1))}}));
    return {box, open: box.kind === "heads" ? null : {...place, leaf: box.name}, parts};
  }

  modelItem(box, boxes) {
    const stack = box.name.split(".")[0];
    if (box.kind === "tokens") return this.tokensItem(box, stack);
    if (box.kind === "out") return {box, open: null, parts: this.candidates(box)};
    if (box.kind === "embed" || box.kind === "norm") return {box, stack, open: parsed(`${stack}.${box.kind}`), parts: []};
    const parts = boxes.filter(part => part.inside === box.name).map(part => ({box: part, open: part.kind === "head" ? parsed(part.name) : parsed(`${box.name}.mlp.activated`)}));
    return {box, stack, open: parsed(box.name), parts};
  }

  tokensItem(box, stack) {
    const pieces = this.piecesOf(stack), chosen = stack === this.header.config.main ? this.choice.at : this.choice.source;
    const parts = this.scattered(box, pieces, chosen).map(part => ({...part, stack, token: part.index}));
    return {box, stack, chosen, open: null, parts, more: pieces.length - parts.length};
  }

  /** As many tokens as there is room for, the chosen one among them: in a column, or in lines. */
  scattered(box, pieces, chosen) {
    for (const back of [Infinity, 12, 8, 4, 2, 0]) {
      const placed = this.column(box, pieces, Math.max(0, Math.min(chosen - back, pieces.length - 1)) || 0);
      if (placed.some(part => part.index === chosen)) return placed;
    }
    return [];
  }

  column(box, pieces, from) {
    const pen = this.canvas.getContext("2d"), parts = [], tall = box.width > box.height, room = box.height - (pieces.length > 1 ? 38 : 22);
    pen.save();
    pen.font = this.code(TEXT);
    let x = 0, y = 0;
    for (let index = from; index < pieces.length; index++) {
      const width = Math.min(box.width, pen.measureText(pieces[index]).width + 16);
      if (tall && x > 0 && x + width > box.width) { x = 0; y += 27; }
      if (y + 24 > room + (tall ? 16 : 16)) break;
      parts.push({index, text: pieces[index], box: {name: `token.${index}`, x: box.x + x, y: box.y + 22 + y, width, height: 23}});
      if (tall) x += width + 5; else y += 27;
    }
    pen.restore();
    return parts;
  }

  candidates(box) {
    const {tokens, names} = this.header, step = Math.min(37, (box.height - 24) / tokens.length);
    return tokens.map((id, index) => ({
      index, id, text: names[index], share: this.numbers.one("push.shares", index), candidate: true,
      box: {name: `out.${index}`, x: box.x, y: box.y + 22 + index * step, width: box.width, height: Math.min(step - 2, 34)},
    }));
  }

  // ---------------------------------------------------------------- going about

  /** The item or the part that is looked at: under the pointer, or else where the keys are. */
  get looked() {
    return this.hovered ?? this.focused();
  }

  focused() {
    if (!this.focus) return null;
    const item = this.items()[this.focus.item];
    return item?.parts[this.focus.part] ?? item ?? null;
  }

  hit(event) {
    const {x, y} = this.inside(event), holds = ({box}) => x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height;
    for (const item of this.items()) {
      const part = item.parts.find(holds);
      if (part) return part;
      if (holds(item)) return item;
    }
    return null;
  }

  inside(event) {
    const box = this.canvas.getBoundingClientRect();
    return {x: (event.clientX - box.left) / this.scale, y: (event.clientY - box.top) / this.scale};
  }

  moved(event) {
    if (!this.header || this.moving) return;
    if (event.pointerType === "touch") return void this.pinched(event);
    if (this.level === "vector") return void this.point(event, false);
    this.hover(this.hit(event));
  }

  hover(item) {
    if (item?.box.name === this.hovered?.box.name) return;
    this.hovered = item;
    this.stage.style.cursor = item && (item.open || item.token !== undefined || item.candidate) ? "pointer" : "default";
    this.show();
  }

  clicked(event) {
    if (!this.header || this.moving) return;
    if (this.level === "vector") return void this.point(event, true);
    const item = this.hit(event);
    this.hovered = null;
    if (!item) return;
    this.aim(item);
    if (item.box.kind === "map") return void this.row(event);
    this.enter(item);
  }

  /** A click in a head's map follows the token of that row. */
  row(event) {
    const {y} = this.inside(event), {shape: [, , rows], block} = this.numbers.maps[`${this.place.stack}.${this.place.branch}`], box = this.scenes.mapBox;
    const at = Math.min(this.queries.length - 1, Math.floor(((y - box.y) / box.height) * rows) * block);
    if (at >= 0) this.follow(this.place.stack, at);
  }

  aim(item) {
    const items = this.items(), name = item.box.name;
    const index = items.findIndex(each => each.box.name === name || each.parts.some(part => part.box.name === name));
    this.focus = {item: index, part: items[index]?.parts.findIndex(part => part.box.name === name) ?? -1};
  }

  enter(item) {
    if (item.token !== undefined) return this.follow(item.stack, item.token);
    if (item.candidate) return this.choose({token: item.index === 0 ? null : item.id});
    if (item.open) return this.go(item.open, item.box);
    return this.show();
  }

  follow(stack, at) {
    this.choose(stack === this.header.config.main ? {at, token: null} : {source: at});
  }

  choose(what) {
    this.choice = {...this.choice, ...what};
    this.show();
    this.component.setTriggerValue("choice", {at: this.choice.at, source: this.choice.source, token: this.choice.token, place: this.choice.place});
  }

  /** Go to a place, through the door of this box if it lies inside what is shown. */
  go(place, door) {
    const before = this.snapshot(), was = this.place, inward = named(place).length > named(was).length;
    this.choice.place = named(place);
    Object.assign(this, {focus: null, hovered: null, cell: 0, anchor: 0});
    const opening = inward ? door : this.doorTo(was);
    this.refocus(was, inward);
    this.choose({});
    this.buttons();
    this.move(before, opening, inward);
  }

  /** Where the place that was left lies in the picture that is shown now. */
  doorTo(was) {
    const names = this.level === "head" ? [was.leaf] : this.level === "block" ? [was.branch && `${was.branch}.${was.head}`, was.leaf] : [named(was), `${was.stack}.${was.layer}`, `${was.stack}.${was.leaf}`];
    const {boxes} = this.picture();
    return names.map(name => boxes.find(box => box.name === name)).find(Boolean);
  }

  refocus(was, inward) {
    const door = inward ? null : this.doorTo(was);
    if (door) this.aim({box: door});
    else if (this.level !== "vector") this.focus = {item: 0, part: -1};
  }

  out() {
    const {place} = this;
    if (!place.stack) return;
    const wider = place.leaf ? (place.layer ? {...place, leaf: ""} : parsed("")) : place.head ? {...place, branch: "", head: 0} : parsed("");
    this.go(wider);
  }

  // ---------------------------------------------------------------- keys, wheel and fingers

  key(event) {
    if (!this.header || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" || event.key === "Backspace") { event.preventDefault(); return void this.out(); }
    if (this.level === "vector") return void this.vectorKey(event);
    const steps = {ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1], " ": [event.shiftKey ? -1 : 1, 0]};
    if (event.key in steps) { event.preventDefault(); this.step(...steps[event.key]); }
    if (event.key === "Home" || event.key === "End") { event.preventDefault(); this.focus = {item: event.key === "Home" ? 0 : this.items().length - 1, part: -1}; this.show(); }
    if (event.key === "Enter") { event.preventDefault(); const item = this.focused(); if (item) this.enter(item); }
  }

  /** On to the next station, or among the parts of this one; the walk out of a block's last station leads into the next block. */
  step(by, down) {
    this.hovered = null;
    const items = this.items(), from = this.focus ?? {item: by > 0 || down ? -1 : items.length, part: -1};
    if (down) {
      const item = Math.max(0, from.item), most = items[item].parts.length;
      this.focus = {item, part: Math.max(-1, Math.min(most - 1, from.part + down))};
      return this.show();
    }
    const item = from.item + by, {place} = this;
    if (this.level === "block" && item >= items.length && place.layer < this.header.config.depths[place.stack]) return this.go({...place, layer: place.layer + 1});
    this.focus = {item: Math.max(0, Math.min(items.length - 1, item)), part: -1};
    return this.show();
  }

  vectorKey(event) {
    const {length} = this.opened() ?? [], {columns, rows} = this.scenes.grid(this.picture(), length || 1);
    if (event.key === " ") { event.preventDefault(); this.cell = (this.cell + 1) % length; return this.show(); }
    if (event.key === "Enter") { event.preventDefault(); return this.ask(); }
    const to = travelled(event, Math.floor(this.cell / columns), this.cell % columns, rows, columns);
    if (!to) return null;
    this.cell = Math.min(length - 1, to[0] * columns + to[1]);
    return this.show();
  }

  /** The number under the pointer is read; a click asks for its arithmetic. */
  point(event, ask) {
    const {x, y} = this.inside(event), values = this.opened();
    if (!values) return;
    const {columns, side} = this.scenes.grid(this.picture(), values.length), column = Math.floor(x / side.x), cell = Math.floor((y - 28) / side.y) * columns + column;
    this.stage.style.cursor = "pointer";
    if (column >= columns || column < 0 || cell < 0 || cell >= values.length) return;
    const other = cell !== this.cell;
    this.cell = cell;
    if (other) this.show();
    if (ask) this.ask();
  }

  ask() {
    if (this.opened()) this.component.setTriggerValue("cell", this.numbers.address(this.place, this.cell, this.at));
  }

  /** A pinch on a trackpad arrives as a wheel with Ctrl; the wheel alone scrolls the page. */
  wheel(event) {
    if (!event.ctrlKey || !this.header) return;
    event.preventDefault();
    if (this.moving || Date.now() - (this.turned ?? 0) < 350) return;
    this.turned = Date.now();
    this.zoom(event.deltaY < 0, event);
  }

  zoom(inward, event) {
    if (!inward) return this.out();
    const item = this.hit(event);
    if (item?.open) { this.aim(item); this.go(item.open, item.box); }
    return null;
  }

  pinch() {
    const [one, two] = this.touches.values();
    return two ? Math.hypot(one.clientX - two.clientX, one.clientY - two.clientY) : 0;
  }

  pinched(event) {
    if (!this.touches.has(event.pointerId)) return;
    this.touches.set(event.pointerId, event);
    const now = this.pinch();
    if (!this.spread || !now || Math.abs(now / this.spread - 1) < 0.25) return;
    const inward = now > this.spread;
    this.spread = 0;
    this.zoom(inward, event);
  }

  // ---------------------------------------------------------------- words

  buttons() {
    const {words} = this.header, {place} = this, steps = [[words.model, ""]];
    if (place.layer) steps.push([this.layered(place), named({...place, branch: "", head: 0, leaf: ""})]);
    if (place.head) steps.push([this.headed(place), named({...place, leaf: ""})]);
    if (place.leaf) steps.push([place.head ? place.leaf : words[`leaf.${place.leaf}`], named(place)]);
    this.crumbs.setAttribute("aria-label", words.crumbs);
    this.crumbs.replaceChildren(...steps.flatMap(([text, to], i) => {
      const button = make("button", "", text);
      button.type = "button";
      if (i === steps.length - 1) button.setAttribute("aria-current", "true");
      else button.onclick = () => this.go(parsed(to));
      return i ? [make("i", "", "›"), button] : [button];
    }));
    this.walk.replaceChildren(...[[-1, words.previous, "‹"], [1, words.forth, "›"]].map(([by, label, sign]) => {
      const button = make("button", "", by < 0 ? `${sign} ${label}` : `${label} ${sign}`);
      button.type = "button";
      button.onclick = () => (this.level === "vector" ? this.vectorKey({key: by > 0 ? "ArrowRight" : "ArrowLeft", preventDefault() {}}) : this.step(by, 0));
      return button;
    }));
  }

  show() {
    if (!this.header) return;
    const sentence = this.sentenceOf(this.looked);
    this.sentence.textContent = this.level === "vector" ? sentence : sentence.charAt(0).toLocaleUpperCase(this.header.language) + sentence.slice(1);
    const narrow = this.level === "model" && !this.picture().boxes.some(box => box.kind === "head");
    this.legend.textContent = this.header.words[`legend.${narrow ? "ribbon" : this.level}`];
    this.paint();
  }

  /** What is looked at, in a sentence with its numbers. */
  sentenceOf(item) {
    const {words} = this.header;
    if (this.level === "vector") return this.cellSentence();
    if (!item) return words.hint;
    if (item.token !== undefined) return fill(words["say.token"], {token: item.text, position: item.index + 1});
    if (item.candidate) return this.candidateSentence(item);
    const {box} = item;
    if (this.level === "head") return this.rowSentence(box);
    if (box.kind === "head") return this.headSentence(item.open);
    if (box.kind === "mlp") return this.mlpSentence(parsed(box.name.replace(/\.mlp$/, "")));
    if (box.kind === "block") return this.blockSentence(item.open);
    if (box.kind === "heads") return fill(words[`say.${box.name}`], {...this.told(), heads: this.header.config.heads, ...this.added(this.place, box.name)});
    if (box.kind === "tokens") return fill(words["say.tokens"], {count: this.piecesOf(item.stack).length, token: this.piecesOf(item.stack)[item.chosen], position: item.chosen + 1});
    if (box.kind === "out") return fill(words[`say.out_${this.header.config.main}`], {vocabulary: whole(this.header.config.vocabulary, this.header.language), ...this.likeliest()});
    if (box.kind === "embed") return fill(words["say.embed"], {...this.told({stack: item.stack}), width: this.header.config.width, length: this.number(this.numbers.one(`${item.stack}.size.before`, 0))});
    if (box.kind === "norm" && this.level === "model") return this.normSentence(item.stack);
    return this.vectorSentence(item.open);
  }

  added(place, part) {
    const push = this.numbers.push(this.k, place.stack, part, place.layer - 1), {words, names} = this.header;
    const size = this.numbers.one(`${place.stack}.size.${part}.out`, place.layer - 1);
    return {added: this.number(size), push: push === undefined ? "" : fill(words.push, {push: this.signed(push), followed: names[this.k]})};
  }

  likeliest() {
    return {followed: this.header.names[0], share: percent(this.numbers.one("push.shares", 0), this.header.language)};
  }

  candidateSentence({index, text, share}) {
    return fill(this.header.words["say.candidate"], {token: text, share: percent(share, this.header.language), logit: this.number(this.numbers.one("push.logits", index)), embedding: this.signed(this.numbers.one("push.embedding", index))});
  }

  headSentence(place) {
    const {words, names} = this.header, {numbers, k} = this, {stack, layer, branch, head} = place;
    const own = stack === this.header.config.main, push = numbers.push(k, stack, branch, layer - 1, head - 1);
    const keys = branch === "cross" || !own ? this.header.sourcePieces : this.header.pieces, row = numbers.vector({...place, leaf: "pattern"});
    const best = row ? row.indexOf(Math.max(...row)) : -1;
    const told = {...this.told(place), where: this.layered(place), name: this.headed(place).toLocaleLowerCase(this.header.language), added: this.number(numbers.one(`${stack}.size.${branch}.heads`, layer - 1, head - 1))};
    const looks = row ? fill(words["say.looks"], {...told, share: percent(row[best], this.header.language), key: keys[best]}) : "";
    return [fill(words["say.head"], {...told, looks}), push === undefined ? "" : fill(words.push, {push: this.signed(push), followed: names[k]})].join("") + ".";
  }

  mlpSentence(place) {
    const hidden = this.numbers.vector({...place, leaf: "mlp.hidden"}), {words, language} = this.header;
    const told = {...this.told(place), where: this.layered(place), ...this.added(place, "mlp")};
    const active = hidden ? fill(words["say.active"], {count: hidden.length, share: percent(hidden.filter(value => value > 0).length / hidden.length, language)}) : "";
    return fill(words["say.mlp"], {...told, active});
  }

  /** A block's sentence: the head that pushes most, or, where nothing is pushed, that adds most; and the MLP. */
  blockSentence(place) {
    const {numbers, k, header} = this, {stack, layer} = place, own = stack === header.config.main;
    const heads = header.config.branches[stack].flatMap(branch => Array.from({length: header.config.heads}, (_, head) => ({branch, head: head + 1})));
    const weight = ({branch, head}) => Math.abs(own ? numbers.push(k, stack, branch, layer - 1, head - 1) : numbers.one(`${stack}.size.${branch}.heads`, layer - 1, head - 1));
    const best = heads.reduce((one, other) => (weight(other) > weight(one) ? other : one));
    return `${this.headSentence({...place, ...best})} ${fill(header.words["say.block"], this.added(place, "mlp"))}`;
  }

  normSentence(stack) {
    const depth = this.header.config.depths[stack];
    return fill(this.header.words["say.norm"], {before: this.number(this.numbers.one(`${stack}.size.after`, depth - 1)), after: this.number(long(this.numbers.part(`${stack}.ends.norm`) ?? [0]))});
  }

  vectorSentence(place) {
    const {words} = this.header, values = this.numbers.vector(place);
    if (!values) return words.coming;
    const key = words[`about.${place.leaf}`] ?? "";
    const part = place.leaf.endsWith(".out") ? this.added(place, place.leaf.slice(0, -4)).push : "";
    return fill(words["say.vector"], {name: words[`leaf.${place.leaf}`], about: fill(key, this.told(place)), count: values.length, length: this.number(long(values)), push: part});
  }

  rowSentence(box) {
    const {words, language} = this.header, told = this.told();
    if (box.kind === "map") return fill(words["say.map"], told);
    const values = this.numbers.vector({...this.place, leaf: box.name});
    if (!values) return words["row.none"];
    if (box.name === "pattern") return this.headSentence(this.place);
    if (box.name === "scores") {
      const best = values.indexOf(Math.max(...values));
      return fill(words["say.scores"], {...told, key: this.keys[best], score: this.number(values[best])});
    }
    const cosine = this.numbers.one(`${this.place.stack}.cosine.${this.place.branch}.heads`, this.place.layer - 1, this.place.head - 1);
    const ending = box.name === "written" ? ` ${fill(words["say.cosine"], {cosine: cosine.toLocaleString(language, {maximumFractionDigits: 2}).replace("-", "−")})}` : "";
    return `${fill(words["say.row"], {name: fill(words[`row.${box.name}`], told), count: values.length, length: this.number(long(values))})}${ending}`;
  }

  cellSentence() {
    const {words} = this.header, values = this.opened(), {place, cell} = this;
    if (!values) return words.coming;
    const tokens = ["scores", "pattern"].includes(place.leaf), value = values[cell].toLocaleString(this.header.language, {maximumSignificantDigits: 4}).replace("-", "−");
    return fill(words["say.cell"], {address: this.numbers.address(place, cell, this.at), value, name: tokens ? `“${this.keys[cell]}”` : `${cell + 1}`});
  }

  // ---------------------------------------------------------------- painting

  get shape() {
    return this.root.clientWidth - 40 >= WIDE_FROM ? "wide" : "tall";
  }

  size(picture) {
    const room = this.stage.clientWidth, scale = picture.shape === "wide" ? room / picture.width : Math.min(room / picture.width, 1.35);
    return {scale, width: picture.width * scale, height: picture.height * scale};
  }

  paint() {
    if (!this.header || !this.stage.clientWidth || this.moving) return;
    const picture = this.picture(), {scale, width, height} = this.size(picture);
    this.scale = scale;
    const pen = sharp(this.canvas, width, height);
    this.draw(pen, picture, scale);
    this.root.dataset.painted = `${this.header.revision}/${this.choice.place}/${this.k}`;
  }

  draw(pen, picture, scale) {
    const items = this.items();
    pen.save();
    pen.scale(scale, scale);
    this.scenes.paint(pen, this.level, picture, items);
    const looked = this.looked;
    if (looked) this.scenes.frame(pen, looked.box, this.hovered ? PLATE.glow : PLATE.mark, 2);
    pen.restore();
  }

  snapshot() {
    const copy = document.createElement("canvas");
    Object.assign(copy, {width: this.canvas.width, height: this.canvas.height});
    if (copy.width && copy.height) copy.getContext("2d").drawImage(this.canvas, 0, 0);
    return {copy, width: this.canvas.clientWidth, height: this.canvas.clientHeight, scale: this.scale};
  }

  /** From one picture to the other, the smaller growing out of its door or shrinking into it. */
  move(before, door, inward) {
    this.paint();
    if (!door || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const after = this.snapshot(), start = performance.now(), scale = inward ? before.scale : after.scale;
    const small = {x: door.x * scale, y: door.y * scale, width: door.width * scale, height: door.height * scale};
    this.moving = true;
    const frame = now => {
      const t = Math.min(1, (now - start) / MOVE), eased = t < 0.5 ? 4 * t ** 3 : 1 - (2 - 2 * t) ** 3 / 2, open = inward ? eased : 1 - eased;
      this.between(inward ? before : after, inward ? after : before, small, open);
      if (t < 1) return requestAnimationFrame(frame);
      this.moving = false;
      return this.paint();
    };
    requestAnimationFrame(frame);
  }

  /** The outer picture and the inner one, `open` from 0 (only the outer) to 1 (only the inner). */
  between(outer, inner, door, open) {
    const {width, height} = this.size(this.picture()), pen = sharp(this.canvas, width, height), mix = (from, to) => from + (to - from) * open;
    const seen = {x: mix(0, door.x), y: mix(0, door.y), width: mix(outer.width, door.width), height: mix(outer.height, door.height)};
    const across = outer.width / seen.width, down = outer.height / seen.height;
    pen.globalAlpha = 1 - open;
    pen.drawImage(outer.copy, -seen.x * across, -seen.y * down, outer.width * across, outer.height * down);
    pen.globalAlpha = open;
    pen.drawImage(inner.copy, mix(door.x, 0), mix(door.y, 0), mix(door.width, inner.width), mix(door.height, inner.height));
    pen.globalAlpha = 1;
  }

  leave() {
    this.watch.disconnect();
  }
}
