// The next token: bars, the filters' dials with what each one cuts, and the die's line. Needs filters.js before it.

const ROWS = 12, REST = 140;

export default function (component) {
  const root = component.parentElement.querySelector(".distribution");
  root.drawn ??= new View(root);
  root.drawn.receive(component);
  return whenGone(root, () => root.drawn.leave());
}

class View {
  constructor(root) {
    this.root = root;
    this.number = 0;
    this.title = make("h2");
    this.bars = make("ol", "bars");
    this.axis = make("p", "axis dim");
    this.legend = make("ul", "legend");
    this.dials = make("div", "dials");
    this.line = make("canvas", "line");
    this.told = make("p", "told dim");
    this.root.replaceChildren(
      make("div", "next", this.title, this.axis, this.bars, this.legend),
      this.dials,
      make("div", "throw", this.told, this.line),
    );
    this.rows = Array.from({length: ROWS}, () => this.bars.appendChild(this.row()));
    this.others = this.bars.appendChild(make("li", "others", make("span"), make("span", "track", make("i", "after")), make("span", "value")));
    this.watch = new ResizeObserver(() => this.paintLine());
    this.watch.observe(this.line);
  }

  // ---------------------------------------------------------------- from Python

  async receive(component) {
    this.send = component;
    if (!component.data) return;
    const {header, parts} = open(component.data);
    this.asked = header;
    const [logits, pieces] = await Promise.all([inflate(parts[0]), this.spelled(parts[1])]);
    if (this.asked !== header) return;
    this.header = header;
    this.seen = new Map(header.seen);
    this.logits = new Float32Array(logits.buffer);
    this.pieces = pieces;
    if (header.answered >= this.number) this.adopt(header);
    this.furnish();
    this.paint();
  }

  /** The vocabulary is unpacked once. */
  async spelled(part) {
    if (this.pieces && this.packed === part.length) return this.pieces;
    this.packed = part.length;
    return JSON.parse(new TextDecoder().decode(await inflate(part)));
  }

  adopt({dials, answered}) {
    this.number = answered;
    this.settings = {...dials};
  }

  // ---------------------------------------------------------------- to Python

  turn(name, value) {
    this.settings[name] = value;
    this.paint();
    clearTimeout(this.resting);
    this.number += 1;
    this.resting = setTimeout(() => this.send.setStateValue("dials", {...this.settings, number: this.number}), REST);
  }

  reset() {
    Object.assign(this.settings, this.header.resting);
    this.turn("temperature", this.header.resting.temperature);
    this.furnish();
  }

  // ---------------------------------------------------------------- the dials

  furnish() {
    const {words, groups} = this.header;
    this.title.textContent = this.header.title;
    this.axis.textContent = words.probability;
    this.root.setAttribute("aria-label", this.title.textContent);
    for (const [at, group] of groups.entries()) this.gather(this.dials.querySelectorAll("fieldset")[at] ?? this.dials.appendChild(make("fieldset", "", make("legend", "dim"))), group);
    const foot = this.dials.querySelector(".foot") ?? this.dials.appendChild(this.foot());
    this.explain();
    foot.querySelector(".seed span").textContent = words.seed;
    const seed = foot.querySelector("input");
    if (this.root.getRootNode().activeElement !== seed) seed.value = this.settings.seed;
    foot.querySelector(".again").textContent = words.again;
    foot.querySelector(".reset").textContent = words.reset;
    this.legend.replaceChildren(...["after", "before", "cut", "drawn", "written"].map(kind => make("li", kind, make("i"), words[`legend_${kind}`])));
  }

  /** The dials of one kind, under its name. */
  gather(set, {name, dials}) {
    set.firstChild.textContent = name;
    for (const dial of dials) this.dress(set.querySelector(`[data-name=${dial}]`) ?? set.appendChild(this.dial(dial)), dial);
  }

  /** What the dial under the hand does; without one, in what order they act. */
  explain(name) {
    this.dials.querySelector(".hint").textContent = name ? this.header.hints[name] : this.header.words.order;
  }

  dial(name) {
    const input = document.createElement("input");
    input.type = "range";
    input.min = 0;
    input.step = 1;
    input.oninput = () => this.turn(name, this.header.stops[name][input.value]);
    input.onfocus = () => this.explain(name);
    input.onblur = () => this.explain();
    const dial = make("div", "dial", make("label"), input, make("output"), make("p", "effect dim"));
    dial.onpointerenter = () => this.explain(name);
    dial.onpointerleave = () => this.explain(this.dials.querySelector("input[type=range]:focus")?.closest(".dial").dataset.name);
    dial.dataset.name = name;
    return dial;
  }

