// Two buttons: the picture above them as PNG and as SVG. Put after svg.js and taking.js.

export default function ({data, parentElement}) {
  const row = parentElement.querySelector(".row") ?? parentElement.appendChild(Object.assign(document.createElement("div"), {className: "row"}));
  const button = (kind, label, make) => {
    const made = Object.assign(document.createElement("button"), {type: "button", textContent: label});
    made.dataset.kind = kind;
    made.onclick = async () => {
      const found = taken(data.exhibit);
      if (found) save(await make(found), `${data.name}.${kind}`);
    };
    return made;
  };
  const svg = found => new Blob([serialised(found.picture)], {type: "image/svg+xml"});
  row.replaceChildren(button("png", data.words.png, rasterised), button("svg", data.words.svg, svg));
  row.dataset.painted = data.exhibit;
}
