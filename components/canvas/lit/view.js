// A text whose tokens are lit by a share. One of them at a time can be focused; Enter, or a click, makes it the one that is asked about.

export default function (component) {
  const root = component.parentElement.querySelector(".lit");
  root.drawn ??= new Lit(root);
  root.drawn.receive(component);
}

class Lit {
  constructor(root) {
    this.root = root;
    this.title = make("h3");
    this.text = make("div", "text");
    this.text.setAttribute("role", "group");
    this.scale = make("div", "scale");
    this.readout = make("p", "readout dim");
    this.readout.setAttribute("aria-live", "polite");
    root.replaceChildren(this.title, this.text, this.readout, this.scale);
    this.text.onkeydown = event => this.key(event);
    this.text.onpointerleave = () => this.read(null);
  }

  receive({data, setTriggerValue}) {
    if (!data) return;
    this.tell = setTriggerValue;
    this.data = data;
    const {words, pieces, source, chosen} = data, held = this.text.contains(this.text.getRootNode().activeElement) ? this.at : null;
    this.title.textContent = words.title;
    this.text.setAttribute("aria-label", `${words.title}. ${words.keys}`);
    const tokens = pieces.map((piece, number) => this.token(piece, number));
    const line = (name, from, to) => make("p", "line", ...(source ? [make("span", "name dim", name)] : []), ...tokens.slice(from, to));
    this.text.replaceChildren(...(source ? [line(words.source, 0, source)] : []), line(words.text, source));
    this.tokens = tokens;
    this.at = held !== null && held < tokens.length ? held : source + chosen;
    this.rove();
    if (held !== null) tokens[this.at].focus();
    scaleOf(this.scale, {most: 1, table: "sequential", language: data.language, words});
    this.read(null);
    this.root.dataset.painted = data.revision;
  }

  token(piece, number) {
    const {shares, source, chosen} = this.data, code = Math.round(255 * Math.sqrt(shares[number])), element = make("button", "token", piece);
    element.type = "button";
    element.style.background = colour(SEQUENTIAL, Math.max(10, code));
    element.style.color = onColour(SEQUENTIAL, Math.max(10, code));
    element.classList.toggle("chosen", number === source + chosen);
    element.setAttribute("aria-pressed", number === source + chosen);
    element.setAttribute("aria-label", this.sentence(number));
    element.onpointerenter = () => this.read(number);
    element.onfocus = () => this.read(number);
    element.onclick = () => this.choose(number);
    return element;
  }

  sentence(number) {
    const {words, pieces, shares, language} = this.data;
    return fill(words.cell, {token: pieces[number], place: number + 1, value: percent(shares[number], language)});
  }

  read(number) {
    this.readout.textContent = number === null ? this.data?.words.hint ?? "" : this.sentence(number);
  }

  choose(number) {
    const {source} = this.data;
    this.at = number;
    this.rove();
    if (number >= source) this.tell("chosen", {token: number - source});
  }

  rove() {
    this.tokens.forEach((token, number) => { token.tabIndex = number === this.at ? 0 : -1; });
  }

  key(event) {
    if (!this.tokens) return;
    const to = travelled(event, 0, this.at, 1, this.tokens.length);
    if (!to) return;
    this.at = to[1];
    this.rove();
    this.tokens[this.at].focus();
  }
}
