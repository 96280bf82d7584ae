// The theatre: every head small, one head large, the text lit. Moving over anything previews it; a click, or Enter, locks it.
// Each choice is painted here at once and then told to Python, which answers with sentences and arithmetic, not with pictures.
export default function (component) {
  const root = component.parentElement.querySelector(".theatre");
  root.drawn ??= new Theatre(root);
  root.drawn.receive(component);
  return () => root.drawn.leave();
}

const EVERY = 24; // tokens up to which each one's share is written below it

class Theatre {
  constructor(root) {
    this.root = root;
    this.heads = new Heads(head => this.preview({head}), (layer, head) => this.choose({layer, head, key: null}));
    this.stage = make("section", "stage");
    this.title = make("h3");
    this.note = make("p", "note dim");
    this.say = make("p", "say");
    this.say.setAttribute("aria-live", "polite");
    this.frame = make("div", "matrix", make("canvas"), make("canvas"));
    this.frame.tabIndex = 0;
    this.frame.setAttribute("role", "application");
    this.stage.append(this.title, this.say, this.frame);
    this.matrix = new Matrix(this.frame, {preview: cell => this.preview({cell}), choose: cell => this.choose({query: cell.row, key: cell.column})});
    this.guess = make("p", "guess");
    this.stage.append(this.guess, this.note);
    this.looks = new Tokens(at => this.preview(this.asked(at)), at => this.choose(this.header.square ? {query: at, key: null} : {key: at}));
    this.looked = new Tokens(query => this.preview({query}), query => this.choose({query, key: null}));
    this.legend = new Legend(sink => this.choose({sink}));
    this.heads.section.append(this.legend.section);
    root.replaceChildren(make("div", "floor", this.heads.section, this.stage, make("section", "text", this.looks.side, this.looked.side)));
    this.previewed = {};
    this.watch = new ResizeObserver(() => this.paint(true));
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
    Object.assign(this, {header, all, reached: fresh ? null : this.reached, allMaps: fresh ? {} : this.allMaps, staged: one && {at: header.stage.join("."), codes: one}});
    if (header.stage && this.choice.key === null && this.at(header.stage) && this.choice.query === header.choice.query) this.choice = {...this.choice, key: header.choice.key};
    this.write();
    this.paint(true);
  }

