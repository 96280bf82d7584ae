// A tree of tokens. Python says where everything lies, in rows and columns; here that becomes pixels, and what changes moves there.

const WIDE = {pitch: 204, widest: 290, row: 40, chip: 148, edge: 10, left: 8, high: 500}, NARROW = {pitch: 20, row: 42, chip: 260, edge: 3, left: 4, high: 460};
const HIGH = 34, PAD = 12, MOVING = 240;
const LINES = "http://www.w3.org/2000/svg", SIGNS = {open: "−", shut: "+", end: "", context: "▪", blanks: "", depth: "▪"};

export default function (component) {
  const root = component.parentElement.querySelector(".grown");
  root.drawn ??= new Grown(root);
  root.drawn.receive(component);
  return whenGone(root, () => root.drawn.leave());
}

class Grown {
  constructor(root) {
    Object.assign(this, {root, chips: new Map(), rests: new Map(), focused: null, hovered: null});
    this.title = make("h2");
    this.keys = make("p", "dim keys");
    this.edges = document.createElementNS(LINES, "svg");
    this.edges.setAttribute("aria-hidden", "true");
    this.tree = make("div", "nodes");
    this.tree.setAttribute("role", "tree");
    this.beside = make("div", "rests");
    this.beside.setAttribute("aria-hidden", "true");
    this.stage = make("div", "stage", this.edges, this.beside, this.tree);
    this.sheet = make("div", "sheet", this.stage);
    this.frame = make("div", "frame", this.sheet);
    this.fit = make("button", "fit");
    this.fit.type = "button";
    this.fit.onclick = () => { this.fitted = !this.fitted; this.arrange(true); this.reveal(this.data.chosen, true); };
    this.scale = make("div", "scale");
    this.legend = make("p", "legend dim");
    this.say = make("p", "readout");
    this.say.setAttribute("aria-live", "polite");
    this.card = make("div", "card");
    root.replaceChildren(make("div", "top", this.title, this.fit), this.keys, this.frame, make("div", "under", this.scale, this.legend), this.say, this.card);
    this.tree.onkeydown = event => this.key(event);
    this.frame.onpointerdown = event => this.grab(event);
    this.watch = new ResizeObserver(() => this.arrange(false));
    this.watch.observe(root);
  }

  leave() {
    this.watch.disconnect();
    cancelAnimationFrame(this.clock);
    delete this.root.drawn;
  }

  receive({data, setTriggerValue}) {
    if (!data) return;
    const first = !this.data, same = this.data?.revision === data.revision;
    Object.assign(this, {data, send: setTriggerValue, byId: new Map(data.nodes.map(node => [node.id, node]))});
    if (!this.byId.has(this.focused)) this.focused = null;
    this.hovered = null;
    this.dress();
    this.populate();
    this.arrange(!first && !same);
    this.tell();
    if (!same) this.reveal(data.chosen, !first);
    this.root.dataset.painted = data.revision;
  }

  dress() {
    const {words, language, nodes, facts, text, state} = this.data;
    this.title.textContent = words.heading;
    this.keys.textContent = words.keys;
    this.tree.setAttribute("aria-label", words.tree);
    scaleOf(this.scale, {most: 1, table: "sequential", language, words});
    const marked = ["greedy", "best"].filter(mark => nodes.some(({marks}) => marks.includes(mark)));
    this.legend.replaceChildren(make("span", "", words.thick), ...marked.map(mark => make("span", "", make("i", `mark ${mark}`), words.marks[mark])));
    const whole = make("p", "text", make("bdi", "dim", text[0]), make("bdi", "", text[1]));
    const list = make("dl", "", ...facts.map(([name, value]) => make("div", "", make("dt", "", name), make("dd", "", value))));
    this.card.replaceChildren(whole, ...(facts.length ? [list] : []), make("p", "dim", state));
  }

  // ---------------------------------------------------------------- what there is

  /** A chip for every node, a line for every remainder; what is gone fades. */
  populate() {
    const {nodes, rests} = this.data, held = this.root.getRootNode().activeElement?.dataset?.node;
    this.moving = true;
    this.keep(this.chips, nodes, node => node.id, node => this.chip(node));
    this.keep(this.rests, rests, rest => nodes[rest.parent].id, rest => this.rest(rest));
    nodes.forEach(({id}, at) => {
      const {element} = this.chips.get(id);
      if (this.tree.children[at] !== element) this.tree.insertBefore(element, this.tree.children[at] ?? null);
    });
    this.moving = false;
    if (held !== undefined) this.chips.get(this.byId.has(held) ? held : this.data.chosen).element.focus({preventScroll: true});
  }

