// The theatre: every head small, one head large, the text lit. Moving over anything previews it; a click, or Enter, locks it.
// Each choice is painted here at once and then told to Python, which answers with sentences and arithmetic, not with pictures.
export default function (component) {
  const root = component.parentElement.querySelector(".theatre");
  root.drawn ??= new Theatre(root);
  root.drawn.receive(component);
  return whenGone(root, () => root.drawn.leave());
}

const EVERY = 24; // tokens up to which each one's share is written below it
const LONG = 200; // tokens from which only those in sight are lit
const KEPT = 6; // exact maps of a long text kept after another head was chosen

class Theatre {
  constructor(root) {
    this.root = root;
    this.heads = new Heads(head => this.preview({head}), (layer, head) => this.choose({layer, head, key: null}));
    this.stage = make("section", "stage");
    this.title = make("h2");
    this.note = make("p", "note dim");
    this.say = make("p", "say");
    this.say.setAttribute("aria-live", "polite");
    this.frame = make("div", "matrix", make("canvas"), make("canvas"));
    this.frame.tabIndex = 0;
    this.frame.setAttribute("role", "application");
    this.stage.append(make("div", "bill", this.title), this.say, this.frame);
    this.matrix = new Lens(this.frame, {
      preview: cell => this.preview({cell}),
      choose: cell => this.choose({query: cell.row, key: cell.column}),
      viewed: lens => this.viewed(lens),
    });
    this.title.after(this.matrix.bar);
    this.gains = make("p", "gains dim");
    this.guess = make("p", "guess");
    this.stage.append(this.gains, this.guess, this.note);
    this.looks = new Tokens(at => this.preview(this.asked(at)), at => this.choose(this.header.square ? {query: at, key: null} : {key: at}));
    this.looked = new Tokens(query => this.preview({query}), query => this.choose({query, key: null}));
    this.legend = new Legend(sink => this.choose({sink}));
    this.heads.section.append(this.legend.section);
    this.floor = make("div", "floor", this.heads.section, this.stage, make("section", "text", this.looks.side, this.looked.side));
    root.replaceChildren(this.floor);
    this.previewed = {};
    this.watch = new ResizeObserver(() => { if (root.clientWidth !== this.width) this.paint(true); });
    this.watch.observe(root);
  }

  // ---------------------------------------------------------------- what Python sends

  async receive(component) {
    this.component = component;
    if (!component.data) return;
    const {header, parts} = open(component.data), told = JSON.stringify(header);
    if (told === this.told) return; // sent again unchanged, with another head's arithmetic
    this.told = told;
    Object.assign(header, {square: !header.keys, rows: header.queries.texts, columns: (header.keys ?? header.queries).texts});
    const [all, one] = await Promise.all([this.unpacked(header, parts[0]), header.stage && inflate(parts[1])]);
    if (this.told !== told) return;
    const fresh = header.revision !== this.header?.revision;
    if (fresh || header.serial !== this.header?.serial) this.choice = header.choice;
    if (fresh) Object.assign(this, {reached: null, maps: new Map()});
    Object.assign(this, {header, all});
    this.unpackRest(one);
    if (fresh) this.matrix.fit();
    if (header.stage && this.choice.key === null && this.at(header.stage) && this.choice.query === header.choice.query) this.choice = {...this.choice, key: header.choice.key};
    const spoken = `${header.revision} ${header.language}`, another = spoken !== this.spoken;
    this.spoken = spoken;
    if (another) this.write();
    this.paint(another);
  }

  async unpacked(header, part) {
    return header.revision === this.header?.revision ? this.all : inflate(part);
  }

  /** Which cells may be looked at, and the exact map on stage, once for all paintings. */
  unpackRest(one) {
    const {header, all} = this, {layers, heads, high, wide, block, rows, columns} = header, bits = all.subarray(layers * heads * high * wide * (block === 1 ? 2 : 1));
    if (bits.length !== this.bits?.length || bits.some((byte, i) => byte !== this.bits[i])) {
      this.bits = bits;
      this.allowed = (query, key) => bit(bits, query * columns.length + key) === 1;
      this.blocked = (query, key) => bit(bits, query * columns.length + key) === 0;
    }
    if (one) this.keep(header.stage.join("."), this.spreadOut(one, rows.length * columns.length));
  }

