// The text, the player and the cache. The browser keeps time: it asks for a step, waits for the answer, and asks again.

const ICONS = {
  restart: "M5 5h2.4v14H5zM19 5v14L8.6 12z",
  back: "M15.5 5v14L5.5 12zM17 5h2v14h-2z",
  play: "M7 4.5v15L19 12z",
  pause: "M6.5 5h4v14h-4zM13.5 5h4v14h-4z",
  step: "M8.5 5v14L18.5 12zM5 5h2v14H5z",
};

const ROOMS = [64, 128, 256, 512], UNSEEN = 500;

export default function (component) {
  const root = component.parentElement.querySelector(".timeline");
  root.drawn ??= new Player(root);
  root.drawn.receive(component);
  return () => root.drawn.leave();
}

class Player {
  constructor(root) {
    this.root = root;
    this.playing = false;
    this.waiting = false;
    this.text = make("div", "text");
    this.buttons = Object.fromEntries(["restart", "back", "play", "step"].map(name => [name, this.button(name)]));
    this.position = make("output", "position dim");
    this.speed = this.tempo();
    this.stop = this.toggle();
    this.scale = make("div", "scale");
    this.held = make("p", "note dim");
    this.cells = make("canvas", "cells");
    this.cache = make("p", "cache");
    this.said = make("p", "ended");
    this.said.setAttribute("role", "status");
    const deck = make("div", "deck", make("div", "keys", ...Object.values(this.buttons)), this.position, this.speed, this.stop);
    root.replaceChildren(this.text, deck, make("div", "under", make("div", "memory", this.cache, this.cells), make("div", "meaning", this.scale, this.held)), this.said);
    root.tabIndex = 0;
    root.setAttribute("role", "group");
    root.onkeydown = event => this.key(event);
    this.watch = new ResizeObserver(() => this.paintCells());
    this.watch.observe(this.cells);
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
    box.onchange = () => this.send.setStateValue("stop", box.checked);
    return make("label", "stop", box, make("span"));
  }

  // ---------------------------------------------------------------- from Python

  receive(component) {
    this.send = component;
    if (!component.data) return;
    this.data = component.data;
    this.waiting = false;
    this.pace ??= this.data.speed;
    if (this.data.ended && this.data.at === this.data.tokens.length) this.playing = false;
    this.furnish();
    this.write();
    this.paintCells();
    this.root.dataset.painted = this.data.revision;
    if (this.playing) this.schedule();
  }

  furnish() {
    const {words, at, tokens, ended, speeds, stop} = this.data, last = at === tokens.length;
    this.root.setAttribute("aria-label", `${words.heading}. ${words.keys}`);
    for (const [name, button] of Object.entries(this.buttons)) this.dress(button, name === "play" && this.playing ? "pause" : name);
    this.buttons.back.disabled = at === 0;
    this.buttons.play.disabled = this.buttons.step.disabled = Boolean(ended) && last;
    this.position.textContent = fill(words.position, {at, count: tokens.length});
    const input = this.speed.querySelector("input");
    input.max = speeds.length - 1;
    input.value = speeds.indexOf(this.pace);
    this.tellSpeed();
    this.stop.querySelector("input").checked = stop;
    this.stop.querySelector("span").textContent = words.stop;
    this.cache.textContent = words.cache;
    this.held.textContent = [!last && words.ahead, tokens.some(token => token.held) && words.held].filter(Boolean).join(" ");
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

  write() {
    const {prompt, tokens, at} = this.data;
    const caret = make("span", "caret");
    const written = tokens.map((token, place) => this.token(token, place));
    written.splice(at, 0, caret);
    this.text.replaceChildren(...prompt.map(piece => make("span", "given", piece)), ...written);
    const line = parseFloat(getComputedStyle(this.text).lineHeight);
    this.text.scrollTop = line * (Math.floor(caret.offsetTop / line) - 1);
  }

  token({piece, share, rank, held}, place) {
    const {words, at, language} = this.data, button = make("button", place < at ? "token" : "token ahead", piece);
    const code = Math.round(255 * Math.sqrt(share));
    const told = fill(words.token, {place: place + 1, token: piece, share: percent(share, language), rank});
    button.type = "button";
    button.tabIndex = -1;
    button.title = told;
    button.setAttribute("aria-label", told);
    button.classList.toggle("held", held);
    if (place === at) button.setAttribute("aria-current", "step");
    button.style.setProperty("--lit", colour(SEQUENTIAL, code));
    button.style.setProperty("--on", onColour(SEQUENTIAL, code));
    button.onclick = () => this.press("go", place);
    return button;
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
  }

  toggled() {
    if (this.playing) return this.pause();
    this.playing = true;
    this.furnish();
    this.act("step");
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
    this.next = setTimeout(() => (document.hidden ? this.schedule() : this.act("step")), wait);
  }

  key(event) {
    const own = event.target.matches("input") || (event.key === " " && event.target.closest(".keys"));
    if (own || event.ctrlKey || event.metaKey || event.altKey) return;
    const {tokens, at} = this.data, {play, step} = this.buttons;
    const acts = {
      " ": () => play.disabled || this.toggled(),
      ArrowRight: () => step.disabled || this.press("step"),
      ArrowLeft: () => at && this.press("back"),
      Home: () => this.press("go", 0),
      End: () => this.press("go", tokens.length),
      r: () => this.press("restart"),
    };
    const wanted = acts[event.key] ?? acts[event.key.toLowerCase()];
    if (!wanted) return;
    event.preventDefault();
    if (!event.repeat || !this.waiting) wanted();
  }

  // ---------------------------------------------------------------- the cache

  /** A column a token, a row a layer: the prompt's, the new tokens', and some of what is still free. */
  paintCells() {
    const width = this.cells.clientWidth;
    if (!this.data || !width) return;
    const {tokens, capacity, layers, prompt} = this.data.cache, high = Math.max(3, Math.min(7, 36 / layers));
    const room = Math.min(capacity, ROOMS.find(room => room > tokens) ?? capacity);
    const pen = sharp(this.cells, width, layers * high), wide = width / room, gap = wide > 3 ? 1 : 0;
    for (let place = 0; place < room; place++) {
      pen.fillStyle = place >= tokens ? PLATE.hairline : colour(SEQUENTIAL, place < prompt ? 110 : place === tokens - 1 ? 245 : 190);
      for (let layer = 0; layer < layers; layer++) pen.fillRect(place * wide, layer * high, Math.max(wide - gap, 0.6), high - 1);
    }
    this.cells.setAttribute("role", "img");
    this.cells.setAttribute("aria-label", this.data.words.cache);
  }

  leave() {
    this.pause();
    this.watch.disconnect();
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
