// The text, the player and the cache. The browser keeps time: it asks for a step, waits for the answer, and asks again.

const ICONS = {
  restart: "M5 5h2.4v14H5zM19 5v14L8.6 12z",
  back: "M15.5 5v14L5.5 12zM17 5h2v14h-2z",
  play: "M7 4.5v15L19 12z",
  pause: "M6.5 5h4v14h-4zM13.5 5h4v14h-4z",
  step: "M8.5 5v14L18.5 12zM5 5h2v14H5z",
};

const ROOMS = [64, 128, 256, 512], UNSEEN = 500;

// Milliseconds after which a playing text takes its question for lost and asks again; the same step twice is one step.
const LOST = 5_000;

// Milliseconds in which a player that was taken off the page while it played is put back, and plays on.
const ABSENT = 6_000;

let latest = null;

export default function (component) {
  const root = component.parentElement.querySelector(".timeline");
  if (component.data) (root.drawn ??= latest = new Player(root, latest)).receive(component);
  return whenGone(root, () => root.drawn?.leave());
}

class Player {
  /** In the place of the one `before`, if there was one: a busy Streamlit may put the same player on the page anew. */
  constructor(root, before) {
    this.root = root;
    this.playing = Boolean(before?.interrupted());
    this.asked = performance.now();
    this.waiting = false;
    this.source = make("div", "source");
    this.text = make("div", "text");
    this.hint = make("div", "hint");
    this.hint.setAttribute("role", "tooltip");
    this.buttons = Object.fromEntries(["restart", "back", "play", "step"].map(name => [name, this.button(name)]));
    this.position = make("output", "position dim");
    this.speed = this.tempo();
    this.choice = this.toggle();
    this.swap = this.swapper();
    this.scale = make("div", "scale");
    this.held = make("p", "note dim");
    this.cells = make("canvas", "cells");
    this.course = make("canvas", "course");
    this.tally = make("output", "tally");
    this.cache = make("p", "cache");
    this.said = make("p", "ended");
    this.said.setAttribute("role", "status");
    const deck = make("div", "deck", make("div", "keys", ...Object.values(this.buttons)), this.position, this.speed, this.choice);
    const under = make("div", "under", make("div", "memory", this.cache, this.cells), make("div", "meaning", this.scale, this.held));
    root.replaceChildren(this.source, this.text, make("div", "sum", this.course, this.tally), deck, under, this.said, this.hint);
    root.tabIndex = 0;
    root.setAttribute("role", "group");
    root.onkeydown = event => this.key(event);
    this.watch = new ResizeObserver(() => { this.paintCells(); this.paintCourse(); });
    this.watch.observe(this.cells);
    this.watch.observe(this.course);
  }

  button(name) {
    const button = make("button", name, icon(name), make("span"));
    button.type = "button";
    button.onclick = () => (name === "play" ? this.toggled() : this.press(name));
    return button;
  }

  tempo() {
    const input = document.createElement("input");
    Object.assign(input, {type: "range", min: 0, step: 1});
    input.oninput = () => {
      this.pace = this.data.speeds[input.value];
      this.tellSpeed();
      clearTimeout(this.pacing);
      this.pacing = setTimeout(() => this.send.setStateValue("speed", this.pace), 300);
    };
    return make("label", "speed", make("span", "dim"), input, make("output"));
  }

  toggle() {
    const box = document.createElement("input");
    box.type = "checkbox";
    box.onchange = () => this.send.setStateValue("toggle", box.checked);
    return make("label", "choice", box, make("span"));
  }

  swapper() {
    const button = make("button", "swap");
    button.type = "button";
    button.onclick = () => this.press("swap");
    return button;
  }

  // ---------------------------------------------------------------- from Python

  receive(component) {
    this.send = component;
    this.data = component.data;
    this.waiting = false;
    this.pace ??= this.data.speed;
    if (this.data.ended && this.data.at === this.data.count) this.playing = false;
    this.furnish();
    this.quote();
    this.write();
    this.paintCells();
    this.paintCourse();
    this.root.dataset.painted = this.data.revision;
    if (this.playing) this.schedule();
  }

  furnish() {
    const {words, at, count, total, parts, ended, speeds, toggle, toggled, swaps} = this.data, last = at === count;
    this.root.setAttribute("aria-label", `${words.heading}. ${words.keys}`);
    for (const [name, button] of Object.entries(this.buttons)) this.dress(button, name === "play" && this.playing ? "pause" : name);
    this.buttons.back.disabled = at === 0;
    this.buttons.play.disabled = this.buttons.step.disabled = Boolean(ended) && last;
    this.position.textContent = fill(words.position, {at, count: total});
    const input = this.speed.querySelector("input");
    input.max = speeds.length - 1;
    input.value = speeds.indexOf(this.pace);
    this.tellSpeed();
    this.choice.querySelector("input").checked = toggled;
    this.choice.querySelector("span").textContent = toggle;
    this.swap.hidden = !swaps;
    this.swap.textContent = words.swap;
    this.cache.textContent = words.cache;
    this.held.textContent = [!last && words.ahead, parts.some(part => part.held || part.ahead?.held) && words.held].filter(Boolean).join(" ");
    this.said.textContent = last ? ended : "";
    scaleOf(this.scale, {most: 1, table: "sequential", language: this.data.language, words});
  }

