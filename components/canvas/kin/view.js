// A head's map and its relatives', a button each; the first is the head itself.

const SIZE = 118;

export default function (component) {
  const root = component.parentElement.querySelector(".kin");
  root.drawn ??= new Kin(root);
  root.drawn.receive(component);
}

class Kin {
  constructor(root) {
    this.root = root;
    this.title = make("h3");
    this.row = make("div", "row");
    root.replaceChildren(this.title, this.row);
  }

  async receive({data, setTriggerValue}) {
    if (!data) return;
    const {header, parts} = open(data);
    this.asked = header;
    const codes = await inflate(parts[0]);
    if (this.asked !== header) return;
    this.title.textContent = header.title;
    const size = header.rows * header.columns;
    this.row.replaceChildren(...header.heads.map((head, at) => this.card(head, at, codes.subarray(at * size, (at + 1) * size), header, setTriggerValue)));
    this.root.dataset.painted = header.revision;
  }

  card({label, told}, at, codes, {rows, columns}, tell) {
    const canvas = make("canvas"), button = make("button", at ? "" : "self", canvas, make("b", "", label), make("span", "dim", told));
    canvas.setAttribute("aria-hidden", "true");
    button.type = "button";
    if (!at) button.setAttribute("aria-current", "true");
    button.onclick = () => at && tell("chosen", {relative: at});
    this.paint(canvas, codes, rows, columns);
    return button;
  }

  paint(canvas, codes, rows, columns) {
    const pen = sharp(canvas, SIZE, SIZE), cell = SIZE / Math.max(rows, columns), gap = cell >= 5 ? 0.75 : 0;
    pen.fillStyle = PLATE.hairline;
    pen.fillRect(0, 0, columns * cell, rows * cell);
    codes.forEach((code, at) => {
      pen.fillStyle = colour(SEQUENTIAL, code);
      pen.fillRect((at % columns) * cell, Math.floor(at / columns) * cell, cell - gap, cell - gap);
    });
  }
}
