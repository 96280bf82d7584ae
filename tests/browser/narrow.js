// What a finger and an eye would stumble over on this page: text that is too small, targets that are too small, boxes that are too wide.
([text, target]) => {
  const inside = node => [...(node.shadowRoot?.children ?? []), ...node.children].flatMap(child => [child, ...inside(child)]);
  const shown = node => node.checkVisibility({opacityProperty: true, visibilityProperty: true});
  const name = node => `${node.tagName.toLowerCase()}.${node.classList[0]} “${(node.getAttribute("aria-label") ?? node.textContent).trim().slice(0, 40)}”`;
  const box = node => node.getBoundingClientRect();
  const all = inside(document.body).filter(node => shown(node) && node.id !== "js-plotly-tester");

  const own = node => [...node.childNodes].some(child => child.nodeType === Node.TEXT_NODE && child.data.trim());
  const small = all.filter(node => own(node) && box(node).width > 1 && parseFloat(getComputedStyle(node).fontSize) < text);

  const touched = "a[href], button, input, select, textarea, summary, [role=button], [role=radio], [role=slider], [role=tab]";
  const least = node => Math.min(box(node).width, box(node).height);
  const aim = node => [node, node.closest("label") ?? node].sort((a, b) => least(b) - least(a))[0];
  const forReaders = node => box(node).width <= 1 || box(node.parentElement ?? node).width <= 1; // a screen reader's; the finger has another
  const tight = all.filter(node => node.matches(touched) && !node.disabled && !forReaders(node))
    .filter(node => least(aim(node)) < target - 0.5);

  const above = node => node.parentElement ?? node.getRootNode().host;
  const boxed = node => node && !node.matches("[data-testid=stMain]") && (getComputedStyle(node).overflowX !== "visible" || boxed(above(node)));
  const wide = all.filter(node => box(node).width > 1 && (box(node).right > innerWidth + 1 || box(node).left < -1) && !boxed(above(node)));

  const size = node => `${Math.round(box(node).width)} × ${Math.round(box(node).height)}, ${getComputedStyle(node).fontSize}`;
  const told = (nodes, what) => nodes.map(node => `${what}: ${name(node)} ${size(aim(node))}`);
  return [...told(small, "text"), ...told(tight, "target"), ...told(wide, "width")];
}