  /** Numbers that came for the allowed cells only, each at its cell; nothing stands at the others. */
  spreadOut(codes, count) {
    const values = new Float32Array(count), half = codes.length / 2;
    for (let i = 0, next = 0; i < count; i++) {
      if (!bit(this.bits, i)) continue;
      const root = (codes[next] * 256 + codes[half + next]) / 65535;
      values[i] = root * root;
      next++;
    }
    return values;
  }

  /** Keep what a head's exact map says; of a long text only the last few. */
  keep(name, values) {
    const {columns: {length}, rows, block} = this.header, gains = new Float32Array(length);
    let other = 0;
    for (let i = 0, row = 0; row < rows.length; row++) for (let key = 0; key < length; key++, i++) {
      gains[key] += values[i];
      if (key && values[i] > other) other = values[i];
    }
    this.maps.delete(name);
    this.maps.set(name, {values, gains, other: other || 1});
    if (block > 1 && this.maps.size > KEPT) this.maps.delete(this.maps.keys().next().value);
    return this.maps.get(name);
  }

  at([layer, head]) {
    return this.choice.layer === layer && this.choice.head === head;
  }

  // ---------------------------------------------------------------- what the reader does

  /** However fast the pointer moves, one picture a frame. */
  preview(what) {
    this.previewed = what;
    this.awaited ??= requestAnimationFrame(() => { this.awaited = null; this.paint(false); });
  }

  choose(what) {
    this.previewed = {};
    this.choice = {...this.choice, ...what};
    if (this.choice.key === null) this.choice.key = this.strongest();
    this.component.setTriggerValue("choice", this.choice);
    this.preview({});
  }

  /** What to preview while the pointer is on a token that may be looked at: its own row, or its cell in the chosen one. */
  asked(at) {
    if (at === undefined || this.header.square) return {query: at};
    return {cell: {row: this.choice.query, column: at}};
  }

  /** The key the chosen query looks at most; `null` where this browser has no exact map and Python must say. */
  strongest() {
    const {layer, head, query, sink} = this.choice, values = this.values(layer, head), {length} = this.header.columns;
    if (!values) return null;
    let best = -1;
    for (let key = 0; key < length; key++) {
      if (!this.allowed(query, key) || (key === 0 && !sink && this.others(query))) continue;
      if (best < 0 || values[query * length + key] > values[query * length + best]) best = key;
    }
    return Math.max(0, best);
  }

  others(query) {
    return this.header.columns.some((_, key) => key > 0 && this.allowed(query, key));
  }

  // ---------------------------------------------------------------- numbers

  /** A head's exact map: its values row by row, what each key gains in all, the largest weight on any key but the first; or `null` while
      it is not here. */
  exact(layer, head) {
    const {layers, heads, high, wide, block} = this.header, name = `${layer}.${head}`, cells = high * wide, at = (layer * heads + head) * cells;
    if (block > 1 || this.maps.has(name)) return this.maps.get(name) ?? null;
    return this.keep(name, unrooted(this.all, at, cells, layers * heads * cells + at));
  }

  values(layer, head) {
    return this.exact(layer, head)?.values;
  }

  /** While the exact map travels, the small one in its place: a number for every `block` × `block` cells. */
  coarse(layer, head) {
    const {heads, high, wide} = this.header, values = unrooted(this.all, (layer * heads + head) * high * wide, high * wide);
    return {values, other: values.reduce((most, value, i) => (i % wide && value > most ? value : most), 0) || 1};
  }

  get long() {
    return Math.max(this.header.rows.length, this.header.columns.length) > LONG;
  }

  // ---------------------------------------------------------------- painting

  /** Locked or previewed: what is on show now. */
  shown() {
    const {choice, previewed} = this, [layer, head] = previewed.head ?? [choice.layer, choice.head];
    const query = previewed.cell?.row ?? previewed.query ?? choice.query;
    const key = previewed.cell ? previewed.cell.column : previewed.head || previewed.query !== undefined ? null : choice.key;
    return {layer, head, query, key, sink: choice.sink};
  }

  /** Sentences that no choice changes. */
  write() {
    const {header} = this, {words} = header;
    this.heads.write(header);
    this.legend.write(header);
    this.matrix.name(header);
    this.frame.setAttribute("aria-label", `${words.map} ${words.map_keys}`);
    this.looks.write(header.keys ?? header.queries, words, words.looks);
    this.looked.write(header.queries, words, words.looked);
    this.guess.hidden = !header.expected.length;
    this.floor.classList.toggle("long", this.long);
  }

