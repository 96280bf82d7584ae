// Speculative decoding, a stage at a time. The browser turns the pages and, once the reader rests, tells Python where.

const SIGNS = {
  restart: "M5 5h2.4v14H5zM19 5v14L8.6 12z",
  back: "M15.5 5v14L5.5 12zM17 5h2v14h-2z",
  play: "M7 4.5v15L19 12z",
  pause: "M6.5 5h4v14h-4zM13.5 5h4v14h-4z",
  step: "M8.5 5v14L18.5 12zM5 5h2v14H5z",
  end: "M16.6 5H19v14h-2.4zM5 5v14l10.4-7z",
};
const KINDS = ["propose", "read", "judge", "add"], COLUMNS = ["token", "q", "p", "kept", "replaced", "sum"];
const BEAT = 1_200, REST = 400; // milliseconds: a stage while it plays, and until Python hears of one

export default function (component) {
  const root = component.parentElement.querySelector(".drafts");
  root.drawn ??= new Drafts(root);
  root.drawn.receive(component);
  return whenGone(root, () => root.drawn?.leave());
}

class Drafts {
  constructor(root) {
    Object.assign(this, {root, at: 0, looked: null});
    this.title = make("h2");
    this.text = make("div", "text");
    this.text.tabIndex = 0;
    this.keys = Object.fromEntries(["restart", "back", "play", "step", "end"].map(name => [name, this.key(name)]));
    this.position = make("output", "position");
    this.stages = make("ol", "stages");
    this.cells = make("div", "cells");
    this.say = make("p", "readout");
    this.say.setAttribute("aria-live", "polite");
    this.sums = make("dl", "sums");
    this.proof = make("div", "proof");
    this.list = make("div", "rounds");
    const deck = make("div", "deck", make("div", "keys", ...Object.values(this.keys)), this.position);
    root.replaceChildren(this.title, this.text, deck, this.stages, this.cells, this.say, this.sums, this.proof, this.list);
    root.tabIndex = 0;
    root.setAttribute("role", "group");
    root.onkeydown = event => this.pressed(event);
  }

  key(name) {
    const sign = document.createElementNS("http://www.w3.org/2000/svg", "svg"), path = document.createElementNS(sign.namespaceURI, "path");
    sign.setAttribute("viewBox", "0 0 24 24");
    sign.setAttribute("aria-hidden", "true");
    sign.append(path);
    const button = make("button", name, sign, make("span"));
    button.type = "button";
    button.onclick = () => this.act(name);
    return button;
  }

  leave() {
    clearInterval(this.playing);
    clearTimeout(this.telling);
    delete this.root.drawn;
  }

  receive(component) {
    this.component = component;
    if (!component.data) return;
    const before = this.header?.revision;
    this.header = open(component.data).header;
    if (before !== this.header.revision) Object.assign(this, {at: this.header.at, looked: null});
    this.at = Math.min(this.at, this.header.stages.length);
    this.title.textContent = this.header.words.title;
    this.root.setAttribute("aria-label", `${this.header.words.title}. ${this.header.words.keys}`);
    this.draw();
  }

  // ---------------------------------------------------------------- turning the pages

  act(name) {
    if (name === "play") return this.play(!this.playing);
    this.play(false);
    const last = this.header.stages.length;
    this.go({restart: 0, back: this.at - 1, step: this.at + 1, end: last}[name]);
  }

  go(at) {
    const held = Math.max(0, Math.min(this.header.stages.length, at));
    if (held === this.at) return;
    Object.assign(this, {at: held, looked: null});
    this.draw();
    clearTimeout(this.telling);
    this.telling = setTimeout(() => this.component.setTriggerValue("went", {at: this.at}), REST);
  }

  play(on) {
    clearInterval(this.playing);
    if (on && this.at === this.header.stages.length) this.go(0);
    this.playing = on ? setInterval(() => (this.at < this.header.stages.length ? this.go(this.at + 1) : this.play(false)), BEAT) : 0;
    this.dress();
  }