  keep(kept, items, name, born) {
    const there = new Set(items.map(name));
    for (const [id, item] of kept) if (!there.has(id)) item.gone = true;
    for (const given of items) {
      let item = kept.get(name(given));
      if (!item) kept.set(name(given), (item = {...born(given), alpha: 0}));
      Object.assign(item, {given, gone: false});
      item.dress(given);
    }
  }

  chip(node) {
    const element = make("div", "chip"), edge = this.edge(), id = node.id;
    const piece = make("bdi", "piece"), share = make("span", "share"), sign = make("span", "sign"), marks = make("span", "dots");
    element.append(marks, piece, share, sign);
    element.setAttribute("role", "treeitem");
    element.dataset.node = id;
    element.onclick = () => { this.focused = id; this.press(id); };
    element.onfocus = () => { this.focused = id; this.tell(); };
    element.onblur = () => { if (!this.moving) { this.focused = null; this.tell(); } };
    element.onpointerenter = event => { if (event.pointerType === "mouse") { this.hovered = id; this.tell(); } };
    element.onpointerleave = () => { this.hovered = null; this.tell(); };
    return {element, edge, dress: given => this.dressChip(element, {piece, share, sign, marks}, given)};
  }

  dressChip(element, {piece, share, sign, marks}, node) {
    const {words, language, chosen} = this.data, code = Math.round(255 * Math.sqrt(node.share)), root = node.parent < 0;
    const said = root ? "" : percent(node.share, language), state = words.states[node.state];
    piece.textContent = node.piece;
    share.textContent = said;
    sign.textContent = root ? "" : SIGNS[node.state];
    marks.replaceChildren(...node.marks.map(mark => make("i", `mark ${mark}`)));
    element.classList.toggle("root", root);
    element.style.background = root ? "" : colour(SEQUENTIAL, code);
    element.style.color = root ? "" : onColour(SEQUENTIAL, code);
    const marked = node.marks.map(mark => words.marks[mark]).join(", ");
    const rest = this.data.rests.find(({parent}) => this.data.nodes[parent] === node)?.said ?? "";
    element.setAttribute("aria-label", [fill(root ? words.label_root : words.label, {piece: node.piece, share: said, whole: node.whole, state}), marked, rest].filter(Boolean).join("; "));
    element.setAttribute("aria-level", node.column + 1);
    element.setAttribute("aria-selected", node.id === chosen);
    if (node.state === "open" || node.state === "shut") element.setAttribute("aria-expanded", node.state === "open");
    else element.removeAttribute("aria-expanded");
  }

  rest(rest) {
    const element = make("div", "rest"), edge = this.edge();
    edge.classList.add("others");
    return {element: this.beside.appendChild(element), edge, dress: ({said}) => { element.textContent = said; }};
  }

  edge() {
    const path = document.createElementNS(LINES, "path");
    path.setAttribute("fill", "none");
    return this.edges.appendChild(path);
  }

  // ---------------------------------------------------------------- where things lie

  arrange(moving) {
    if (!this.data || this.root.clientWidth < 80) return;
    const {columns, rows, lines} = this.data, narrow = this.root.clientWidth < 600;
    const room = this.root.clientWidth - 40, size = (this.size = narrow ? NARROW : this.wider(room, columns));
    this.narrow = narrow;
    this.root.classList.toggle("narrow", narrow);
    const chip = (this.across = narrow ? Math.max(150, Math.min(size.chip, room - size.left - 8 - (columns - 1) * size.pitch)) : size.chip);
    this.wide = narrow ? Math.max(room, size.left + (columns - 1) * size.pitch + chip + 8) : Math.max(room, size.left + (columns - 1) * size.pitch + chip + 44);
    const high = (narrow ? lines : rows) * size.row + 2 * PAD, fitting = Math.max(0.06, Math.min(1, room / this.wide, (size.high - 4) / high));
    this.zoom = this.fitted && !narrow ? fitting : 1;
    if (this.zoom < 1) this.stretch(room / this.zoom, columns);
    this.tall = Math.max((size.high - 4) / this.zoom, high);
    this.fit.style.visibility = fitting < 1 && !narrow ? "" : "hidden";
    this.fit.textContent = this.data.words[this.fitted ? "unfit" : "fit"];
    this.shift = narrow ? PAD : Math.max(PAD, (this.tall - rows * size.row) / 2);
    this.frame.style.height = `${size.high}px`;
    Object.assign(this.stage.style, {width: `${this.wide}px`, height: `${this.tall}px`, transform: this.zoom < 1 ? `scale(${this.zoom})` : ""});
    Object.assign(this.sheet.style, {width: `${this.wide * this.zoom}px`, height: `${this.tall * this.zoom}px`});
    this.edges.setAttribute("width", this.wide);
    this.edges.setAttribute("height", this.tall);
    for (const item of [...this.chips.values(), ...this.rests.values()]) this.aim(item);
    this.move(moving && !matchMedia("(prefers-reduced-motion: reduce)").matches);
  }