  paint(afresh) {
    const width = this.frame.clientWidth;
    if (!this.header || width <= 0) return;
    this.width = this.root.clientWidth;
    const {header} = this, now = this.shown(), exact = this.exact(now.layer, now.head), map = exact ?? this.coarse(now.layer, now.head);
    const most = now.sink ? 1 : map.other;
    if (afresh) [this.looks, this.looked].forEach(tokens => tokens.measureAgain());
    if (afresh || now.sink !== this.painted?.sink) this.heads.paint(header, this.all, now.sink);
    this.heads.mark(this.choice);
    if (afresh || ["layer", "head", "sink"].some(name => now[name] !== this.painted?.[name]) || exact !== this.painted?.exact) this.paintMap(map, exact, most, now, width);
    this.matrix.mark(this.locked(), this.previewed.cell ?? null);
    this.paintText(map.values, most, now, exact);
    this.painted = {...now, exact};
    this.reach(exact);
    this.root.dataset.painted = [header.revision, this.choice.layer, this.choice.head, this.choice.query, this.choice.key, this.choice.sink, exact ? "exact" : "coarse"].join("/");
  }

  /** The window onto the map has moved: the frame is as high as it, and the head's thumbnail shows where one is. */
  viewed(lens) {
    this.frame.style.height = `${lens.bottom}px`;
    const {from, cell, across, down} = lens, [rows, columns] = [this.header.rows.length, this.header.columns.length];
    this.heads.pane(lens.zoom > 1 && [from.column / columns, from.row / rows, across / cell / columns, down / cell / rows]);
  }

  /** Whenever something else is locked: what the chosen token looks at most, and who looks at it most, into view. */
  reach(exact) {
    const {layer, head, query, key} = this.choice, name = `${layer}.${head}.${query}.${key}`, {square, rows, columns} = this.header;
    if (this.reached === name || Object.values(this.previewed).some(Boolean)) return;
    this.reached = name;
    this.looks.reach(key ?? (square ? query : 0));
    if (key !== null) this.matrix.reveal({row: query, column: key});
    if (!exact) return void this.looked.reach(query);
    const {values} = exact, asked = this.subject(this.choice, values), weight = other => values[other * columns.length + asked];
    let most = query;
    for (let other = 0; other < rows.length; other++) if (other !== query && weight(other) > (most === query ? 0 : weight(most))) most = other;
    this.looked.reach(square ? most : query);
  }

  locked() {
    return this.choice.key === null || this.previewed.head ? null : {row: this.choice.query, column: this.choice.key};
  }

  paintMap({values, gains}, exact, most, now, width) {
    const {rows, columns, words, language, block} = this.header;
    this.matrix.show(
      {
        rows, columns, values, table: "sequential", titles: words, omit: now.sink ? -1 : 0, blocked: this.blocked,
        grain: exact ? 1 : block, margin: gains ?? new Float32Array(columns.length), caption: words.gains,
        share: value => Math.sqrt(value / most),
        brief: value => (value < 0.005 ? "" : whole(100 * value, language)),
      },
      width, Math.min(width + FOOT, this.long ? 700 : 470 + FOOT),
    );
    this.legend.scale(this.header, most, now.sink);
  }

  paintText(values, most, now, exact) {
    const {square, rows, columns, words, language, sinks, expected, block, wide} = this.header, across = columns.length;
    const at = exact ? (query, key) => values[query * across + key] : (query, key) => values[Math.floor(query / block) * wide + Math.floor(key / block)];
    const share = value => Math.sqrt(Math.min(1, value / most)), asked = exact ? this.subject(now, values) : square ? now.query : 0;
    const row = key => (this.allowed(now.query, key) ? at(now.query, key) : null);
    const column = query => (this.allowed(query, asked) ? at(query, asked) : null);
    const say = value => (exact && value !== null ? percent(value, language) : "");
    this.looks.paint(rows[now.query], row, share, asked, say, now.sink ? -1 : 0);
    this.looked.paint(columns[asked], column, share, now.query, say, now.sink || asked ? -1 : -2);
    if (expected.length) this.guess.replaceChildren(...quoted(words.expected, {token: rows[now.query], expected: expected[now.query]}));
    this.title.textContent = fill(words.stage, {layer: now.layer + 1, head: now.head + 1});
    this.say.replaceChildren(...(exact ? this.sentence(values, now) : [words.about]));
    this.gains.replaceChildren(...(exact ? this.gained(exact, now) : []));
    const sink = fill(words.sink_note, {share: percent(sinks[now.layer][now.head], language)});
    const small = this.matrix.cell * (window.devicePixelRatio || 1) < 1 ? ` ${words.pooled}` : "";
    const hint = this.matrix.least < READABLE ? ` ${words.zoom_hint}` : "";
    this.note.textContent = sink + small + hint;
  }