  pressed(event) {
    if (!this.header || event.ctrlKey || event.metaKey || event.altKey) return;
    if ([" ", "Enter"].includes(event.key) && event.target.closest("button")) return;
    const name = {ArrowRight: "step", ArrowLeft: "back", Home: "restart", End: "end", " ": "play"}[event.key];
    if (!name) return;
    event.preventDefault();
    this.act(name);
  }

  // ---------------------------------------------------------------- where the story stands

  /** The round on show, and how many of its stages are over: 1 proposed, 2 read, 3 judged, 4 added. */
  get here() {
    const stage = this.header.stages[this.at - 1];
    return stage ? {round: stage.round, done: KINDS.indexOf(stage.kind) + 1} : {round: 0, done: 0};
  }

  /** How far a round has come. */
  done(number) {
    const {round, done} = this.here;
    return number < round ? 4 : number > round ? 0 : done;
  }

  /** Which proposal's shares are drawn: the one the reader looks at, else the rejected one, else the last judged. */
  get proved() {
    const {round, done} = this.here, drafts = this.header.rounds[round]?.drafts ?? [];
    if (done < 2) return null;
    const judged = drafts.filter(draft => draft.verdict).length;
    return judged ? Math.min(this.looked ?? judged - 1, judged - 1) : null;
  }

  draw() {
    this.dress();
    this.write();
    this.show();
    this.tell();
    this.count();
    this.prove();
    this.recall();
    this.root.dataset.painted = `${this.header.revision}/${this.at}`;
  }

  dress() {
    const {words, stages} = this.header;
    for (const [name, button] of Object.entries(this.keys)) {
      const shown = name === "play" && this.playing ? "pause" : name;
      button.querySelector("path").setAttribute("d", SIGNS[shown]);
      button.querySelector("span").textContent = words[shown];
      button.setAttribute("aria-label", words[shown]);
    }
    this.keys.restart.disabled = this.keys.back.disabled = this.at === 0;
    this.keys.step.disabled = this.keys.end.disabled = this.at === stages.length;
    const {round, done} = this.here;
    this.position.textContent = fill(words.position, {round: done ? round + 1 : 0, rounds: this.header.rounds.length});
    this.stages.replaceChildren(...KINDS.map((kind, i) => {
      const item = make("li", i + 1 === done ? "now" : i + 1 < done ? "over" : "", words[`stage_${kind}`]);
      if (i + 1 === done) item.setAttribute("aria-current", "step");
      return item;
    }));
  }

  // ---------------------------------------------------------------- the text

  write() {
    const {before, cut, rounds, words} = this.header, given = before.map(piece => make("span", "given", piece));
    const grown = rounds.flatMap((round, number) => this.pieces(round, this.done(number)));
    this.text.setAttribute("aria-label", words.title);
    this.text.replaceChildren(...(cut ? [make("span", "given", "…")] : []), ...given, ...grown);
    this.text.scrollTop = this.text.scrollHeight;
  }

  pieces(round, done) {
    if (!done) return [];
    const drafts = round.drafts.map(draft => make("span", this.fate(draft, done), draft.piece));
    if (done === 4) return [...drafts.filter(piece => piece.className === "accepted"), ...(round.added ? [make("span", round.added.origin, round.added.piece)] : [])];
    return drafts;
  }

  fate(draft, done) {
    return done < 3 ? "proposed" : draft.verdict ? (draft.verdict.accepted ? "accepted" : "rejected") : "dropped";
  }

  // ---------------------------------------------------------------- one round

  show() {
    const {rounds} = this.header, {round: number, done} = this.here, round = rounds[number];
    const held = [...this.cells.children].indexOf(this.root.getRootNode().activeElement);
    if (!round || !done) { this.cells.replaceChildren(); return; }
    const cells = round.drafts.map((draft, i) => this.cell(draft, i, done));
    const rejected = round.drafts.findIndex(draft => draft.verdict && !draft.verdict.accepted);
    if (round.added && done === 4) cells.splice(rejected < 0 ? cells.length : rejected + 1, 0, this.added(round.added));
    this.cells.replaceChildren(...cells);
    if (held >= 0) this.cells.children[held]?.focus();
  }

