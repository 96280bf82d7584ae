// Two lists say where: which layer, which head. Beside them a chip for every mask of the plan.
export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".scope"), { words } = data;
  const act = (name, layer, head) => setTriggerValue("act", { act: name, layer, head });
  if (!root.firstChild) root.append(list("layer"), list("head"), Object.assign(document.createElement("ul"), { className: "chips" }));
  const [layers, heads, chips] = root.children;
  offer(layers, words.title, [words.all_layers, ...numbered(words.one_layer, data.layers)], data.layer, at => act("go", at, at < 0 ? -1 : data.head));
  offer(heads, words.head, [words.all_heads, ...numbered(words.one_head, data.heads)], data.head, at => act("go", data.layer, at));
  heads.hidden = data.layer < 0;
  layers.querySelector("span").textContent = words.title;
  chips.replaceChildren(...data.chips.map(chip => drawn(chip, data, act)));
  chips.hidden = data.chips.length < 2;
  root.dataset.painted = data.painted;
}

const numbered = (word, count) => Array.from({ length: count }, (_, at) => word.replace("{number}", at + 1));

function list(name) {
  const label = document.createElement("label"), select = document.createElement("select");
  select.name = name;
  label.append(document.createElement("span"), select);
  return label;
}

function offer(label, title, texts, chosen, choose) {
  const select = label.querySelector("select"), written = texts.join("\n");
  if (select.written !== written) {
    select.replaceChildren(...texts.map((text, at) => Object.assign(document.createElement("option"), { value: at - 1, textContent: text })));
    select.written = written;
  }
  select.setAttribute("aria-label", title);
  select.value = chosen;
  select.onchange = () => choose(Number(select.value));
}

/** A chip goes to its mask; the cross beside it takes the mask away. That of all layers stays. */
function drawn({ layer, head, told }, { words, layer: layerInHand, head: headInHand }, act) {
  const item = document.createElement("li"), go = item.appendChild(document.createElement("button"));
  go.type = "button";
  go.textContent = told;
  go.setAttribute("aria-pressed", layer === layerInHand && head === headInHand);
  go.onclick = () => act("go", layer, head);
  if (layer < 0) return item;
  const remove = item.appendChild(document.createElement("button"));
  remove.type = "button";
  remove.className = "remove";
  remove.textContent = "×";
  remove.title = words.remove;
  remove.setAttribute("aria-label", `${words.remove}: ${told}`);
  remove.onclick = () => act("remove", layer, head);
  return item;
}
