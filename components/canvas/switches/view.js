// Chips in a row: a switch, the sentence, and small buttons to move or remove it. Sentences are set as text.
const ONE = {earlier: "↑", later: "↓", remove: "×"};

export default function ({data, parentElement, setTriggerValue}) {
  const root = parentElement.querySelector(".switches");
  if (!data) return;
  const at = root.contains(root.getRootNode().activeElement) ? root.getRootNode().activeElement.dataset.way : null;
  const send = (act, place) => setTriggerValue("act", {act, at: place, revision: data.revision, when: Date.now()});
  root.replaceChildren(bar(data, send), list(data, send));
  if (at) root.querySelector(`[data-way="${at}"]`)?.focus();
  root.dataset.painted = data.painted;
}

function button(text, label, way, press) {
  const node = make("button", "", text);
  node.type = "button";
  node.dataset.way = way;
  if (label) { node.title = label; node.setAttribute("aria-label", label); }
  node.onclick = press;
  return node;
}

function bar({words, undo, redo, switches, counted}, send) {
  const acts = [["undo", undo], ["redo", redo], ["clear", switches.length]].map(([act, can]) => {
    const node = button(words[act], "", act, () => send(act, 0));
    node.disabled = !can;
    return node;
  });
  const told = make("p", "counted", counted);
  told.setAttribute("aria-live", "polite");
  return make("div", "bar", make("h3", "", words.title), told, make("span", "acts", ...acts));
}

function list({switches, chosen, words}, send) {
  if (!switches.length) return make("p", "empty", words.empty);
  const rows = switches.map((one, place) => {
    const toggle = button("", `${words.toggle}: ${one.told}`, `toggle-${place}`, () => {
      toggle.setAttribute("aria-checked", toggle.getAttribute("aria-checked") !== "true");
      send("toggle", place);
    });
    toggle.className = "toggle";
    toggle.setAttribute("role", "switch");
    toggle.setAttribute("aria-checked", one.on);
    toggle.append(make("i"));
    const name = button(one.told, "", `choose-${place}`, () => send("choose", place));
    name.className = "name";
    name.title = words.choose;
    name.setAttribute("aria-pressed", place + 1 === chosen);
    const moves = Object.entries(ONE).map(([act, sign]) => {
      const node = button(sign, `${words[act]}: ${one.told}`, `${act}-${place}`, () => send(act, place));
      node.disabled = (act === "earlier" && place === 0) || (act === "later" && place === switches.length - 1);
      return node;
    });
    const row = make("li", one.on && !one.reason ? "" : "off", toggle, name, make("span", "moves", ...moves));
    if (one.reason) row.append(make("p", "reason", one.reason));
    if (place + 1 === chosen) row.classList.add("chosen");
    return row;
  });
  return make("ol", "", ...rows);
}