  /** What the key under the pointer, or the chosen one, is given by all who look at it. */
  gained({values, gains}, now) {
    const {columns, words, language} = this.header, key = now.key ?? this.strongestOf(values, now.query);
    const total = gains[key].toLocaleString(language, {maximumFractionDigits: gains[key] < 9.995 ? 2 : 1});
    return quoted(fill(words.gained, {column: key + 1, total}), {key: columns[key]});
  }

  /** Whose column is shown: the chosen token's own, or, in another text, the one that the chosen token looks at. */
  subject(now, values) {
    return this.header.square ? now.query : now.key ?? this.strongestOf(values, now.query);
  }

  /** One cell in words; its tokens set in the tokens' own type. */
  sentence(values, now) {
    const {rows, columns, words, language} = this.header, key = now.key ?? this.strongestOf(values, now.query);
    const pattern = this.allowed(now.query, key) ? words.weight : words.blocked;
    const names = {row: now.query + 1, column: key + 1, value: percent(values[now.query * columns.length + key], language)};
    return quoted(fill(pattern, names), {query: rows[now.query], key: columns[key]});
  }

  strongestOf(values, query) {
    const {length} = this.header.columns, from = this.choice.sink || !this.others(query) ? 0 : 1;
    let best = from;
    for (let key = from; key < length; key++) if (this.allowed(query, key) && values[query * length + key] > values[query * length + best]) best = key;
    return best;
  }

  leave() {
    this.watch.disconnect();
  }
}

/** A sentence whose blanks are filled with tokens, set in the tokens' own type. */
const quoted = (sentence, values) => sentence.split(/(\{\w+\})/).map(part => {
  const name = part.slice(1, -1);
  return !(part.startsWith("{") && name in values) ? part : name === "expected" ? values[name] : make("q", "", values[name]);
});

// ---------------------------------------------------------------- every head, small

class Heads {
  /** `preview([layer, head] | undefined)` and `choose(layer, head)`. */
  constructor(preview, choose) {
    Object.assign(this, {preview, choose, buttons: [], glass: make("i", "glass")});
    this.title = make("h2");
    this.note = make("p", "dim");
    this.grid = make("div", "thumbs");
    this.grid.setAttribute("role", "group");
    this.section = make("section", "heads", this.title, this.note, this.grid);
    this.grid.onkeydown = event => this.key(event);
    this.grid.onpointerleave = () => this.preview(undefined);
  }

  write(header) {
    const {layers, heads, words, sinks, language} = header;
    this.title.textContent = words.heads;
    this.grid.setAttribute("aria-label", `${words.heads}. ${words.heads_note}`);
    if (this.buttons.length !== layers * heads || this.columns !== heads) this.build(layers, heads);
    this.corner.textContent = words.layer;
    this.buttons.forEach((button, i) => {
      const layer = Math.floor(i / heads), head = i % heads;
      button.setAttribute("aria-label", fill(words.thumb, {layer: layer + 1, head: head + 1, share: percent(sinks[layer][head], language)}));
    });
  }

  build(layers, heads) {
    this.columns = heads;
    this.corner = make("span", "corner");
    const cells = [this.corner, ...Array.from({length: heads}, (_, head) => make("span", "", String(head + 1)))];
    this.buttons = [];
    this.pressed = null;
    for (let layer = 0; layer < layers; layer++) {
      cells.push(make("span", "layer", String(layer + 1)));
      for (let head = 0; head < heads; head++) cells.push(this.button(layer, head));
    }
    this.grid.replaceChildren(...cells);
  }

