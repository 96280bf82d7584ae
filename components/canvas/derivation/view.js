// One number, its formula, and a row for each term: what it multiplies, each a way further back, and what it adds as a bar.
export default function (component) {
  const root = component.parentElement.querySelector(".derivation");
  root.drawn ??= new Derivation(root);
  root.drawn.send = component.setTriggerValue;
  if (component.data) root.drawn.receive(open(component.data).header);
}

const COLD = colour(DIVERGING, 70), WARM = colour(DIVERGING, 190);

class Derivation {
  constructor(root) {
    this.root = root;
    this.acted = false; // after a step of the reader's own the focus goes along; a page that opens leaves it alone
    root.onkeydown = event => this.key(event);
  }

  receive(data) {
    this.arrive(data.arrived);
    if (this.data?.revision === data.revision && this.data.place === data.place && this.data.value === data.value && this.data.words.back === data.words.back) return;
    this.data = data;
    this.rows = data.rows.map(row => this.row(row));
    const list = make("ol", "rows", ...this.rows, ...(data.rest ? [this.row(data.rest)] : []));
    list.setAttribute("aria-label", data.words.operands);
    this.root.replaceChildren(this.way(), this.head(), make("p", "column dim", data.column), list, make("p", "keys dim", data.words.keys));
    if (this.acted) (this.root.querySelector(".rows button") ?? this.back).focus({preventScroll: true});
    this.acted = false;
    this.root.dataset.painted = data.revision;
  }

  /** Whoever comes from another picture is brought here, once. */
  arrive(at) {
    if (at && at !== this.arrived) setTimeout(() => this.root.scrollIntoView({block: "start", behavior: "instant"}), 60);
    this.arrived = at || this.arrived;
  }

  // ---------------------------------------------------------------- parts

  /** The way here: every step a button, the last one where we are. */
  way() {
    const {trail, here, words} = this.data;
    this.back = make("button", "back", `← ${words.back}`);
    Object.assign(this.back, {type: "button", disabled: !trail.length, onclick: () => this.go({back: trail.length - 1})});
    const steps = trail.map((name, step) => {
      const button = make("button", "", name);
      Object.assign(button, {type: "button", onclick: () => this.go({back: step})});
      return make("li", "", button);
    });
    const last = make("li", "here", here);
    last.setAttribute("aria-current", "step");
    const nav = make("nav", "trail", this.back, make("ol", "", ...steps, last));
    nav.setAttribute("aria-label", words.trail);
    return nav;
  }

  head() {
    const {place, address, value, symbols, worked, legend} = this.data;
    const letters = make("dl", "legend", ...legend.map(([letter, meant]) => make("div", "", make("dt", "", letter), make("dd", "dim", meant))));
    const formula = make("div", "formula", make("p", "symbols", symbols), ...worked.map(line => make("p", "", ...result(line))), letters);
    const number = make("output", "value", value);
    return make("div", "head", make("div", "what", make("h3", "", place), number, make("code", "dim", address)), formula);
  }

  row({operands, amount, written, own}) {
    const parts = operands.flatMap((operand, i) => [...(i ? [make("span", "times", "×")] : []), this.operand(operand)]);
    const bar = make("div", `bar${this.data.signed ? "" : " shares"}`);
    bar.setAttribute("aria-hidden", "true");
    if (amount) bar.append(this.length(amount));
    else if (amount === null) bar.style.visibility = "hidden";
    return make("li", own ? "own" : "", make("div", "operands", ...parts), bar, make("span", "amount", written));
  }

  /** An operand: a button where it can be followed. Its whole place is what a pointer and a screen reader find. */
  operand({letter, value, words, address, follow}) {
    const inside = [make("b", "", letter), ...(value ? [make("span", "", value)] : [])];
    const element = make(follow === null ? "span" : "button", "operand", ...inside);
    element.title = [words, address].filter(Boolean).join("\n");
    if (follow === null) return element;
    element.setAttribute("aria-label", `${words}: ${value}. ${this.data.words.follow}`);
    Object.assign(element, {type: "button", onclick: () => this.go({follow})});
    element.dataset.address = address;
    return element;
  }

  /** A term's bar: from the middle to either side, or from the left where nothing can be negative. */
  length(amount) {
    const share = Math.max(0.004, Math.min(1, Math.abs(amount) / this.data.most)), bar = make("i", "");
    const wide = this.data.signed ? 50 * share : 100 * share;
    bar.style.width = `${wide}%`;
    bar.style.left = this.data.signed ? `${amount < 0 ? 50 - wide : 50}%` : "0";
    bar.style.background = amount < 0 ? COLD : WARM;
    return bar;
  }

  // ---------------------------------------------------------------- steps

  go(step) {
    if (this.going === this.data.revision) return;
    this.going = this.data.revision;
    setTimeout(() => { this.going = null; }, 1500);
    this.acted = true;
    this.send("go", {...step, revision: this.data.revision});
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Backspace" && this.data.trail.length) {
      event.preventDefault();
      this.go({back: this.data.trail.length - 1});
    }
    const here = event.target.closest(".rows button"), by = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]}[event.key];
    if (!here || !by) return;
    event.preventDefault();
    this.travel(here, ...by)?.focus();
  }

  /** The operand that an arrow leads to: up and down among terms, left and right among factors. */
  travel(here, rows, columns) {
    const grid = this.rows.map(row => [...row.querySelectorAll("button")]).filter(row => row.length);
    const row = grid.findIndex(each => each.includes(here)), column = grid[row].indexOf(here);
    const to = grid[Math.max(0, Math.min(grid.length - 1, row + rows))];
    return to[Math.max(0, Math.min(to.length - 1, column + columns))];
  }
}

/** An equation, its result set off. */
function result(line) {
  const at = line.lastIndexOf("= ") + 1;
  return at ? [line.slice(0, at), make("strong", "", line.slice(at))] : [line];
}
