// The families by year. Two places to fill: the one being chosen is marked, a click on a family fills it.

export default function (component) {
  const root = component.parentElement.querySelector(".lineage");
  root.drawn ??= new Lineage(root);
  root.drawn.receive(component);
}

class Lineage {
  constructor(root) {
    this.root = root;
    this.places = make("div", "places");
    this.line = make("div", "line");
    root.replaceChildren(this.places, this.line);
  }

  receive({data, setTriggerValue}) {
    this.data = data;
    this.send = setTriggerValue;
    this.root.setAttribute("aria-label", data.title);
    data.colours.forEach((value, at) => this.root.style.setProperty(`--pair-${at}`, value));
    this.filling = Math.min(this.filling ?? 0, Math.max(1, data.chosen.length));
    if (this.filling === 1 && this.data.chosen.length === 1 && !this.wanted) this.filling = 0;
    this.draw();
    this.root.dataset.painted = data.painted;
  }

  draw() {
    this.drawPlaces();
    this.line.replaceChildren(...this.data.years.map(year => this.year(year)));
    const all = [...this.line.querySelectorAll("button")];
    const home = all.find(button => button.dataset.name === (this.data.chosen[this.filling] ?? this.data.chosen[0])) ?? all[0];
    for (const button of all) {
      button.tabIndex = button === home ? 0 : -1;
      button.onkeydown = event => this.travel(event, all);
    }
    if (this.focused) all.find(button => button.dataset.name === this.focused)?.focus();
    this.focused = undefined;
  }

  drawPlaces() {
    const {chosen, titles, words} = this.data, two = chosen.length > 1;
    const first = this.place(0, words.first, titles[0]);
    const second = two ? this.place(1, words.second, titles[1]) : this.offer(words.compare);
    this.places.replaceChildren(first, second, ...(two ? [this.removal(words.remove)] : []));
  }

  place(slot, label, title) {
    const button = make("button", "place", make("b", "", "AB"[slot]), title);
    button.type = "button";
    button.setAttribute("aria-pressed", this.filling === slot);
    button.setAttribute("aria-label", `${label}: ${title}`);
    button.style.setProperty("--pair", `var(--pair-${slot})`);
    button.onclick = () => this.fill(slot);
    if (this.data.chosen.length === 1 && !this.wanted) button.classList.add("alone");
    return button;
  }

  offer(label) {
    const button = make("button", "place offer", make("b", "", "B"), label);
    button.type = "button";
    button.setAttribute("aria-pressed", this.filling === 1);
    button.style.setProperty("--pair", "var(--pair-1)");
    button.onclick = () => { this.wanted = this.filling !== 1; this.fill(this.wanted ? 1 : 0); };
    return button;
  }

  removal(label) {
    const button = make("button", "removal", "×");
    button.type = "button";
    button.setAttribute("aria-label", label);
    button.title = label;
    button.onclick = () => { this.filling = 0; this.wanted = false; this.send("choice", {slot: 1, family: ""}); };
    return button;
  }

  fill(slot) {
    this.filling = slot;
    this.draw();
    this.places.children[slot].focus();
  }

  year({year, families}) {
    return make("div", "year", make("span", "when", String(year)), ...families.map(family => this.family(family)));
  }

  family({name, title}) {
    const slots = this.data.chosen.flatMap((chosen, slot) => (chosen === name ? [slot] : []));
    const button = make("button", "family", title, ...slots.map(slot => this.badge(slot)));
    button.type = "button";
    button.dataset.name = name;
    button.setAttribute("aria-pressed", slots.length > 0);
    button.onclick = () => { this.focused = name; this.send("choice", {slot: this.filling, family: name}); };
    return button;
  }

  badge(slot) {
    const badge = make("b", "", this.data.chosen.length > 1 ? "AB"[slot] : "");
    badge.style.setProperty("--pair", `var(--pair-${slot})`);
    return badge;
  }

  travel(event, all) {
    const at = all.indexOf(event.target), step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const next = all[(at + step + all.length) % all.length];
    for (const button of all) button.tabIndex = button === next ? 0 : -1;
    next.focus();
  }
}
