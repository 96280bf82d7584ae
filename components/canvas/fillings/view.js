// One text, its blanks filled in several ways, one way under the other.

export default function (component) {
  const root = component.parentElement.querySelector(".fillings");
  root.drawn ??= new Fillings(root);
  root.drawn.receive(component);
}

class Fillings {
  constructor(root) {
    this.root = root;
    this.title = make("h2");
    this.legend = make("p", "dim");
    this.ways = make("div", "ways");
    this.say = make("p", "readout");
    this.say.setAttribute("aria-live", "polite");
    root.replaceChildren(this.title, this.legend, this.ways, this.say);
    this.ways.onkeydown = event => this.key(event);
    this.ways.onpointerleave = () => this.told(null);
  }

  receive(component) {
    if (!component.data) return;
    this.header = open(component.data).header;
    const {title, words, ways} = this.header;
    this.title.textContent = title;
    this.legend.textContent = words.legend;
    this.ways.replaceChildren(...ways.map((way, i) => this.way(way, i)));
    this.cells().forEach((cell, i) => { cell.tabIndex = i ? -1 : 0; });
    this.told(null);
    this.root.dataset.painted = this.header.revision;
  }

  cells() {
    return [...this.ways.querySelectorAll("button")];
  }

  way(way, row) {
    const {pieces, words} = this.header;
    const text = pieces.map((piece, place) => (way.put[place] ? this.blank(way, row, place) : make("span", "piece", piece)));
    const numbers = ["filled", "pseudo"].map(name => make("div", "number", make("span", "dim", words[name]), make("span", "value", way[name])));
    const name = make("div", "name", make("span", "", way.name), make("span", "dim", way.passes));
    return make("section", "way", name, make("div", "text", ...text), make("div", "numbers", ...numbers));
  }

  /** A blank: what stands in it, lit by how sure the model was, the pass in small; a dashed line under what was put there anew. */
  blank(way, row, place) {
    const line = way.put[place], last = line.at(-1), code = Math.round(255 * Math.sqrt(last.share));
    const changed = new Set(line.map(put => put.piece)).size > 1;
    const button = make("button", changed ? "blank revised" : "blank", make("span", "", last.piece), make("sub", "", whole(last.pass, this.header.language)));
    button.type = "button";
    button.style.background = colour(SEQUENTIAL, code);
    button.style.color = onColour(SEQUENTIAL, code);
    button.dataset.row = row;
    button.setAttribute("aria-label", this.sentence(row, place));
    button.onpointerenter = button.onfocus = button.onclick = () => this.told([row, place]);
    return button;
  }

  sentence(row, place) {
    const {ways, words, language} = this.header, line = ways[row].put[place], last = line.at(-1);
    const number = whole(last.pass, language), told = {token: last.piece, number, share: percent(last.share, language), position: whole(Number(place) + 1, language)};
    const before = line.slice(0, -1).map(put => `“${put.piece}” (${percent(put.share, language)})`).join(", ");
    return fill(words.cell, {...told, way: ways[row].name}) + (before ? ` ${fill(words.revised, {before})}` : "");
  }

  told(cell) {
    this.say.textContent = cell ? this.sentence(...cell) : this.header?.words.keys ?? "";
  }

  /** Left and right through the blanks of a way, up and down to the same blank in another. */
  key(event) {
    const cells = this.cells(), at = cells.indexOf(this.root.getRootNode().activeElement), each = cells.length / this.header.ways.length;
    if (at < 0) return;
    const to = travelled(event, Math.floor(at / each), at % each, this.header.ways.length, each);
    if (!to) return;
    const next = cells[to[0] * each + to[1]];
    cells.forEach(cell => { cell.tabIndex = cell === next ? 0 : -1; });
    next.focus();
  }
}
