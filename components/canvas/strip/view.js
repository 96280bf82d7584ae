// Tokens as buttons that stay pressed; the arrows travel, Shift and a click take all in between.
export default function ({data, parentElement, setTriggerValue}) {
  const root = parentElement.querySelector(".strip");
  if (!data) return;
  const held = root.getRootNode().activeElement, at = root.contains(held) ? held.dataset.at : null;
  const send = chosen => setTriggerValue("places", {chosen, when: Date.now()});
  const buttons = data.tokens.map((token, place) => button(root, token, place, data, send));
  const list = make("div", "tokens", ...buttons);
  list.setAttribute("role", "group");
  list.setAttribute("aria-label", data.label);
  list.onkeydown = event => travel(event, buttons);
  const first = Math.max(0, at === null || at === "all" ? data.chosen[0] ?? 0 : Number(at));
  buttons.forEach((node, place) => { node.tabIndex = place === Math.min(first, buttons.length - 1) ? 0 : -1; });
  root.replaceChildren(make("p", "", data.label), ...(data.every ? [everything(data, send)] : []), list);
  if (at !== null) root.querySelector(`[data-at="${at}"]`)?.focus();
  root.dataset.painted = data.painted;
}

function everything({every, chosen}, send) {
  const node = make("button", "all", every);
  node.type = "button";
  node.dataset.at = "all";
  node.setAttribute("aria-pressed", !chosen.length);
  node.onclick = () => send([]);
  return node;
}

function button(root, {text, below, told, code}, place, {chosen, many}, send) {
  const node = make("button", "", make("span", "", text), ...(below ? [make("small", "", below)] : []));
  node.type = "button";
  node.dataset.at = place;
  node.title = told;
  if (told) node.setAttribute("aria-label", told);
  node.setAttribute("aria-pressed", chosen.includes(place));
  if (code !== null) {
    node.style.background = colour(DIVERGING, code);
    node.style.color = onColour(DIVERGING, code);
  }
  node.onclick = event => {
    const from = root.last ?? place, [low, high] = [Math.min(from, place), Math.max(from, place)];
    root.last = place;
    const pressed = new Set(chosen);
    if (many && event.shiftKey) for (let each = low; each <= high; each++) pressed.add(each);
    else if (pressed.has(place)) pressed.delete(place);
    else pressed.add(place);
    send(many ? [...pressed] : pressed.has(place) ? [place] : []);
  };
  return node;
}

function travel(event, buttons) {
  const place = buttons.indexOf(event.target), by = {ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1}[event.key];
  const to = event.key === "Home" ? 0 : event.key === "End" ? buttons.length - 1 : by ? place + by : -1;
  if (place < 0 || !buttons[to]) return;
  event.preventDefault();
  buttons[place].tabIndex = -1;
  buttons[to].tabIndex = 0;
  buttons[to].focus();
}
