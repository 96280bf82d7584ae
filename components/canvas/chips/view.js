// One chip a token. Pieces are set as text; a leading space is part of the piece and shows as a small gap before the chip.
export default function ({ data, parentElement }) {
  const root = parentElement.querySelector("section") ?? parentElement.appendChild(document.createElement("section"));
  root.setAttribute("aria-label", data.label);
  root.replaceChildren(row(data), remarks(data));
  root.dataset.painted = `${data.tokens.length}:${data.label}`;
}

function row(data) {
  const list = document.createElement("ol");
  list.tabIndex = 0;
  list.append(...data.tokens.map((token, position) => chip(token, position, data.titles)));
  return list;
}

function chip({ piece, kind, id }, position, titles) {
  const item = document.createElement("li");
  item.className = /^\s/.test(piece) ? `${kind} apart` : kind;
  item.textContent = visible(piece);
  item.title = `${position} · ${titles[kind]} · ${id}`;
  return item;
}

function remarks(data) {
  const line = document.createElement("p");
  line.setAttribute("aria-live", "polite");
  const sample = document.createElement("i");
  line.append(...(data.legend ? [sample, span(data.legend)] : []), ...data.remarks.map(span));
  return line;
}

function span(sentence) {
  const node = document.createElement("span");
  node.textContent = sentence;
  return node;
}

function visible(piece) {
  const shown = piece.replace(/^ /, "").replace(/\n/g, "⏎").replace(/\t/g, "⇥");
  return shown === "" ? "␣" : shown;
}