  cell(draft, i, done) {
    const {words, language, drawn} = this.header, fate = this.fate(draft, done), verdict = draft.verdict;
    const lines = [[words.draft, percent(draft.q, language)]];
    if (done >= 2 && verdict) lines.push([words.target, percent(verdict.p, language)]);
    if (done >= 3 && verdict) lines.push([words.chance, percent(verdict.chance, language)], ...(drawn ? [[words.die, this.number(verdict.die, 3)]] : []));
    const told = lines.flatMap(([name, value]) => [make("span", "dim", name), make("b", "", value)]);
    const mark = done >= 3 ? [make("span", "mark", `${{accepted: "✓", rejected: "✗", dropped: "–"}[fate]} ${words[fate]}`)] : [];
    const button = make("button", `cell ${fate}`, make("span", "piece", draft.piece), make("span", "lines", ...told), ...mark);
    button.type = "button";
    button.disabled = done < 2 || !verdict;
    button.setAttribute("aria-pressed", String(this.proved === i));
    const spoken = lines.map(([name, value]) => `${name} ${value}`).join(", ");
    button.setAttribute("aria-label", [`${draft.piece}: ${spoken}`, ...(mark.length ? [words[fate]] : []), ...(button.disabled ? [] : [words.look])].join(". "));
    button.onclick = () => { this.looked = i; this.show(); this.prove(); };
    return button;
  }

  added({piece, origin, share, die}) {
    const {words, language, drawn} = this.header;
    const lines = [[words[origin === "correction" ? "left" : "target"], percent(share, language)], ...(drawn ? [[words.die, this.number(die, 3)]] : [])];
    const told = lines.flatMap(([name, value]) => [make("span", "dim", name), make("b", "", value)]);
    return make("div", `cell ${origin}`, make("span", "piece", piece), make("span", "lines", ...told), make("span", "mark", `+ ${words[origin]}`));
  }

  number(value, digits) {
    return value.toLocaleString(this.header.language, {minimumFractionDigits: digits, maximumFractionDigits: digits});
  }

  tell() {
    const {words, rounds, language} = this.header, {round: number, done} = this.here, round = rounds[number];
    this.say.textContent = done ? this[KINDS[done - 1]](round, words, language) : words.begin;
  }

  propose({drafts}, words) {
    return this.counted("propose", drafts.length, {tokens: drafts.map(draft => draft.piece).join(" ")}, words);
  }

  read({drafts}, words) {
    return this.counted("read", drafts.length, {}, words);
  }

  judge({drafts}, words, language) {
    const judged = drafts.filter(draft => draft.verdict), last = judged.at(-1);
    if (last.verdict.accepted) return this.counted(this.header.drawn ? "judge_all" : "judge_same", judged.length, {}, words);
    const told = {kept: judged.length - 1, count: drafts.length, token: last.piece, q: percent(last.q, language), p: percent(last.verdict.p, language)};
    const drawn = {chance: percent(last.verdict.chance, language), die: this.number(last.verdict.die, 3), share: this.number(last.verdict.chance, 3)};
    const left = drafts.length - judged.length, behind = left ? ` ${this.counted("unread", left, {}, words)}` : "";
    return fill(last.verdict.chance > 0 ? words.judge_rejected : words.judge_never, {...told, ...drawn}) + behind;
  }

  add({drafts, added}, words) {
    const rejected = drafts.find(draft => draft.verdict && !draft.verdict.accepted);
    const kind = added.origin === "correction" ? "add_correction" : drafts.length ? "add_bonus" : "add_full";
    return fill(words[kind], {token: added.piece, rejected: rejected?.piece});
  }

  counted(name, count, told, words) {
    return fill(words[`${name}_${count === 0 ? "none" : count === 1 ? "one" : "many"}`], {count, more: count + 1, ...told});
  }

  // ---------------------------------------------------------------- counted so far

