// A table on a plate: words, tokens, bars and colours.

export default function (component) {
  const root = component.parentElement.querySelector(".grid"), {data} = component;
  if (!data) return;
  const {title, heads, rows, remark, revision, language, words} = data, scale = make("div", "scale");
  const head = make("tr", "", ...heads.map(each => Object.assign(make("th", "", each), {scope: "col"})));
  const table = make("table", "", make("caption", "", title), make("thead", "", head), make("tbody", "", ...rows.map(cells => make("tr", "", ...cells.map(cellOf)))));
  if (words.scale) scaleOf(scale, {most: 1, table: "sequential", language, words});
  const frame = make("div", "frame", table);
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", title);
  root.replaceChildren(frame, ...(words.scale ? [scale] : []), ...(remark ? [make("p", "remark dim", remark)] : []));
  root.dataset.painted = revision;
}

function cellOf({text, kind, share, marked}, column) {
  const cell = make(column ? "td" : "th", [kind, marked && "marked"].filter(Boolean).join(" ")), code = Math.round(255 * Math.sqrt(share));
  if (!column) cell.scope = "row";
  if (kind !== "bar") cell.append(make("span", "", text));
  if (kind === "heat") {
    cell.firstChild.style.background = colour(SEQUENTIAL, code);
    cell.firstChild.style.color = onColour(SEQUENTIAL, code);
  }
  if (kind === "bar") {
    const bar = make("i");
    bar.style.width = `${100 * share}%`;
    bar.style.background = colour(SEQUENTIAL, Math.round(90 + 165 * Math.sqrt(share)));
    cell.append(make("div", "", make("span", "track", bar), make("span", "value", text)));
  }
  return cell;
}