  async unpacked(header, part) {
    return header.revision === this.header?.revision ? this.all : inflate(part);
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
    this.paint(false);
    this.component.setTriggerValue("choice", this.choice);
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

  allowed(query, key) {
    const {layers, heads, high, wide, block, columns} = this.header;
    this.bits = this.all.subarray(layers * heads * high * wide * (block === 1 ? 2 : 1));
    return bit(this.bits, query * columns.length + key) === 1;
  }

  /** A head's exact map, row by row, or `null` while it is not here. */
  values(layer, head) {
    const {layers, heads, high, wide, block, rows, columns} = this.header, name = `${layer}.${head}`, cells = high * wide;
    if (block > 1) {
      if (this.staged?.at !== name) return null;
      this.staged.values ??= unrooted(this.staged.codes, 0, rows.length * columns.length, rows.length * columns.length);
      return this.staged.values;
    }
    const at = (layer * heads + head) * cells;
    return (this.allMaps[name] ??= unrooted(this.all, at, cells, layers * heads * cells + at));
  }

  /** While the exact map travels, its thumbnail stretched to the same size. */
  stretched(layer, head) {
    const {heads, high, wide, block, rows, columns} = this.header, across = columns.length, at = (layer * heads + head) * high * wide;
    const small = unrooted(this.all, at, high * wide), values = new Float32Array(rows.length * across);
    for (let q = 0; q < rows.length; q++) for (let k = 0; k < across; k++) values[q * across + k] = small[Math.floor(q / block) * wide + Math.floor(k / block)];
    return values;
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
    this.frame.setAttribute("aria-label", `${words.map} ${words.map_keys}`);
    this.looks.write(header.keys ?? header.queries, words, words.looks);
    this.looked.write(header.queries, words, words.looked);
    this.guess.hidden = !header.expected.length;
  }

  paint(afresh) {
    const width = this.frame.clientWidth;
    if (!this.header || width <= 0) return;
    const {header} = this, now = this.shown();
    const exact = this.values(now.layer, now.head), values = exact ?? this.stretched(now.layer, now.head);
    const most = now.sink ? 1 : this.largestOther(values);
    if (afresh || now.sink !== this.painted?.sink) this.heads.paint(header, this.all, now.sink);
    this.heads.mark(this.choice);
    if (afresh || ["layer", "head", "sink"].some(name => now[name] !== this.painted?.[name]) || exact !== this.painted?.exact) this.paintMap(values, most, now, width);
    this.matrix.mark(this.locked(), this.previewed.cell ?? null);
    this.paintText(values, most, now, exact !== null);
    this.painted = {...now, exact};
    this.reach(values);
    this.root.dataset.painted = [header.revision, this.choice.layer, this.choice.head, this.choice.query, this.choice.key, this.choice.sink, exact ? "exact" : "coarse"].join("/");
  }

  /** Whenever something else is locked: what the chosen token looks at most, and who looks at it most, into view. */
  reach(values) {
    const {layer, head, query, key} = this.choice, name = `${layer}.${head}.${query}.${key}`, {square, rows, columns} = this.header;
    if (this.reached === name || Object.values(this.previewed).some(Boolean)) return;
    this.reached = name;
    this.looks.reach(key ?? (square ? query : 0));
    const asked = this.subject(this.choice, values), weight = other => values[other * columns.length + asked];
    let most = query;
    for (let other = 0; other < rows.length; other++) if (other !== query && weight(other) > (most === query ? 0 : weight(most))) most = other;
    this.looked.reach(square ? most : query);
  }

  locked() {
    return this.choice.key === null || this.previewed.head ? null : {row: this.choice.query, column: this.choice.key};
  }

  paintMap(values, most, now, width) {
    const {rows, columns, words} = this.header;
    this.matrix.show(
      {
        rows, columns, values, table: "sequential", titles: words, omit: now.sink ? -1 : 0,
        blocked: (row, column) => !this.allowed(row, column),
        share: value => Math.sqrt(value / most),
        brief: value => (value < 0.005 ? "" : whole(100 * value, this.header.language)),
      },
      width, Math.min(width, 470),
    );
    this.frame.style.height = `${this.matrix.bottom}px`;
    this.legend.scale(this.header, most, now.sink);
  }

  /** Where the colours end when the first token is left out of them. */
  largestOther(values) {
    const {length} = this.header.columns;
    let most = 0;
    for (let i = 0; i < values.length; i++) if (i % length && values[i] > most) most = values[i];
    return most || 1;
  }

  paintText(values, most, now, exact) {
    const {square, rows, columns, words, language, sinks, expected} = this.header, across = columns.length;
    const share = value => Math.sqrt(Math.min(1, value / most)), asked = this.subject(now, values);
    const row = key => (this.allowed(now.query, key) ? values[now.query * across + key] : null);
    const column = query => (this.allowed(query, asked) ? values[query * across + asked] : null);
    const say = value => (exact && value !== null ? percent(value, language) : "");
    this.looks.paint(rows[now.query], row, share, asked, say, now.sink ? -1 : 0);
    this.looked.paint(columns[asked], column, share, now.query, say, now.sink || asked ? -1 : -2);
    if (expected.length) this.guess.replaceChildren(...quoted(words.expected, {token: rows[now.query], expected: expected[now.query]}));
    this.title.textContent = fill(words.stage, {layer: now.layer + 1, head: now.head + 1});
    this.say.replaceChildren(...(exact ? this.sentence(values, now) : [words.about]));
    const sink = fill(words.sink_note, {share: percent(sinks[now.layer][now.head], language)});
    const small = this.matrix.cell * (window.devicePixelRatio || 1) < 1 ? ` ${words.pooled}` : "";
    this.note.textContent = sink + small;
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
    Object.assign(this, {preview, choose, buttons: []});
    this.title = make("h3");
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
    if (this.buttons.length !== layers * heads) this.build(layers, heads);
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
    for (let layer = 0; layer < layers; layer++) {
      cells.push(make("span", "", String(layer + 1)));
      for (let head = 0; head < heads; head++) cells.push(this.button(layer, head));
    }
    this.grid.replaceChildren(...cells);
  }

  button(layer, head) {
    const button = make("button", "", make("canvas"));
    button.type = "button";
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
    const room = this.section.clientWidth - 4 * heads - 44;
    const size = Math.max(16, Math.min(88, Math.floor(room / heads), Math.floor(430 / layers))), most = Math.max(high, wide);
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
    this.buttons.forEach((button, i) => {
      const chosen = i === layer * this.columns + head;
      button.setAttribute("aria-pressed", chosen);
      button.tabIndex = chosen ? 0 : -1;
    });
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
    this.title = make("h3");
    this.note = make("p", "note dim");
    this.list = make("div", "tokens");
    this.list.setAttribute("role", "group");
    this.side = make("div", "side", this.title, this.list, this.note);
    this.list.onkeydown = event => this.key(event);
    this.list.onpointerleave = () => this.preview(undefined);
  }

  write({texts, apart}, words, sentence) {
    this.sentence = sentence;
    this.list.setAttribute("aria-label", words.text_keys);
    this.list.classList.toggle("many", texts.length > EVERY);
    this.note.textContent = sentence === words.looked ? words.column_note : "";
    this.buttons = texts.map((text, at) => this.button(text, at, apart[at]));
    this.list.replaceChildren(...this.buttons);
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

  /** Light each token by `value(position)`, `null` where looking is forbidden; `omit` is left out of the colours (−2: all are). */
  paint(token, value, share, chosen, say, omit) {
    this.title.replaceChildren(...this.sentence.split(/(\{token\})/).map(part => (part === "{token}" ? make("q", "", token) : part)));
    const few = this.buttons.length <= EVERY;
    this.buttons.forEach((button, at) => {
      const given = value(at), dark = given === null || at === omit || omit === -2, code = dark ? 0 : Math.round(share(given) * 255);
      const below = few && given !== null && given >= 0.01 ? say(given) : "", told = `${given === null} ${dark} ${code} ${at === chosen} ${below}`;
      if (button.told === told) return;
      button.told = told;
      button.style.background = dark ? "transparent" : colour(SEQUENTIAL, code);
      button.style.color = dark ? PLATE.dim : onColour(SEQUENTIAL, code);
      button.classList.toggle("unseen", given === null);
      button.lastChild.textContent = below;
      button.setAttribute("aria-pressed", at === chosen);
      button.tabIndex = at === chosen ? 0 : -1;
    });
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