  count() {
    const {rounds, words, language} = this.header, sum = {passes: 0, judged: 0, accepted: 0, added: 0};
    rounds.forEach((round, number) => {
      const done = this.done(number), judged = round.drafts.filter(draft => draft.verdict);
      sum.passes += done >= 2;
      if (done >= 3) { sum.judged += judged.length; sum.accepted += judged.filter(draft => draft.verdict.accepted).length; }
      sum.added += done >= 4 && round.added ? 1 : 0;
    });
    const written = sum.accepted + sum.added, rate = sum.judged ? percent(sum.accepted / sum.judged, language) : "–";
    const each = sum.passes ? this.number(written / sum.passes, 2) : "–";
    const shown = [[words.written, whole(written, language)], [words.rate, `${rate} (${sum.accepted}/${sum.judged})`], [words.per_pass, `${each} (${written}/${sum.passes})`]];
    this.sums.replaceChildren(...shown.map(([name, value]) => make("div", "", make("dt", "dim", name), make("dd", "", value))));
  }

  // ---------------------------------------------------------------- q, p, what is kept and what is replaced

  prove() {
    const {words, rounds} = this.header, {round} = this.here, at = this.proved;
    this.proof.hidden = at === null;
    if (at === null) return;
    const draft = rounds[round].drafts[at], {rows, rest, error, proposed} = draft.proof;
    const head = make("div", "row head dim", make("span", "token", words.column_token), make("span", "bars"), ...COLUMNS.slice(1).map(name => make("span", name, words[`column_${name}`])));
    head.setAttribute("aria-hidden", "true");
    const lines = rows.map((row, i) => this.row(row[0], row.slice(1), i === proposed ? "proposed" : ""));
    if (rest[0]) lines.push(this.row(fill(words.others, {count: whole(rest[0], this.header.language)}), rest.slice(1), "others"));
    const legend = make("p", "legend dim", ...["kept", "replaced", "lost"].flatMap(name => [make("i", name), make("span", "", words[`legend_${name}`])]));
    this.proof.replaceChildren(make("h3", "", fill(words.proof, {token: draft.piece})), legend, head, ...lines, make("p", "equal", error));
  }

  row(token, [q, p, kept, replaced], kind) {
    const {words, language} = this.header, wide = share => `${100 * Math.min(1, share)}%`;
    const bar = (...parts) => make("span", "bar", ...parts.map(([name, share]) => Object.assign(make("i", name), {style: `width:${wide(share)}`})));
    const bars = make("span", "bars", bar(["kept", kept], ["lost", Math.max(0, q - kept)]), bar(["kept", kept], ["replaced", replaced]));
    bars.setAttribute("aria-hidden", "true");
    const values = {q, p, kept, replaced, sum: kept + replaced};
    const cells = Object.entries(values).map(([name, value]) => {
      const cell = make("span", name, value === 0 ? "0" : percent(value, language));
      cell.dataset.said = words[`column_${name}`];
      return cell;
    });
    return make("div", `row ${kind}`, make("span", "token", token), bars, ...cells);
  }

  // ---------------------------------------------------------------- all rounds

  recall() {
    const {rounds, words, stages} = this.header, {round: now, done} = this.here;
    const past = rounds.map((round, number) => [round, number]).filter(([round, number]) => this.done(number) >= (round.added ? 4 : 3));
    this.list.hidden = !past.length;
    const lines = past.map(([round, number]) => {
      const pieces = round.drafts.map(draft => make("span", this.fate(draft, 4), draft.piece));
      if (round.added) pieces.push(make("span", round.added.origin, round.added.piece));
      const button = make("button", "", make("span", "dim", whole(number + 1, this.header.language)), make("span", "pieces", ...pieces));
      button.type = "button";
      button.setAttribute("aria-label", fill(words.go, {round: number + 1}));
      if (number === now && done) button.setAttribute("aria-current", "true");
      button.onclick = () => this.go(1 + stages.findLastIndex(stage => stage.round === number));
      return button;
    });
    this.list.replaceChildren(make("h3", "", words.rounds), ...lines);
  }
}