  dress(button, name) {
    const word = this.data.words[name];
    button.querySelector("path").setAttribute("d", ICONS[name]);
    button.querySelector("span").textContent = word;
    button.setAttribute("aria-label", word);
    if (button === this.buttons.play) button.setAttribute("aria-pressed", this.playing);
  }

  tellSpeed() {
    const {words, language} = this.data, said = fill(words.per_second, {speed: this.pace.toLocaleString(language)});
    const [name, input, output] = this.speed.children;
    name.textContent = words.speed;
    output.textContent = said;
    input.setAttribute("aria-valuetext", said);
  }

  // ---------------------------------------------------------------- the text

  /** The source, each piece lit by how much the token to come looks at it. */
  quote() {
    const {source, words, language} = this.data;
    this.source.hidden = !source;
    if (!source) return;
    const pieces = source.map(({piece, share}) => {
      const shown = this.lit(make("span", "looked", piece), share);
      shown.title = fill(words.looked, {token: piece, share: percent(share, language)});
      return shown;
    });
    this.source.replaceChildren(make("p", "dim", words.source), make("div", "pieces", ...pieces), make("div", "target", make("p", "dim", words.target), this.swap));
  }

  write() {
    const parts = this.data.parts.map(part => this[part.kind](part));
    this.hush();
    this.text.replaceChildren(...parts);
    const here = this.text.querySelector(".caret, [aria-current]"), line = parseFloat(getComputedStyle(this.text).lineHeight);
    if (here) this.text.scrollTop = line * (Math.floor(here.offsetTop / line) - 1);
  }

  given({piece}) {
    return make("span", "given", piece);
  }

  caret() {
    return make("span", "caret");
  }

  token({piece, share, rank, held, number}) {
    const {words, at, language} = this.data, button = this.lit(make("button", number < at ? "token" : "token ahead", piece), share);
    const told = fill(words.token, {place: number + 1, token: piece, share: percent(share, language), rank});
    button.type = "button";
    button.tabIndex = -1;
    button.title = told;
    button.setAttribute("aria-label", told);
    button.classList.toggle("held", held);
    if (number === at) button.setAttribute("aria-current", "step");
    button.onclick = () => this.press("go", number);
    return button;
  }

  /** An open blank: faint, what will stand there; under the pointer or the focus, what else could. */
  slot({place, current, ahead, guesses}) {
    const {language, words} = this.data, button = make("button", ahead ? "slot ahead" : "slot", ahead ? ahead.piece : "\u2003\u2003");
    if (ahead) this.lit(button, ahead.share).classList.toggle("held", ahead.held);
    button.type = "button";
    button.setAttribute("aria-label", `${words.blank}: ${guesses.map(({piece, share}) => `${piece} ${percent(share, language)}`).join(", ")}`);
    if (current) button.setAttribute("aria-current", "step");
    button.onclick = () => this.press("choose", place);
    button.onpointerenter = event => event.pointerType === "mouse" && this.tell(button, guesses);
    button.onfocus = () => button.matches(":focus-visible") && this.tell(button, guesses);
    button.onpointerleave = button.onblur = () => this.hush();
    return button;
  }

  /** What the model expects in a blank, beside it. */
  tell(button, guesses) {
    const {language} = this.data, rows = guesses.map(({piece, share}) => {
      const bar = make("i");
      bar.style.width = `${100 * share}%`;
      bar.style.background = colour(SEQUENTIAL, Math.round(90 + 165 * Math.sqrt(share)));
      return make("li", "", make("span", "piece", piece), make("span", "track", bar), make("span", "share", percent(share, language)));
    });
    this.hint.replaceChildren(make("ol", "", ...rows));
    this.hint.classList.add("shown");
    const frame = this.root.getBoundingClientRect(), box = button.getBoundingClientRect(), room = frame.width - this.hint.offsetWidth - 8;
    this.hint.style.left = `${Math.max(8, Math.min(box.left - frame.left, room))}px`;
    this.hint.style.top = `${box.bottom - frame.top + 6}px`;
  }

  hush() {
    this.hint.classList.remove("shown");
  }

  lit(element, share) {
    const code = Math.round(255 * Math.sqrt(share));
    element.style.setProperty("--lit", colour(SEQUENTIAL, code));
    element.style.setProperty("--on", onColour(SEQUENTIAL, code));
    return element;
  }