  /** Columns as far apart as four of them may be. */
  wider(room, columns) {
    const pitch = Math.max(WIDE.pitch, Math.min(WIDE.widest, (room - WIDE.left - WIDE.chip - 16) / (Math.max(columns, 4) - 1)));
    return {...WIDE, pitch, chip: Math.min(200, Math.round(0.72 * pitch))};
  }

  /** Seen whole, the columns share all the width there is. */
  stretch(room, columns) {
    const pitch = (room - this.size.left - 16) / (columns - 0.4);
    Object.assign(this, {size: {...this.size, pitch}, across: 0.6 * pitch, wide: room});
  }

  spot({column, row, line}) {
    const {left, pitch, row: high} = this.size;
    return {x: left + column * pitch, y: this.shift + (this.narrow ? line + 0.5 : row) * high};
  }

  /** Where a chip or a remainder is to go: those who come, from their parent; those who leave, to where it is. */
  aim(item) {
    const parent = this.data.nodes[item.given.parent], home = item.gone || item.x === undefined ? this.parentOf(item) : null;
    const to = item.gone ? home : this.spot(item.given);
    if (item.x === undefined) Object.assign(item, home ?? to);
    Object.assign(item, {from: {x: item.x, y: item.y, alpha: item.alpha}, to: {...to, alpha: item.gone ? 0 : 1}, parent: item.gone ? item.parent : parent?.id});
  }

  parentOf(item) {
    const id = item.gone ? item.parent : this.data.nodes[item.given.parent]?.id, parent = this.chips.get(id);
    return parent && parent.x !== undefined ? {x: parent.x, y: parent.y} : {x: item.x ?? this.spot(item.given).x, y: item.y ?? this.spot(item.given).y};
  }

  move(slowly) {
    cancelAnimationFrame(this.clock);
    const began = performance.now(), step = now => {
      const t = slowly ? Math.min(1, Math.max(0, (now - began) / MOVING)) : 1, eased = 1 - (1 - t) ** 3;
      for (const kept of [this.chips, this.rests]) for (const [id, item] of kept) {
        for (const part of ["x", "y", "alpha"]) item[part] = item.from[part] + (item.to[part] - item.from[part]) * eased;
        if (t === 1 && item.gone) this.drop(kept, id, item);
      }
      this.put();
      if (t < 1) this.clock = requestAnimationFrame(step);
    };
    step(began);
  }

  drop(kept, id, item) {
    this.moving = true;
    item.element.remove();
    item.edge.remove();
    kept.delete(id);
    this.moving = false;
  }

  put() {
    for (const item of this.chips.values()) this.putOne(item, this.across, item.given.share);
    for (const item of this.rests.values()) this.putOne(item, null, item.given.share);
  }

  putOne(item, across, share) {
    const {element, edge, x, y, alpha} = item, chip = across !== null;
    element.style.transform = `translate(${x.toFixed(1)}px, ${(y - (chip ? HIGH : 20) / 2).toFixed(1)}px)`;
    if (chip) element.style.width = `${across}px`;
    element.style.opacity = alpha === 1 ? "" : alpha;
    const parent = this.chips.get(item.parent);
    if (!parent) return edge.removeAttribute("d");
    edge.setAttribute("d", this.curve(parent, x, y));
    edge.setAttribute("stroke-width", (1 + this.size.edge * share).toFixed(2));
    edge.setAttribute("stroke-opacity", alpha);
    edge.setAttribute("stroke", chip ? colour(SEQUENTIAL, Math.max(84, Math.round(255 * Math.sqrt(share)))) : PLATE.hairline);
  }