  button(layer, head) {
    const button = make("button", "", make("canvas"));
    Object.assign(button, {type: "button", tabIndex: -1});
    button.setAttribute("aria-pressed", false);
    Object.assign(button.dataset, {layer, head});
    button.onpointerenter = () => this.preview([layer, head]);
    button.onfocus = () => button.matches(":focus-visible") && this.preview([layer, head]);
    button.onblur = () => this.preview(undefined);
    button.onclick = () => this.choose(layer, head);
    this.buttons.push(button);
    return button;
  }

  paint({layers, heads, high, wide, block, words}, codes, sink) {
    this.grid.style.gridTemplateColumns = "none";
    const room = this.section.clientWidth - 4 * heads - 44, least = matchMedia("(pointer: coarse)").matches ? 32 : 24;
    const size = Math.max(least, Math.min(88, Math.floor(room / heads), Math.floor(430 / layers))), most = Math.max(high, wide);
    const across = Math.max(8, Math.round((size * wide) / most)), down = Math.max(8, Math.round((size * high) / most));
    this.grid.style.gridTemplateColumns = `minmax(28px, max-content) repeat(${heads}, ${across}px)`;
    this.buttons.forEach((button, i) => this.thumb(button.firstChild, codes, i * high * wide, {high, wide, across, down}, sink));
    const dense = block > 1 || most > size * (window.devicePixelRatio || 1);
    this.note.textContent = dense ? `${words.heads_note} ${words.dense}` : words.heads_note;
  }

  thumb(canvas, codes, at, {high, wide, across, down}, sink) {
    const pen = sharp(canvas, across, down), image = pen.createImageData(canvas.width, canvas.height), ink = new Uint32Array(image.data.buffer);
    spread(codes, at, high, wide, canvas.width, canvas.height, "sequential", (pixel, code) => { ink[pixel] = LIT.sequential[code]; });
    pen.putImageData(image, 0, 0);
    if (sink || wide === 1) return;
    pen.fillStyle = PLATE.hairline;
    pen.fillRect(0, 0, Math.max(1, across / wide), down);
  }

  mark({layer, head}) {
    const next = this.buttons[layer * this.columns + head];
    if (next === this.pressed) return;
    for (const button of [this.pressed, next]) {
      button?.setAttribute("aria-pressed", button === next);
      if (button) button.tabIndex = button === next ? 0 : -1;
    }
    this.pressed = next;
    next.append(this.glass);
    this.into(next);
  }

  /** Bring a thumbnail into sight where the grid scrolls; the page stays where it is. */
  into(button) {
    const {offsetLeft, offsetTop, offsetWidth, offsetHeight} = button, {grid} = this, edge = 34;
    const near = (at, size, from, room) => Math.min(at - edge, Math.max(from, at + size + edge - room));
    grid.scrollLeft = near(offsetLeft, offsetWidth, grid.scrollLeft, grid.clientWidth);
    grid.scrollTop = near(offsetTop, offsetHeight, grid.scrollTop, grid.clientHeight);
  }

  /** Where one is in the map of the head on stage, on its thumbnail: [left, top, wide, high] as shares; false where all of it is seen. */
  pane(seen) {
    this.glass.hidden = !seen;
    if (seen) ["left", "top", "width", "height"].forEach((side, i) => { this.glass.style[side] = `${100 * seen[i]}%`; });
  }

  key(event) {
    const from = this.buttons.indexOf(event.target), rows = this.buttons.length / this.columns;
    if (from < 0) return;
    const to = travelled(event, Math.floor(from / this.columns), from % this.columns, rows, this.columns);
    if (to) this.buttons[to[0] * this.columns + to[1]].focus();
  }
}

// ---------------------------------------------------------------- the text, lit

class Tokens {
  /** `preview(position | undefined)` and `choose(position)`. */
  constructor(preview, choose) {
    Object.assign(this, {preview, choose, buttons: []});
    this.title = make("h2");
    this.note = make("p", "note dim");
    this.list = make("div", "tokens");
    this.list.setAttribute("role", "group");
    this.side = make("div", "side", this.title, this.list, this.note);
    this.list.onkeydown = event => this.key(event);
    this.list.onpointerleave = () => this.preview(undefined);
    this.list.onscroll = () => { this.scrolled = undefined; this.light?.(); };
  }

