// Two buttons: the whole page as a hand-out and as a notebook. The server writes both when it is asked; the browser puts the pictures into the
// hand-out and saves. Put after svg.js and taking.js.

export default function ({data, parentElement, setTriggerValue}) {
  const row = parentElement.querySelector(".page") ?? parentElement.appendChild(Object.assign(document.createElement("div"), {className: "page"}));
  row.replaceChildren(...["handout", "notebook"].map(kind => {
    const button = Object.assign(document.createElement("button"), {type: "button", textContent: data.words[kind]});
    button.dataset.kind = kind;
    button.onclick = () => setTriggerValue("wanted", kind);
    return button;
  }));
  if (data.made && row.saved !== data.made.serial) {
    row.saved = data.made.serial;
    keep(data.made);
  }
  row.dataset.painted = data.made?.serial ?? "0";
}

function keep({kind, name, document: written}) {
  const whole = kind === "handout" ? filled(written) : written;
  save(new Blob([whole], {type: kind === "handout" ? "text/html" : "application/x-ipynb+json"}), name);
}

/** The hand-out with every picture in its slot, or nothing there where the page no longer shows it. */
const filled = written => written.replace(/<!--picture:([a-zA-Z0-9_-]+)-->/g, (_, key) => {
  const found = taken(key);
  return found ? new XMLSerializer().serializeToString(found.picture) : "";
});
