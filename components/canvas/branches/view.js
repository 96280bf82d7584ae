// A text and its branches, a row each: tokens lit by their probability, what the row comes to, and what can be done with it.
// Arrow keys travel from token to token and from row to row; Enter goes to the branch.

export default function (component) {
  const root = component.parentElement.querySelector(".branches");
  root.drawn ??= new Branches(root);
  root.drawn.receive(component);
}

class Branches {
  constructor(root) {
    this.root = root;
    this.at = [0, 0];
    this.title = make("h2");
    this.before = make("p", "before dim");
    this.list = make("ol");
    this.readout = make("p", "readout dim");
    this.readout.setAttribute("aria-live", "polite");
    this.scale = make("div", "scale");
    root.replaceChildren(this.title, this.before, this.list, make("div", "under", this.readout, this.scale));
    this.list.onkeydown = event => this.key(event);
    this.list.onpointerleave = () => this.read(null);
  }

  receive({data, setTriggerValue}) {
    if (!data) return;
    this.send = setTriggerValue;
    this.data = data;
    const {words, rows, before, language} = data, focused = this.root.getRootNode().activeElement;
    const held = focused?.dataset.name;
    this.title.textContent = words.title;
    this.before.textContent = fill(words.beginning, {text: before.join(" ")});
    this.lines = rows.map((row, number) => this.line(row, number));
    this.list.replaceChildren(...this.lines.map(({item}) => item));
    this.at = [Math.min(this.at[0], rows.length - 1), 0];
    this.rove(this.at[0], this.at[1], held === "token");
    if (held && held !== "token") this.list.querySelector(`[data-name=${held}]`)?.focus();
    scaleOf(this.scale, {most: 1, table: "sequential", language, words});
    this.read(null);
    this.root.dataset.painted = data.revision;
  }

  line(row, number) {
    const {words} = this.data, name = row.key === null ? words.present : fill(words.branch, {number});
    const tokens = row.pieces.map((piece, place) => this.token(row, number, place)), parts = [...tokens];
    if (row.more) parts.push(make("span", "more dim", fill(words.more, {count: whole(row.more, this.data.language)})));
    const text = make("div", "text", ...parts);
    text.setAttribute("role", "group");
    text.setAttribute("aria-label", `${name}. ${words.keys}`);
    const deeds = make("div", "deeds", ...(row.key === null ? [] : this.deeds(row, name)));
    const figures = make("div", "figures", ...row.figures.map(each => make("span", "", each)));
    const item = make("li", row.key === null ? "present" : "", make("div", "name", name), text, figures, deeds, make("p", "told dim", row.told));
    return {item, tokens};
  }

  token(row, number, place) {
    const share = row.shares[place], code = Math.round(255 * Math.sqrt(share)), element = make("span", "token", row.pieces[place]);
    element.style.setProperty("--lit", colour(SEQUENTIAL, code));
    element.style.setProperty("--on", onColour(SEQUENTIAL, code));
    element.classList.toggle("shared", row.key !== null && (row.parting === null || place < row.parting));
    element.classList.toggle("parting", place === row.parting);
    element.tabIndex = -1;
    element.dataset.name = "token";
    element.setAttribute("role", "img");
    element.setAttribute("aria-label", this.sentence(row, place));
    element.onpointerenter = () => this.read([number, place]);
    element.onfocus = () => this.read([number, place]);
    element.onclick = () => this.rove(number, place, true);
    return element;
  }

  deeds(row, name) {
    const {words} = this.data;
    return ["visit", "pin", "drop"].map(act => {
      const word = words[act === "pin" && row.pinned ? "unpin" : act], button = make("button", act, word);
      button.type = "button";
      button.dataset.name = `${act}-${row.key}`;
      button.setAttribute("aria-label", `${name}: ${word}`);
      if (act === "pin") button.setAttribute("aria-pressed", row.pinned);
      button.onclick = () => this.send("act", {act, key: row.key});
      return button;
    });
  }

  sentence(row, place) {
    const {words, first, language} = this.data;
    return fill(words.cell, {place: first + place, token: row.pieces[place], share: percent(row.shares[place], language)});
  }

  read(at) {
    this.readout.textContent = at ? this.sentence(this.data.rows[at[0]], at[1]) : "";
  }

  /** One token of all is in the tab order. */
  rove(number, place, focus) {
    this.lines[this.at[0]]?.tokens[this.at[1]]?.setAttribute("tabindex", -1);
    const tokens = this.lines[number]?.tokens ?? [], to = Math.min(place, tokens.length - 1);
    this.at = [number, Math.max(0, to)];
    tokens[to]?.setAttribute("tabindex", 0);
    if (focus) tokens[to]?.focus();
  }

  key(event) {
    if (!event.target.matches(".token")) return;
    const [number, place] = this.at, row = this.data.rows[number];
    if (event.key === "Enter" && row.key !== null) return this.send("act", {act: "visit", key: row.key});
    if (event.key === "Escape") return event.target.blur();
    const to = travelled(event, number, place, this.lines.length, row.pieces.length);
    if (to) this.rove(to[0], to[1], true);
  }
}