  // ---------------------------------------------------------------- playing

  /** What the reader does ends the playing. */
  press(name, at) {
    this.pause();
    this.act(name, at);
  }

  act(name, at = this.data.at) {
    this.waiting = true;
    this.asked = performance.now();
    this.send.setTriggerValue("act", {act: name, at});
    if (this.playing) this.next = setTimeout(() => this.act("play"), LOST);
  }

  toggled() {
    if (this.playing) {
      this.pause();
      return this.act("rest");
    }
    this.playing = true;
    this.furnish();
    this.act("play");
  }

  pause() {
    this.playing = false;
    clearTimeout(this.next);
    this.furnish();
  }

  /** The next step, an interval after the last one was asked for, and never before its answer; none while nobody looks. */
  schedule() {
    clearTimeout(this.next);
    const wait = document.hidden ? UNSEEN : Math.max(0, this.asked + 1000 / this.pace - performance.now());
    this.next = setTimeout(() => (document.hidden ? this.schedule() : this.act("play")), wait);
  }

  key(event) {
    const own = event.target.matches("input") || (event.key === " " && event.target.closest(".keys, .slot, .swap"));
    if (own || event.ctrlKey || event.metaKey || event.altKey) return;
    const {count, at} = this.data, {play, step} = this.buttons;
    const acts = {
      " ": () => play.disabled || this.toggled(),
      ArrowRight: () => step.disabled || this.press("step"),
      ArrowLeft: () => at && this.press("back"),
      Home: () => this.press("go", 0),
      End: () => this.press("go", count),
      r: () => this.press("restart"),
    };
    const wanted = acts[event.key] ?? acts[event.key.toLowerCase()];
    if (!wanted) return;
    event.preventDefault();
    if (!event.repeat || !this.waiting) wanted();
  }

  // ---------------------------------------------------------------- what it comes to

  /** The log-probability of the text so far, falling token by token, each step lit by its token's probability; what is ahead, faint. */
  paintCourse() {
    const width = this.course.clientWidth, {nats, told} = this.data?.tally ?? {nats: []}, high = 34;
    this.course.parentElement.hidden = !nats.length;
    this.tally.textContent = told ?? "";
    if (!width || !nats.length) return;
    const pen = sharp(this.course, width, high), deep = nats.reduce((sum, each) => sum - each, 0) || 1, wide = Math.min(24, width / nats.length);
    let sunk = 0;
    nats.forEach((each, number) => {
      const from = Math.round(2 + (high - 6) * sunk / deep), to = Math.round(2 + (high - 6) * (sunk -= each) / deep)
      pen.globalAlpha = number < this.data.at ? 1 : 0.35;
      pen.fillStyle = colour(SEQUENTIAL, Math.round(90 + 165 * Math.sqrt(Math.exp(each))));
      pen.fillRect(number * wide, from, Math.max(wide - 1, 0.6), Math.max(2, to - from));
    });
    pen.globalAlpha = 1;
    pen.fillStyle = PLATE.mark;
    pen.fillRect(Math.max(0, this.data.at * wide - 1.5), 0, 2, high);
    this.course.setAttribute("role", "img");
    this.course.setAttribute("aria-label", told);
  }

  // ---------------------------------------------------------------- the cache

  /** A column a token, a row a layer: the source's, the prompt's, the new tokens', and some of what is still free. */
  paintCells() {
    const width = this.cells.clientWidth, cache = this.data?.cache;
    this.cells.hidden = !cache;
    if (!cache || !width) return;
    const {tokens, capacity, layers, prompt, source} = cache, high = Math.max(3, Math.min(7, 36 / layers));
    const room = source + Math.min(capacity, ROOMS.find(room => room > tokens) ?? capacity);
    const pen = sharp(this.cells, width, layers * high), wide = width / room, gap = wide > 3 ? 1 : 0;
    for (let column = 0; column < room; column++) {
      const place = column - source;
      const shade = place < 0 ? 70 : place < prompt ? 110 : place === tokens - 1 ? 245 : 190;
      pen.fillStyle = place >= tokens ? PLATE.hairline : colour(SEQUENTIAL, shade);
      for (let layer = 0; layer < layers; layer++) pen.fillRect(column * wide, layer * high, Math.max(wide - gap, 0.6), high - 1);
    }
    this.cells.setAttribute("role", "img");
    this.cells.setAttribute("aria-label", this.data.words.cache);
  }

  leave() {
    this.left ??= this.playing ? performance.now() : -Infinity;
    this.pause();
    this.watch.disconnect();
  }

  /** Ends it; whether it played until a moment ago. */
  interrupted() {
    this.leave();
    return performance.now() - this.left < ABSENT;
  }
}

function icon(name) {
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg"), path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  picture.setAttribute("viewBox", "0 0 24 24");
  picture.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  picture.append(path);
  return picture;
}