  dress(dial, name) {
    const input = dial.querySelector("input"), stops = this.header.stops[name];
    dial.querySelector("label").textContent = this.header.shorts[name] ?? this.header.names[name];
    dial.querySelector("label").htmlFor = input.id = `dial-${name}`;
    input.max = stops.length - 1;
    input.setAttribute("aria-label", this.header.names[name]);
    input.setAttribute("aria-description", this.header.hints[name]);
    input.value = nearest(stops, this.settings[name], name === "top_k");
  }

  foot() {
    const seed = document.createElement("input"), again = make("button", "again"), reset = make("button", "reset");
    Object.assign(seed, {type: "number", min: 0, max: 9999, step: 1});
    seed.onchange = () => this.turn("seed", Math.max(0, Math.min(9999, Math.round(seed.value) || 0)));
    again.onclick = () => this.send.setTriggerValue("again", true);
    reset.onclick = () => this.reset();
    again.type = reset.type = "button";
    return make("div", "foot", make("p", "hint dim"), make("label", "seed", make("span"), seed), reset, again);
  }

  /** What each dial says and does. */
  tell(line) {
    const greedy = this.settings.temperature === 0;
    for (const dial of this.dials.querySelectorAll(".dial")) {
      const name = dial.dataset.name, value = this.settings[name], stage = line.find(each => each.name === name);
      const text = this.spoken(name, value), always = name === "temperature" && greedy, idle = greedy && name !== "temperature" && !PENALTIES.includes(name);
      dial.classList.toggle("idle", idle || value === IDLE[name]);
      dial.querySelector("output").textContent = always ? "0" : text;
      dial.querySelector("input").setAttribute("aria-valuetext", text);
      dial.querySelector(".effect").textContent = value === IDLE[name] ? "" : always ? text : idle ? this.header.words.no_effect : this.effect(name, stage);
    }
  }

  spoken(name, value) {
    const {words, language} = this.header;
    if (name === "temperature" && value === 0) return words.greedy;
    if (name !== "temperature" && value === IDLE[name]) return words.off;
    if (name === "top_p" || name === "min_p") return percent(value, language);
    return value.toLocaleString(language, {minimumFractionDigits: name === "top_k" ? 0 : 2});
  }

  effect(name, stage) {
    if (!stage) return "";
    if (PENALTIES.includes(name)) return fill(this.header.words.lowers, {count: whole(this.seen.size, this.header.language)});
    const before = softmax(stage.entered), gone = [...before.keys()].filter(id => stage.entered[id] > -Infinity && stage.left[id] === -Infinity);
    if (!gone.length) return "";
    const share = gone.reduce((sum, id) => sum + before[id], 0);
    return fill(this.header.words.cuts, {count: whole(gone.length, this.header.language), share: percent(share, this.header.language)});
  }

  // ---------------------------------------------------------------- the bars

  paint() {
    const {header, settings, seen} = this;
    const line = stages(this.logits, settings, seen), greedy = settings.temperature === 0;
    const before = softmax(Float64Array.from(this.logits)), after = softmax(line.at(-1).left);
    const drawn = greedy ? after.indexOf(highest(after)) : draw(after, header.die);
    const shown = this.chosenRows(before, after, drawn);
    const cutter = id => line.find(stage => stage.entered[id] > -Infinity && stage.left[id] === -Infinity)?.name;
    this.rows.forEach((row, at) => this.fillRow(row, shown[at], {before, after, drawn, cutter}));
    this.fillOthers(shown, before, after);
    this.tell(line);
    this.laid = {after, drawn, greedy};
    this.paintLine();
    this.root.dataset.painted = `${header.revision}/${Object.values(settings).join(",")}`;
  }

  /** The most probable tokens by the model's own order, so that rows hold still; the drawn and the written one always among them. */
  chosenRows(before, after, drawn) {
    const order = ranked(before).slice(0, Math.min(ROWS, before.length));
    for (const id of [drawn, this.header.written]) {
      if (id === null || order.includes(id)) continue;
      const spare = order.findLastIndex(other => other !== drawn && other !== this.header.written);
      order.splice(spare, 1);
      order.push(id);
    }
    return order.sort((a, b) => before[b] - before[a]);
  }

