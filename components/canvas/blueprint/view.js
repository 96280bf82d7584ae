// One or two models as SVG: every part a button with its explanation, arrows from part to part, one card for what is pointed at.

const SVG = "http://www.w3.org/2000/svg", ROOMY = 720;

export default function (component) {
  const root = component.parentElement.querySelector(".blueprint");
  root.drawn ??= new Blueprint(root);
  root.drawn.receive(component);
  return whenGone(root, () => root.drawn.watch.disconnect());
}

class Blueprint {
  constructor(root) {
    this.root = root;
    this.figures = make("div", "figures");
    this.cards = make("div", "cards");
    this.legend = make("p", "legend");
    this.words = make("div", "differences");
    root.replaceChildren(this.legend, make("div", "table", this.figures, this.words, this.cards));
    root.onpointerleave = () => this.show(this.locked);
    root.onkeydown = event => event.key === "Escape" && this.lock("");
    this.watch = new ResizeObserver(() => this.fit());
    this.watch.observe(root);
  }

  // ---------------------------------------------------------------- from Python

  receive({data, setStateValue}) {
    if (!data) return;
    this.send = setStateValue;
    const fresh = data.painted !== this.data?.painted;
    this.data = data;
    if (fresh) {
      this.at = undefined;
      for (const [group, value] of Object.entries(data.colours)) this.root.style.setProperty(`--${group}`, value);
      this.root.dataset.figures = data.figures.length;
      this.root.toggleAttribute("data-broad", data.figures.some(figure => figure.broad));
      this.legend.replaceChildren(...data.legend.map(({state, label}) => make("span", state, make("i"), label)));
      this.words.replaceChildren(...(data.figures.length > 1 ? [make("h2", "", data.words.differing), this.differences(data)] : []));
      this.drawn = "";
    }
    this.locked = data.chosen;
    this.fit();
    this.show(this.locked);
    this.root.dataset.painted = data.painted;
  }

  /** Two columns where there is room for them, else one above the other; drawn again only when that changes. */
  fit() {
    if (!this.data) return;
    const shape = this.root.clientWidth < ROOMY ? "narrow" : "wide";
    if (shape === this.drawn) return;
    this.drawn = shape;
    this.figures.replaceChildren(...this.data.figures.map((figure, number) => this.figure(figure, figure.views[shape], number)));
    this.show(this.shown ?? this.locked);
  }

  // ---------------------------------------------------------------- drawing

  figure(figure, view, number) {
    const [x, y, w, h] = view.box;
    const svg = shape("svg", {viewBox: `${x} ${y} ${w} ${h}`, role: "group", "aria-label": figure.label, class: "drawing"});
    const under = shape("g", {class: "grounds", "aria-hidden": true}), flows = shape("g", {class: "flows", "aria-hidden": true});
    under.append(...view.grounds.map(mark => picture(mark)));
    flows.append(...view.wires.map(({d, flow}) => shape("path", {d, class: flow})));
    const sums = shape("g", {class: "sums", "aria-hidden": true});
    sums.append(...view.knots.map(mark => picture(mark)), ...view.sums.map(({x, y, branches}) => plus(x, y, branches)));
    const parts = view.parts.map(part => this.part(figure, part, number));
    const [blocks, rest] = [parts.filter(part => part.dataset.kind === "block"), parts.filter(part => part.dataset.kind !== "block")];
    svg.append(...blocks, under, flows, sums, ...rest);
    const named = make("h2", "title", ...(figure.mark ? [make("b", "", figure.mark)] : []), figure.title);
    named.style.setProperty("--pair", figure.colour);
    const whole = make("figure", "", named, svg);
    whole.style.setProperty("--natural", `${w}px`);
    this.rove(svg, parts);
    return whole;
  }

  part(figure, {name, box, marks}, number) {
    const {state, group, told} = figure.parts[name];
    const part = shape("g", {class: `part ${state}`, role: "button", tabindex: -1, "aria-label": told, "aria-pressed": false});
    Object.assign(part.dataset, {part: name, figure: number, kind: name.replace(/^source\./, "")});
    part.style.setProperty("--tone", `var(--${group})`);
    const halo = shape("rect", {x: box.x - 2, y: box.y - 2, width: box.w + 4, height: box.h + 4, rx: 8, class: "halo"});
    part.append(halo, ...marks.map(mark => picture(mark)));
    part.onpointerenter = () => this.show(name);
    part.onfocus = () => this.show(name);
    part.onclick = () => this.lock(this.locked === name ? "" : name);
    return part;
  }