  write({texts, apart}, words, sentence) {
    this.sentence = sentence;
    this.list.setAttribute("aria-label", words.text_keys);
    this.list.classList.toggle("many", texts.length > EVERY);
    this.note.textContent = sentence === words.looked ? words.column_note : "";
    this.buttons = texts.map((text, at) => this.button(text, at, apart[at]));
    this.list.replaceChildren(...this.buttons);
    this.light = this.chosen = undefined;
    this.measureAgain();
  }

  button(text, at, apart) {
    const button = make("button", apart ? "apart" : "", text, make("small"));
    button.type = "button";
    button.dataset.position = at;
    button.onpointerenter = () => this.preview(at);
    button.onfocus = () => button.matches(":focus-visible") && this.preview(at);
    button.onblur = () => this.preview(undefined);
    button.onclick = () => this.choose(at);
    return button;
  }

  /** Light each token by `value(position)`, `null` where looking is forbidden; `omit` is left out of the colours (−2: all are). Of a long
      text those in sight, and the others when they come into it. */
  paint(token, value, share, chosen, say, omit) {
    this.title.replaceChildren(...this.sentence.split(/(\{token\})/).map(part => (part === "{token}" ? make("q", "", token) : part)));
    const few = this.buttons.length <= EVERY;
    const one = at => {
      const given = value(at), dark = given === null || at === omit || omit === -2, code = dark ? 0 : Math.round(share(given) * 255);
      this.dress(this.buttons[at], {given, dark, code, chosen: at === chosen, below: few && given !== null && given >= 0.01 ? say(given) : ""});
    };
    this.light = () => this.inSight().forEach(one);
    [this.chosen, chosen].filter(at => at < this.buttons.length).forEach(one);
    this.chosen = chosen;
    this.light();
  }

  dress(button, {given, dark, code, chosen, below}) {
    const told = `${given === null} ${dark} ${code} ${chosen} ${below}`;
    if (button.told === told) return;
    button.told = told;
    button.style.background = dark ? "transparent" : colour(SEQUENTIAL, code);
    button.style.color = dark ? PLATE.dim : onColour(SEQUENTIAL, code);
    button.classList.toggle("unseen", given === null);
    button.lastChild.textContent = below;
    button.setAttribute("aria-pressed", chosen);
    button.tabIndex = chosen ? 0 : -1;
  }

  /** The tokens that can be seen, and a line or two above and below them. The list is measured when it may have changed and not at
      every painting, which would have the browser lay the page out anew. */
  inSight() {
    const {buttons, list} = this, every = [...buttons.keys()];
    if (buttons.length <= LONG) return every;
    this.tops ??= buttons.map(button => button.offsetTop - list.offsetTop);
    this.high ??= list.clientHeight;
    this.scrolled ??= list.scrollTop;
    return every.filter(at => this.tops[at] > this.scrolled - 60 && this.tops[at] < this.scrolled + this.high + 60);
  }

  measureAgain() {
    this.tops = this.high = this.scrolled = undefined;
  }

  /** Bring the token at `position` into view where the text is too long to be seen whole. */
  reach(position) {
    const {list} = this, {offsetTop, offsetHeight} = this.buttons[position];
    const top = offsetTop - list.offsetTop;
    if (top < list.scrollTop || top + offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = top - list.clientHeight / 2;
  }

  key(event) {
    const from = this.buttons.indexOf(event.target);
    if (from < 0) return;
    const forward = {ArrowDown: "ArrowRight", ArrowUp: "ArrowLeft"}[event.key];
    const to = travelled(forward ? {key: forward, preventDefault: () => event.preventDefault()} : event, 0, from, 1, this.buttons.length);
    if (to) this.buttons[to[1]].focus();
  }
}

// ---------------------------------------------------------------- the scale, and whether the sink is part of it

class Legend {
  constructor(choose) {
    this.bar = make("div", "scale");
    this.box = make("input");
    this.box.type = "checkbox";
    this.name = make("span");
    this.section = make("div", "legend", this.bar, make("label", "", this.box, this.name));
    this.box.onchange = () => choose(!this.box.checked);
  }

  write({words}) {
    this.name.textContent = words.sink;
  }

  scale({language, words}, most, sink) {
    this.box.checked = !sink;
    scaleOf(this.bar, {most, table: "sequential", language, words: {scale: sink ? words.scale_weight : words.scale_sink}});
  }
}
