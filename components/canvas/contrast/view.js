// A text written by contrastive search over what greedy decoding wrote; under them the candidates of one of its tokens.

const SHOWN = 60; // tokens of the prompt that stand before the new ones; of a long one the last

export default function (component) {
  const root = component.parentElement.querySelector(".contrast");
  root.drawn ??= new Contrast(root);
  root.drawn.receive(component);
}

class Contrast {
  constructor(root) {
    this.root = root;
    this.title = make("h2");
    this.legend = make("p", "legend dim");
    this.ours = make("div", "text");
    this.theirs = make("div", "text");
    this.heading = make("h3", "step");
    this.formula = make("p", "dim formula");
    this.bars = make("div", "bars");
    this.say = make("p", "readout");
    this.say.setAttribute("aria-live", "polite");
    root.replaceChildren(this.title, this.legend, this.ours, this.theirs, this.heading, this.formula, this.bars, this.say);
    this.ours.onkeydown = event => this.key(event);
  }

  receive(component) {
    this.component = component;
    if (!component.data) return;
    const before = this.header?.revision;
    this.header = open(component.data).header;
    const {title, words, formula, steps} = this.header;
    if (before !== this.header.revision) this.at = this.header.at;
    this.at = Math.max(0, Math.min(this.at, steps.length - 1));
    this.title.textContent = title;
    this.legend.textContent = words.legend;
    this.formula.textContent = formula;
    this.write();
    this.open();
    this.root.dataset.painted = `${this.header.revision}/${this.at}`;
  }

  write() {
    const {given, steps, greedy, words, variety} = this.header;
    const hidden = Math.max(0, given.length - SHOWN), more = hidden ? [this.piece("…", "given")] : [];
    const before = given.map((piece, place) => this.piece(piece, "given", place)).slice(hidden);
    const tokens = steps.map((step, i) => {
      const button = make("button", step.chosen ? "token moved" : "token", step.piece);
      button.type = "button";
      button.dataset.place = given.length + i;
      button.setAttribute("aria-label", fill(words.token, {number: i + 1, token: step.piece}) + (step.chosen ? ` ${words.other}` : ""));
      button.onclick = () => this.go(i);
      return button;
    });
    this.ours.replaceChildren(this.name(words.ours, variety[0]), make("div", "pieces", ...more, ...before, ...tokens));
    const same = (hidden ? ["…", ...given.slice(hidden)] : given).map(piece => this.piece(piece, "given"));
    const theirs = [...same, ...greedy.map(piece => this.piece(piece, "token"))];
    this.theirs.replaceChildren(this.name(words.greedy, variety[1]), make("div", "pieces", ...theirs));
  }

  name(said, variety) {
    return make("div", "name", make("span", "", said), make("span", "dim", fill(this.header.words.variety, {share: variety})));
  }

  piece(text, kind, place) {
    const element = make("span", kind, text);
    if (place !== undefined) element.dataset.place = place;
    return element;
  }

  // ---------------------------------------------------------------- one step

  go(i) {
    this.at = i;
    this.open();
    this.component.setTriggerValue("go", {step: i});
  }

  open() {
    const {steps, words} = this.header, step = steps[this.at];
    [...this.ours.querySelectorAll("button")].forEach((button, i) => {
      button.setAttribute("aria-pressed", String(i === this.at));
      button.tabIndex = i === this.at ? 0 : -1;
    });
    this.heading.textContent = fill(words.step, {number: this.at + 1, token: step.piece});
    const names = ["candidate", "probability", "likeness", "score"].map(name => make("span", name, words[name]));
    const head = make("div", "head dim", ...names);
    head.setAttribute("aria-hidden", "true");
    const list = make("ul", "", ...step.trials.map((trial, i) => this.bar(trial, i === step.chosen)));
    this.bars.replaceChildren(head, list);
    this.point(step.trials[step.chosen].place);
    this.say.textContent = `${this.row(step.trials[step.chosen])} ${words.keys}`;
  }

  bar(trial, taken) {
    const {words, language} = this.header, item = make("li", taken ? "taken" : "");
    const strip = (share, said, kind) => {
      const fillable = make("i");
      fillable.style.width = `${100 * Math.max(0, Math.min(1, share))}%`;
      return make("span", `strip ${kind}`, make("span", "rail", fillable), make("span", "value", said));
    };
    const like = make("span", "of dim", fill(words.resembles, {token: trial.resembles, place: whole(trial.place + 1, language)}));
    const likeness = strip(trial.likeness, this.number(trial.likeness), "like");
    likeness.append(like);
    item.append(make("span", "piece", trial.piece), strip(trial.share, percent(trial.share, language), "share"), likeness);
    item.append(make("span", "score", this.number(trial.score)));
    if (taken) item.append(make("span", "mark", words.taken));
    item.onpointerenter = () => this.point(trial.place);
    item.onpointerleave = () => this.point(this.header.steps[this.at].trials[this.header.steps[this.at].chosen].place);
    return item;
  }

  /** Ring the token that a candidate resembles. */
  point(place) {
    for (const piece of this.ours.querySelectorAll("[data-place]")) piece.classList.toggle("resembled", Number(piece.dataset.place) === place);
  }

  row(trial) {
    const {words, language} = this.header, shares = {share: percent(trial.share, language), likeness: this.number(trial.likeness)};
    return fill(words.row, {token: trial.piece, ...shares, resembled: trial.resembles, score: this.number(trial.score)});
  }

  number(value) {
    return value.toLocaleString(this.header.language, {minimumFractionDigits: 3, maximumFractionDigits: 3}).replace("-", "−");
  }

  key(event) {
    const to = travelled(event, 0, this.at, 1, this.header.steps.length);
    if (!to) return;
    this.go(to[1]);
    this.ours.querySelectorAll("button")[to[1]].focus();
  }
}