  /** One stop of the Tab key a drawing; arrows go through its parts in the order of the pass. */
  rove(svg, parts) {
    parts[0].setAttribute("tabindex", 0);
    svg.onkeydown = event => {
      const at = parts.indexOf(event.target), last = parts.length - 1;
      if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        return this.lock(this.locked === parts[at].dataset.part ? "" : parts[at].dataset.part);
      }
      const to = {ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: last}[event.key];
      if (to === undefined) return;
      event.preventDefault();
      const next = parts[Math.max(0, Math.min(last, to))];
      for (const part of parts) part.setAttribute("tabindex", part === next ? 0 : -1);
      next.focus();
    };
  }

  // ---------------------------------------------------------------- what differs, in words

  /** A line a setting; pointing at one points at its part in both drawings. */
  differences({differences, figures, words}) {
    if (!differences.length) return make("p", "dim", words.nothing);
    const heads = figures.map(({mark, title, colour}) => {
      const head = make("th", "", make("b", "", mark), title);
      head.scope = "col";
      head.style.setProperty("--pair", colour);
      return head;
    });
    const body = [false, true].flatMap(size => {
      const lines = differences.filter(line => line.size === size);
      const title = make("th", "", size ? words.size : words.design);
      Object.assign(title, {colSpan: 3, scope: "colgroup"});
      return lines.length ? [make("tr", "kind", title), ...lines.map(line => this.line(line))] : [];
    });
    return make("table", "", make("thead", "", make("tr", "", make("td", ""), ...heads)), make("tbody", "", ...body));
  }

  line({part, name, values}) {
    const button = make("button", "", name), head = make("th", "", button);
    head.scope = "row";
    button.type = "button";
    button.onclick = () => this.lock(this.locked === part ? "" : part);
    button.onfocus = () => this.show(part);
    const row = make("tr", "", head, ...values.map(value => make("td", "", value)));
    row.onpointerenter = () => this.show(part);
    return row;
  }

  // ---------------------------------------------------------------- the card

  lock(name) {
    this.locked = name;
    this.show(name);
    this.send("part", name);
  }

  show(name) {
    this.shown = name;
    for (const part of this.root.querySelectorAll(".part")) {
      part.classList.toggle("near", part.dataset.part === name);
      part.setAttribute("aria-pressed", part.dataset.part === this.locked);
    }
    const named = this.data.figures.filter(figure => name in figure.parts);
    const cards = named.length ? named.map(figure => this.card(figure, figure.parts[name])) : this.data.figures.map(figure => this.card(figure, figure.whole));
    this.cards.replaceChildren(...cards, ...(named.length ? [] : [make("p", "hint dim", this.data.words.hint)]));
  }

  card(figure, {title, about, rows, state, group}) {
    const list = make("dl", "", ...rows.flatMap(([name, value]) => [make("dt", "", name), make("dd", "", value)]));
    const head = make("h2", "", ...(figure.mark ? [make("b", "", figure.mark)] : []), title);
    head.style.setProperty("--pair", figure.colour);
    const card = make("article", state ?? "", head, make("p", "", about), list);
    card.style.setProperty("--tone", `var(--${group})`);
    return card;
  }
}

function shape(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** A path, or words; words are text, never markup. */
function picture(mark) {
  if (mark.d !== undefined) return shape("path", {d: mark.d, class: mark.tone});
  const text = shape("text", {x: mark.x, y: mark.y, class: `${mark.role} ${mark.anchor}`});
  if (mark.turned) text.setAttribute("transform", `rotate(-90 ${mark.x} ${mark.y})`);
  text.textContent = mark.text;
  return text;
}

/** Where branches return, a plus in a ring; where something is added to the input, a smaller one. */
function plus(x, y, branches) {
  const group = shape("g", {class: branches ? "sum" : "sum input", "data-branches": branches}), radius = branches ? 10 : 7;
  group.append(shape("circle", {cx: x, cy: y, r: radius}), shape("path", {d: `M${x - radius + 4} ${y}h${2 * radius - 8}M${x} ${y - radius + 4}v${2 * radius - 8}`}));
  return group;
}