  row() {
    const button = make("button", "", make("span", "mark"), make("span", "token"), make("span", "track", make("i", "before"), make("i", "after")), make("span", "value"));
    button.type = "button";
    return make("li", "", button);
  }

  fillRow(row, id, {before, after, drawn, cutter}) {
    row.hidden = id === undefined;
    if (id === undefined) return;
    const {words, language, written, names, live} = this.header, button = row.firstChild, [mark, token, track, value] = button.children;
    const cut = after[id] === 0 ? cutter(id) : null, told = {token: this.pieces[id], before: percent(before[id], language), after: percent(after[id], language)};
    row.className = [cut && "cut", cut === "greedy" && "passed", id === drawn && "drawn", id === written && "written"].filter(Boolean).join(" ");
    token.textContent = this.pieces[id];
    track.firstChild.style.width = `${100 * before[id]}%`;
    track.lastChild.style.width = `${100 * after[id]}%`;
    track.lastChild.style.background = colour(SEQUENTIAL, Math.round(90 + 165 * Math.sqrt(after[id])));
    value.textContent = cut && cut !== "greedy" ? names[cut] : percent(cut ? before[id] : after[id], language);
    const sentence = fill(cut ? words.row_cut : words.row, {...told, filter: names[cut] ?? words.greedy});
    button.setAttribute("aria-label", live ? `${sentence} ${words.pick}` : sentence);
    button.title = sentence;
    button.disabled = !live;
    button.onclick = () => this.send.setTriggerValue("pick", {id});
  }

  fillOthers(shown, before, after) {
    const {words, language} = this.header, rest = before.length - shown.length;
    const share = 1 - shown.reduce((sum, id) => sum + after[id], 0), [label, track, value] = this.others.children;
    label.textContent = fill(words.others, {count: whole(rest, language)});
    track.lastChild.style.width = `${100 * Math.max(0, share)}%`;
    value.textContent = percent(Math.max(0, share), language);
    this.others.hidden = rest <= 0;
  }

  // ---------------------------------------------------------------- the die

  paintLine() {
    const width = this.line.clientWidth;
    if (!this.laid || !width) return;
    const {after, drawn, greedy} = this.laid, {die, words, language} = this.header, pen = sharp(this.line, width, 46);
    pen.font = face(this.line, "--st-code-font", 13, () => this.paintLine());
    let from = 0;
    for (const id of ranked(after, 0)) {
      const wide = after[id] * width;
      if (wide < 0.4) break;
      this.segment(pen, id, from, wide, id === drawn);
      from += wide;
    }
    if (from < width - 0.5) { pen.fillStyle = PLATE.hairline; pen.fillRect(from, 16, width - from, 28); }
    if (!greedy) this.marker(pen, die * width);
    const number = die.toLocaleString(language, {minimumFractionDigits: 3, maximumFractionDigits: 3});
    const sentence = fill(greedy ? words.no_die : words.die_falls, {die: number, token: this.pieces[drawn]});
    this.told.textContent = sentence;
    this.line.setAttribute("role", "img");
    this.line.setAttribute("aria-label", sentence);
  }

  segment(pen, id, from, wide, drawn) {
    const shade = Math.round(90 + 165 * Math.sqrt(this.laid.after[id]));
    pen.globalAlpha = drawn ? 1 : 0.72;
    pen.fillStyle = colour(SEQUENTIAL, shade);
    pen.fillRect(from, 16, Math.max(wide - 1, 0.4), 28);
    pen.globalAlpha = 1;
    if (wide < 26) return;
    pen.fillStyle = onColour(SEQUENTIAL, shade);
    pen.textBaseline = "middle";
    pen.fillText(elide(pen, this.pieces[id], wide - 12), from + 6, 31);
  }

  marker(pen, at) {
    pen.fillStyle = PLATE.mark;
    pen.beginPath();
    pen.moveTo(at - 6, 2);
    pen.lineTo(at + 6, 2);
    pen.lineTo(at, 13);
    pen.fill();
    pen.fillRect(at - 1, 12, 2, 34);
  }

  leave() {
    this.watch.disconnect();
  }
}

/** The stop closest to a value; a top-k of 0 is its own stop, at the far end. */
function nearest(stops, value, exactZero) {
  if (exactZero && value === 0) return stops.indexOf(0);
  const apart = stops.map(stop => (exactZero && stop === 0 ? Infinity : Math.abs(stop - value)));
  return apart.indexOf(Math.min(...apart));
}
