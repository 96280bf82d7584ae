// One chip a token. Pieces are set as text; a leading space is part of the piece and shows as a small gap before the chip.
export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector("section") ?? parentElement.appendChild(document.createElement("section"));
  root.replaceChildren(...data.groups.map(group => row(group, data, position => setTriggerValue("tap", { position }))), remarks(data));
  root.dataset.painted = data.groups.map(({ tokens, label }) => `${tokens.length}:${label}`).join(" ");
}

function row({ tokens, label, title, own }, { titles, taps }, tap) {
  const list = document.createElement("ol");
  list.tabIndex = 0;
  list.setAttribute("aria-label", title ? `${title}: ${label}` : label);
  list.classList.toggle("own", own);
  list.append(...tokens.map((token, position) => chip(token, position, titles, taps && (() => tap(position)), taps)));
  if (!title) return list;
  const side = document.createElement("div"), heading = document.createElement("h3");
  heading.textContent = title;
  side.append(heading, list);
  return side;
}

function chip({ piece, kind, id }, position, titles, tap, taps) {
  const item = document.createElement("li"), named = `${position} · ${titles[kind]} · ${id}`;
  item.className = /^\s/.test(piece) ? `${kind} apart` : kind;
  item.title = named;
  if (!tap || kind === "begin" || kind === "blank") {
    item.textContent = visible(piece);
    return item;
  }
  const button = item.appendChild(document.createElement("button"));
  button.type = "button";
  button.textContent = visible(piece);
  button.title = `${named} · ${taps}`;
  button.onclick = tap;
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