  curve(parent, x, y) {
    if (this.narrow) return `M${(parent.x + 8).toFixed(1)} ${(parent.y + HIGH / 2).toFixed(1)}V${y.toFixed(1)}H${x.toFixed(1)}`;
    const from = parent.x + this.across, middle = (from + x) / 2;
    return `M${from.toFixed(1)} ${parent.y.toFixed(1)}C${middle.toFixed(1)} ${parent.y.toFixed(1)} ${middle.toFixed(1)} ${y.toFixed(1)} ${x.toFixed(1)} ${y.toFixed(1)}`;
  }

  /** Bring a node and what follows it into the frame. */
  reveal(id, slowly) {
    const node = this.byId.get(id);
    if (!node || !this.size) return;
    const near = [node, ...this.data.nodes.filter(({parent}) => this.data.nodes[parent] === node)].map(each => this.spot(each)).map(({x, y}) => ({x: x * this.zoom, y: y * this.zoom}));
    const quiet = !slowly || matchMedia("(prefers-reduced-motion: reduce)").matches;
    const [top, bottom] = [Math.min(...near.map(({y}) => y)) - HIGH, Math.max(...near.map(({y}) => y)) + HIGH];
    const [left, right] = [near[0].x - 20, Math.max(...near.map(({x}) => x)) + this.across + 20];
    const {scrollTop, scrollLeft, clientWidth, clientHeight} = this.frame, own = near[0].y;
    const down = top < scrollTop || bottom > scrollTop + clientHeight ? (bottom - top > clientHeight ? own - clientHeight / 2 : (top + bottom - clientHeight) / 2) : scrollTop;
    const over = right > scrollLeft + clientWidth ? right - clientWidth : left < scrollLeft ? left : scrollLeft;
    this.frame.scrollTo({top: down, left: over, behavior: quiet ? "instant" : "smooth"});
  }

  // ---------------------------------------------------------------- reading out

  /** The path that is looked at: lit from the root on, and told. */
  tell() {
    const {nodes, words, chosen, language} = this.data, at = this.hovered ?? this.focused ?? chosen, path = [];
    for (let node = this.byId.get(at); node; node = nodes[node.parent]) path.unshift(node);
    const on = new Set(path.map(({id}) => id)), node = path.at(-1);
    for (const [id, {element, edge}] of this.chips) {
      element.classList.toggle("lit", on.has(id));
      edge.classList.toggle("lit", on.has(id));
      element.tabIndex = id === (this.focused ?? chosen) ? 0 : -1;
    }
    if (!node) return;
    const told = {text: path.slice(1).map(({piece}) => piece).join(" · "), share: percent(node.share, language)};
    this.say.textContent = node.parent < 0 ? words.here_root : fill(words.here, {...told, whole: node.whole, total: node.total, perplexity: node.perplexity});
  }

  // ---------------------------------------------------------------- what the reader does

  press(id) {
    this.send("press", {node: id});
  }

  /** The sheet moves with a mouse that holds it; fingers scroll by themselves. */
  grab(event) {
    if (event.pointerType !== "mouse" || event.button || event.target.closest(".chip") || event.offsetX > this.frame.clientWidth) return;
    const {frame} = this, from = {x: event.clientX + frame.scrollLeft, y: event.clientY + frame.scrollTop};
    frame.setPointerCapture(event.pointerId);
    frame.onpointermove = ({clientX, clientY}) => frame.scrollTo({left: from.x - clientX, top: from.y - clientY, behavior: "instant"});
    frame.onpointerup = frame.onpointercancel = () => { frame.onpointermove = null; };
  }

  /** The node beside this one where an arrow leads. */
  beyond(id, name) {
    const {nodes} = this.data, node = this.byId.get(id), child = nodes.find(({parent}) => nodes[parent] === node);
    const column = this.narrow ? nodes : nodes.filter(each => each.column === node.column), at = column.indexOf(node);
    return {ArrowRight: child, ArrowLeft: nodes[node.parent], ArrowUp: column[at - 1], ArrowDown: column[at + 1], Home: nodes[0], End: column.at(-1)}[name];
  }

  key(event) {
    const id = this.focused ?? this.data.chosen;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      return void this.press(id);
    }
    if (event.key === "Escape") return void this.go(this.data.chosen);
    if (!/^(Arrow|Home$|End$)/.test(event.key)) return;
    event.preventDefault();
    const to = this.beyond(id, event.key);
    if (to) this.go(to.id);
  }

  go(id) {
    this.hovered = null;
    this.focused = id;
    this.tell();
    this.chips.get(id).element.focus({preventScroll: true});
    this.reveal(id, true);
  }
}
