// Texts under `selector` whose WCAG contrast with what lies behind them is below 4.5, with that contrast.
(selector) => {
  const numbers = (colour) => [...colour.match(/[\d.]+/g).map(Number), 1].slice(0, 4);
  const over = (top, under) => [...top.slice(0, 3).map((value, i) => value * top[3] + under[i] * (1 - top[3])), 1];
  const linear = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const parent = (node) => node.parentElement ?? node.getRootNode().host ?? null;
  const line = (node) => (node ? [node, ...line(parent(node))] : []);

  const ground = (node) => {
    const layers = line(node).map((each) => numbers(getComputedStyle(each).backgroundColor));
    const opaque = layers.findIndex((layer) => layer[3] === 1);
    return layers.slice(0, opaque + 1).reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  const contrast = (node) => {
    const behind = ground(node);
    const [r, g, b, alpha] = numbers(getComputedStyle(node).color);
    const opacity = line(node).reduce((product, each) => product * Number(getComputedStyle(each).opacity), alpha);
    const [dim, bright] = [luminance(over([r, g, b, opacity], behind)), luminance(behind)].sort((one, other) => one - other);
    return (bright + 0.05) / (dim + 0.05);
  };
  const inside = (node) => [node, ...[...(node.shadowRoot?.children ?? []), ...node.children].flatMap(inside)];
  const speaks = (node) => [...node.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.textContent.trim());

  return [...document.querySelectorAll(selector)]
    .flatMap(inside)
    .filter((node) => node.tagName !== "STYLE" && speaks(node) && node.getClientRects().length)
    .map((node) => [node.textContent.trim().slice(0, 40), Math.round(100 * contrast(node)) / 100])
    .filter(([, ratio]) => ratio < 4.5);
}
