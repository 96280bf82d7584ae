// Times a move inside the page: from the reader's event to the first frame in which each awaited picture is a new one.

const drawn = new Map();

/** What a canvas says it has painted. */
function said(node) {
  if (node.dataset?.painted) return node.dataset.painted;
  return [...(node.shadowRoot?.children ?? []), ...node.children].map(said).find(Boolean);
}

/** How often a chart has been drawn. */
function plotted(chart) {
  if (!drawn.has(chart)) {
    drawn.set(chart, drawn.size);
    chart.drawings = 0;
    chart.on("plotly_afterplot", () => { chart.drawings += 1; });
  }
  return `${drawn.get(chart)}.${chart.drawings}`;
}

/** What the picture under a key is now; plain HTML is its text. Nothing while there is none. */
window.picture = key => {
  const place = document.querySelector(`.st-key-${key}`), chart = place?.querySelector(".js-plotly-plot");
  return place && (chart ? plotted(chart) : said(place) ?? place.textContent);
};

/** Milliseconds from the next `event` until each of the pictures under `keys` has changed, by key. */
window.lap = (event, keys, patience) => new Promise((resolve, reject) => {
  const took = {}, deadline = performance.now() + patience;
  let began = null, before = keys.map(picture);
  addEventListener(event, ({timeStamp}) => { began = timeStamp; before = keys.map(picture); }, {capture: true, once: true});
  const look = () => {
    const now = performance.now();
    if (began !== null) keys.forEach((key, i) => { if (!(key in took) && picture(key) !== before[i]) took[key] = now - began; });
    const missing = keys.filter(key => !(key in took));
    if (!missing.length) resolve(took);
    else if (now > deadline) reject(new Error(`after ${event}: ${missing} stayed as they were`));
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
});
