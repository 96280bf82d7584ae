// Tiles as buttons in a grid; one of them takes the Tab key, the arrows travel among the rest.
export default function (component) {
  const root = component.parentElement.querySelector(".tiles");
  root.board ??= new Tiles(root);
  root.board.receive(component);
}

class Tiles {
  constructor(root) {
    this.root = root;
    this.grid = make("div", "grid");
    this.grid.setAttribute("role", "grid");
    this.help = make("p", "dim");
    root.replaceChildren(make("div", "scroll", this.grid), this.help);
    this.grid.onkeydown = event => this.key(event);
  }

  receive({data, setTriggerValue}) {
    if (!data) return;
    const shape = JSON.stringify([data.columns, data.rows.map(({label, tiles}) => [label, tiles.map(tile => tile.name)])]);
    this.data = data;
    this.send = (name, act) => setTriggerValue("tile", {name, act});
    this.grid.setAttribute("aria-label", data.label);
    this.help.textContent = data.help;
    this.help.hidden = !data.help;
    if (shape !== this.shape) this.build();
    this.shape = shape;
    this.dress();
    this.root.dataset.painted = data.painted;
  }

  build() {
    const {rows, columns} = this.data, wide = Math.max(...rows.map(({tiles}) => tiles.reduce((sum, tile) => sum + (tile.wide ? 2 : 1), 0)));
    this.grid.style.setProperty("--columns", wide);
    this.lines = rows.map(({label, tiles}) => {
      const line = make("div", "line", head(label, "rowheader"));
      line.setAttribute("role", "row");
      const buttons = tiles.map(tile => {
        const button = make("button", tile.wide ? "wide" : "");
        button.type = "button";
        button.setAttribute("role", "gridcell");
        button.dataset.name = tile.name;
        button.onclick = () => this.choose(tile.name, "choose");
        line.append(button);
        return button;
      });
      return {line, buttons};
    });
    const top = make("div", "line", head("", "cell"), ...columns.map(column => head(column, "columnheader")));
    top.setAttribute("role", "row");
    this.grid.replaceChildren(...(columns.length ? [top] : []), ...this.lines.map(({line}) => line));
    this.at = null;
  }

  dress() {
    const {rows, chosen, table} = this.data;
    rows.forEach(({tiles}, row) => tiles.forEach((tile, column) => {
      const button = this.lines[row].buttons[column];
      button.textContent = tile.text;
      button.setAttribute("aria-label", tile.told);
      button.setAttribute("aria-selected", tile.name === chosen);
      button.title = tile.told;
      button.dataset.mark = tile.mark;
      const coloured = tile.code !== null;
      button.style.background = coloured ? colour(TABLE[table], tile.code) : "";
      button.style.color = coloured ? onColour(TABLE[table], tile.code) : "";
      if (tile.name === chosen && !this.at) this.at = [row, column];
    }));
    this.rove(this.at ?? [0, 0], false);
  }

  rove([row, column], focus) {
    const line = this.lines[Math.max(0, Math.min(this.lines.length - 1, row))].buttons;
    const target = line[Math.max(0, Math.min(line.length - 1, column))];
    for (const {buttons} of this.lines) for (const button of buttons) button.tabIndex = button === target ? 0 : -1;
    this.at = [this.lines.findIndex(({buttons}) => buttons === line), line.indexOf(target)];
    if (focus) target.focus();
  }

  key(event) {
    const place = this.lines.map(({buttons}) => buttons.indexOf(event.target)), row = place.findIndex(at => at >= 0);
    if (row < 0) return;
    const widest = Math.max(...this.lines.map(({buttons}) => buttons.length));
    const to = travelled(event, row, place[row], this.lines.length, widest);
    if (to) this.rove(to, true);
    if (event.key.toLowerCase() === "s" && this.data.silences && !event.ctrlKey && !event.metaKey) this.choose(event.target.dataset.name, "silence");
  }

  choose(name, act) {
    for (const {buttons} of this.lines) for (const button of buttons) {
      button.setAttribute("aria-selected", button.dataset.name === name);
      if (button.dataset.name === name) this.at = [this.lines.findIndex(line => line.buttons === buttons), buttons.indexOf(button)];
    }
    this.rove(this.at, false);
    this.send(name, act);
  }
}

function head(text, role) {
  const label = make("span", role === "rowheader" ? "row dim" : "column dim", text);
  label.setAttribute("role", role);
  return label;
}
