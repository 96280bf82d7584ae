// A part of the page as one SVG that needs nothing else: texts stay texts, boxes become rectangles, charts and drawings are copied, and what a
// canvas shows is drawn again from its tape (see Pen in canvas/plate.js).

const SVG = "http://www.w3.org/2000/svg", XLINK = "http://www.w3.org/1999/xlink";
const CELLS = 5000, CELLS_IN_ALL = 60000, MARGIN = 12;
const LEFT_OUT = "script, style, template, noscript, iframe, .modebar-container, .v-reading, [data-stays], [class*='st-key-drawer-']";

/** Characters that XML cannot hold become the sign for them. */
const plainText = text => text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd").toWellFormed();
const short = value => String(Math.round(value * 100) / 100);

/** An SVG element; what is undefined, null or empty is left out. */
function element(name, attributes = {}, ...inside) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== "") made.setAttribute(key, typeof value === "number" ? short(value) : value);
  }
  made.append(...inside);
  return made;
}

// ---------------------------------------------------------------- colours, fonts, measures

const SCRATCH = Object.assign(document.createElement("canvas"), {width: 1, height: 1}).getContext("2d", {willReadFrequently: true});
const SEEN = new Map();

/** Any CSS colour as "#rrggbb" and how opaque it is. */
function ink(css) {
  if (!SEEN.has(css)) {
    SCRATCH.clearRect(0, 0, 1, 1);
    SCRATCH.fillStyle = "#000";
    SCRATCH.fillStyle = css;
    SCRATCH.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = SCRATCH.getImageData(0, 0, 1, 1).data;
    SEEN.set(css, {colour: `#${[red, green, blue].map(part => part.toString(16).padStart(2, "0")).join("")}`, alpha: alpha / 255});
  }
  return SEEN.get(css);
}

/** A colour as the attributes of `what` ("fill" or "stroke"). */
function painted(what, css, alpha = 1) {
  const {colour, alpha: own} = ink(css), opacity = own * alpha;
  return opacity === 0 ? {[what]: "none"} : {[what]: colour, [`${what}-opacity`]: opacity < 1 ? opacity : undefined};
}

/** How a text in a font is measured: what stands above and below its base line, and how far below `y` that is for a canvas's base line. */
function measured(font, text, baseline = "alphabetic") {
  SCRATCH.font = font;
  SCRATCH.textAlign = "left";
  SCRATCH.textBaseline = "alphabetic";
  const plain = SCRATCH.measureText(text);
  SCRATCH.textBaseline = baseline;
  const moved = SCRATCH.measureText(text);
  return {width: plain.width, above: plain.fontBoundingBoxAscent, below: plain.fontBoundingBoxDescent, drop: plain.fontBoundingBoxAscent - moved.fontBoundingBoxAscent};
}

const families = given => (/(sans-serif|serif|monospace|system-ui)/.test(given) ? given : `${given}, sans-serif`).replaceAll('"', "'");

/** The attributes of a font written as CSS ("600 13px Source Sans"). */
function fontOf(css) {
  SCRATCH.font = css;
  const [, style, weight, size, family] = SCRATCH.font.match(/^(italic |oblique )?(?:small-caps )?(\d+ |bold )?([\d.]+)px (.*)$/) ?? [, "", "", "13", "sans-serif"];
  return {"font-family": families(family), "font-size": Number(size), "font-weight": weight?.trim(), "font-style": style?.trim()};
}

// ---------------------------------------------------------------- a canvas, drawn again

/** Writes a tape's calls into `into`, its clips and patterns into `defs`. */
class Replay {
  constructor(writer, tape, into) {
    Object.assign(this, {writer, tape, into, path: "", now: {at: new DOMMatrix(), clip: "", dash: []}, kept: [], group: null});
    const defaults = {fillStyle: "#000", strokeStyle: "#000", lineWidth: 1, lineCap: "butt", lineJoin: "miter", globalAlpha: 1, font: "10px sans-serif"};
    Object.assign(this.now, defaults, {textAlign: "start", textBaseline: "alphabetic", lineDashOffset: 0});
    for (const [name, ...given] of tape.calls) {
      if (name.endsWith("=")) this.now[name.slice(0, -1)] = given[0];
      else this[name]?.(...given);
    }
  }

  put(made) {
    if (this.group?.clip !== this.now.clip) {
      this.group = {clip: this.now.clip, node: element("g", {"clip-path": this.now.clip && `url(#${this.now.clip})`})};
      if (this.now.clip) this.into.append(this.group.node);
      else this.group.node = this.into;
    }
    this.group.node.append(made);
  }

  save() { this.kept.push({...this.now, at: DOMMatrix.fromMatrix(this.now.at)}); }
  restore() { if (this.kept.length) this.now = this.kept.pop(); }
  translate(x, y) { this.now.at = this.now.at.translate(x, y); }
  rotate(angle) { this.now.at = this.now.at.rotate((angle * 180) / Math.PI); }
  scale(x, y) { this.now.at = this.now.at.scale(x, y); }
  transform(...given) { this.now.at = this.now.at.multiply(new DOMMatrix(given)); }
  setLineDash(dash) { this.now.dash = dash; }

  // ---- paths, their points where they lie in the end

  point(x, y) {
    const {a, b, c, d, e, f} = this.now.at;
    return `${short(a * x + c * y + e)} ${short(b * x + d * y + f)}`;
  }

  beginPath() { this.path = ""; }
  closePath() { this.path += "Z"; }
  moveTo(x, y) { this.path += `M${this.point(x, y)}`; }
  lineTo(x, y) { this.path += `${this.path ? "L" : "M"}${this.point(x, y)}`; }
  bezierCurveTo(a, b, c, d, x, y) { this.path += `C${this.point(a, b)} ${this.point(c, d)} ${this.point(x, y)}`; }
  quadraticCurveTo(a, b, x, y) { this.path += `Q${this.point(a, b)} ${this.point(x, y)}`; }
  arc(x, y, radius, from, to, back) { this.ellipse(x, y, radius, radius, 0, from, to, back); }

  /** Quarters of an ellipse as curves: within 0.03 % of it. */
  ellipse(x, y, wide, high, turn, from, to, back = false) {
    const round = 2 * Math.PI, way = back ? -1 : 1;
    const span = way * (Math.abs(to - from) >= round ? round : (((way * (to - from)) % round) + round) % round);
    const parts = Math.max(1, Math.ceil(Math.abs(span) / (Math.PI / 2))), step = span / parts, reach = (4 / 3) * Math.tan(step / 4);
    const at = (angle, out) => {
      const across = wide * (Math.cos(angle) - out * Math.sin(angle)), down = high * (Math.sin(angle) + out * Math.cos(angle));
      return [x + across * Math.cos(turn) - down * Math.sin(turn), y + across * Math.sin(turn) + down * Math.cos(turn)];
    };
    this.lineTo(...at(from, 0));
    for (let i = 0; i < parts; i++) {
      const start = from + i * step, end = start + step;
      this.bezierCurveTo(...at(start, reach), ...at(end, -reach), ...at(end, 0));
    }
  }

  rect(x, y, width, height) {
    this.path += `M${this.point(x, y)}L${this.point(x + width, y)}L${this.point(x + width, y + height)}L${this.point(x, y + height)}Z`;
  }

  roundRect(x, y, width, height, radii = 0) {
    const r = Math.min(Number(Array.isArray(radii) ? radii[0] : radii) || 0, Math.abs(width) / 2, Math.abs(height) / 2), quarter = Math.PI / 2;
    this.moveTo(x + r, y);
    [[x + width - r, y + r, -quarter], [x + width - r, y + height - r, 0], [x + r, y + height - r, quarter], [x + r, y + r, 2 * quarter]].forEach(
      ([across, down, from]) => this.arc(across, down, r, from, from + quarter),
    );
    this.closePath();
  }

  // ---- paint

  fillOf(style) {
    const {globalAlpha: alpha} = this.now;
    if (typeof style === "string") return painted("fill", style, alpha);
    return style?.tile ? {fill: `url(#${this.writer.pattern(style.tile)})`, "fill-opacity": alpha < 1 ? alpha : undefined} : {fill: "none"};
  }

  strokeOf() {
    const {at, lineWidth, lineCap, lineJoin, dash, lineDashOffset} = this.now, grown = Math.sqrt(Math.abs(at.a * at.d - at.b * at.c));
    const dashes = dash.length ? {"stroke-dasharray": dash.map(length => short(length * grown)).join(" "), "stroke-dashoffset": lineDashOffset || undefined} : {};
    const ends = {"stroke-linecap": lineCap === "butt" ? "" : lineCap, "stroke-linejoin": lineJoin === "miter" ? "" : lineJoin};
    return {...painted("stroke", this.now.strokeStyle, this.now.globalAlpha), "stroke-width": lineWidth * grown, ...dashes, ...ends};
  }

  fill(rule) { if (this.path) this.put(element("path", {d: this.path, ...this.fillOf(this.now.fillStyle), "fill-rule": rule === "evenodd" ? rule : ""})); }
  stroke() { if (this.path) this.put(element("path", {d: this.path, fill: "none", ...this.strokeOf()})); }
  fillRect(...box) { this.aside(box, () => this.fill()); }
  strokeRect(...box) { this.aside(box, () => this.stroke()); }

  aside(box, paint) {
    const path = this.path;
    this.path = "";
    this.rect(...box);
    paint();
    this.path = path;
  }

  clip() {
    const id = this.writer.id("clip");
    this.writer.defs.append(element("clipPath", {id, "clip-path": this.now.clip && `url(#${this.now.clip})`}, element("path", {d: this.path || "M0 0"})));
    this.now.clip = id;
  }

  fillText(text, x, y, room) { this.write(text, x, y, room, this.fillOf(this.now.fillStyle)); }
  strokeText(text, x, y, room) { this.write(text, x, y, room, {fill: "none", ...this.strokeOf()}); }

  write(given, x, y, room, colours) {
    const text = plainText(String(given)), {font, textAlign, textBaseline, at} = this.now, {width, drop} = measured(font, text, textBaseline);
    if (!text.trim()) return;
    const anchor = {center: "middle", right: "end", end: "end"}[textAlign], {a, b, c, d, e, f} = at;
    const straight = a === 1 && b === 0 && c === 0 && d === 1;
    const place = straight ? {x: x + e, y: y + drop + f} : {x, y: y + drop, transform: `matrix(${[a, b, c, d].map(part => Math.round(part * 1e5) / 1e5).join(" ")} ${short(e)} ${short(f)})`};
    const sized = {textLength: Math.min(width, room ?? width), lengthAdjust: "spacingAndGlyphs"};
    this.put(element("text", {...place, ...fontOf(font), ...colours, "text-anchor": anchor, ...sized, "xml:space": "preserve"}, text));
    this.writer.use(font);
  }

  // ---- pixels

  putImageData(image, x, y) {
    const {ratio} = this.tape;
    this.writer.pixels(image, made => this.put(made), {x: x / ratio, y: y / ratio, size: 1 / ratio});
  }

  drawImage(source, ...given) {
    const [x, y, width = source.width, height = source.height] = given.length === 8 ? given.slice(4) : given;
    const whole = document.createElement("canvas");
    [whole.width, whole.height] = [source.width, source.height];
    if (!whole.width || !whole.height) return;
    const cut = given.length === 8 ? given.slice(0, 4) : [0, 0, source.width, source.height];
    whole.getContext("2d").drawImage(source, ...cut, 0, 0, source.width, source.height);
    const {a, b, c, d, e, f} = this.now.at;
    this.put(imageOf(whole, {x, y, width, height, transform: `matrix(${[a, b, c, d, e, f].map(part => Math.round(part * 1e5) / 1e5).join(" ")})`}));
  }
}

/** What a canvas shows as an image that keeps its edges. */
function imageOf(canvas, attributes) {
  const made = element("image", {preserveAspectRatio: "none", style: "image-rendering:pixelated", ...attributes});
  const data = canvas.toDataURL("image/png");
  made.setAttribute("href", data);
  made.setAttributeNS(XLINK, "xlink:href", data);
  return made;
}

/** Where a picture's columns and rows of cells begin: wherever a pixel differs from its neighbour before. */
function grid({width, height, data}) {
  const words = new Uint32Array(data.buffer, data.byteOffset, width * height), across = [0], down = [0];
  const turns = (at, by, step, count) => { for (let i = 0; i < count; i++) if (words[at + i * step] !== words[at + i * step - by]) return true; return false; };
  for (let x = 1; x < width; x++) if (turns(x, 1, width, height)) across.push(x);
  for (let y = 1; y < height; y++) if (turns(y * width, width, 1, width)) down.push(y);
  return {words, across, down};
}

// ---------------------------------------------------------------- the page, box by box

const PRESENTED = {
  fill: "rgb(0, 0, 0)", "fill-opacity": "1", "fill-rule": "nonzero", stroke: "none", "stroke-width": "1px", "stroke-opacity": "1", "stroke-dasharray": "none",
  "stroke-linecap": "butt", "stroke-linejoin": "miter", opacity: "1", "clip-path": "none", mask: "none", "marker-start": "none", "marker-end": "none",
  "stop-color": "rgb(0, 0, 0)", "stop-opacity": "1", "shape-rendering": "auto", "image-rendering": "auto", "paint-order": "normal", "vector-effect": "none",
};
const LETTERED = {"font-family": "", "font-size": "", "font-weight": "400", "font-style": "normal", "text-anchor": "start", "dominant-baseline": "auto", "letter-spacing": "normal"};
const FORBIDDEN = new Set(["script", "foreignobject", "iframe", "style", "animate", "set", "animatetransform", "animatemotion", "audio", "video"]);

class Writer {
  /** `key` begins every id, so that several pictures can stand in one document. */
  constructor(key) {
    Object.assign(this, {key, ids: 0, defs: element("defs"), tiles: new Map(), cells: 0, fonts: new Set(), seen: null});
  }

  id(kind) {
    return `${this.key}-${kind}-${++this.ids}`;
  }

  use(font) {
    this.fonts.add(font);
  }

  /** Everything under `root` down to `bottom`, as an SVG element cut to what was drawn. */
  picture(root, {title, description, ground, bottom = Infinity}) {
    const origin = root.getBoundingClientRect(), body = element("g");
    this.origin = {x: origin.left, y: origin.top};
    this.bounds = {left: origin.left, top: origin.top, right: origin.right, bottom: Math.min(origin.bottom, bottom)};
    this.walk(root, body);
    const {left, top, right, bottom: low} = this.seen ?? this.bounds, x = left - this.origin.x - MARGIN, y = top - this.origin.y - MARGIN;
    const width = Math.ceil(right - left + 2 * MARGIN), height = Math.ceil(low - top + 2 * MARGIN);
    const told = [element("title", {}, plainText(title)), element("desc", {}, plainText(description))];
    const made = element("svg", {width, height, viewBox: `${short(x)} ${short(y)} ${width} ${height}`, role: "img", "aria-label": plainText(description || title)}, ...told, this.defs);
    made.append(element("rect", {x, y, width, height, ...painted("fill", ground)}), body);
    return made;
  }

  /** Note that something was drawn there, on the screen. */
  note({left, top, right, bottom}) {
    const box = {left: Math.max(left, this.bounds.left), top: Math.max(top, this.bounds.top), right: Math.min(right, this.bounds.right), bottom: Math.min(bottom, this.bounds.bottom)};
    if (box.right <= box.left || box.bottom <= box.top) return;
    const seen = (this.seen ??= {...box});
    Object.assign(seen, {left: Math.min(seen.left, box.left), top: Math.min(seen.top, box.top), right: Math.max(seen.right, box.right), bottom: Math.max(seen.bottom, box.bottom)});
  }

  walk(node, into) {
    if (node.nodeType === Node.TEXT_NODE) return this.text(node, into);
    if (node.nodeType !== Node.ELEMENT_NODE || node.matches(LEFT_OUT)) return;
    const style = getComputedStyle(node), box = node.getBoundingClientRect();
    if (style.display === "none" || Number(style.opacity) === 0 || unseen(style, box)) return;
    const faint = Number(style.opacity) < 1, turned = turn(style);
    if (turned) return this.turned(node, style, turned, into);
    const group = faint ? into.appendChild(element("g", {opacity: Number(style.opacity)})) : into;
    if (style.visibility !== "hidden") this.own(node, style, box, group);
    if (node instanceof SVGElement || node.matches("canvas, img, input, textarea, select")) return;
    this.within(node, style, box, group);
  }

  /** An element that CSS has turned is written as if it were not, and turned as a whole. */
  turned(node, style, {a, b, c, d, e, f}, into) {
    const before = node.style.transform, [x, y] = style.transformOrigin.split(" ").map(parseFloat);
    node.style.transform = "none";
    const box = node.getBoundingClientRect(), across = box.left - this.origin.x + x, down = box.top - this.origin.y + y;
    this.walk(node, into.appendChild(element("g", {transform: `translate(${short(across)} ${short(down)}) matrix(${[a, b, c, d, e, f].join(" ")}) translate(${short(-across)} ${short(-down)})`})));
    node.style.transform = before;
  }

  own(node, style, box, into) {
    if (!node.matches("input:is([type=range], [type=checkbox], [type=radio])")) this.box(style, box, into);
    for (const side of ["::before", "::after"]) this.generated(node, side, box, into);
    if (node instanceof HTMLCanvasElement) this.canvas(node, box, into);
    else if (node instanceof SVGSVGElement) this.drawing(node, box, into);
    else if (node instanceof HTMLImageElement) this.image(node, box, into);
    else if (node.matches("input, textarea, select")) this.control(node, style, box, into);
  }

  /** What stands inside, cut off where the element cuts it off; what lies higher is written later. */
  within(node, style, box, into) {
    const cut = style.overflowX !== "visible" && (node.scrollWidth > node.clientWidth + 1 || node.scrollHeight > node.clientHeight + 1);
    const outer = this.bounds;
    let group = into;
    if (cut) {
      this.bounds = {left: Math.max(outer.left, box.left), top: Math.max(outer.top, box.top), right: Math.min(outer.right, box.right), bottom: Math.min(outer.bottom, box.bottom)};
      group = into.appendChild(element("g", {"clip-path": `url(#${this.cutting(box)})`}));
    }
    const inside = [...(node.shadowRoot?.childNodes ?? []), ...(node.localName === "slot" ? node.assignedNodes() : node.childNodes)];
    const layer = child => (child.nodeType === Node.ELEMENT_NODE ? Number(getComputedStyle(child).zIndex) || 0 : 0);
    inside.map(child => [layer(child), child]).sort(([a], [b]) => a - b).forEach(([, child]) => this.walk(child, group));
    this.bounds = outer;
  }

  cutting({left, top, width, height}) {
    const id = this.id("cut");
    this.defs.append(element("clipPath", {id}, element("rect", {x: left - this.origin.x, y: top - this.origin.y, width, height})));
    return id;
  }

  // ---- boxes

  box(style, {left, top, width, height}, into) {
    if (!width || !height) return;
    const x = left - this.origin.x, y = top - this.origin.y, radius = Math.min(parseFloat(style.borderTopLeftRadius) || 0, width / 2, height / 2);
    const shape = {x, y, width, height, rx: radius || undefined}, seen = {left, top, right: left + width, bottom: top + height};
    const put = made => { into.append(made); this.note(seen); };
    this.rings(style, shape, put);
    if (ink(style.backgroundColor).alpha) put(element("rect", {...shape, ...painted("fill", style.backgroundColor)}));
    for (const layer of layers(style.backgroundImage).reverse()) {
      const id = this.gradient(layer, shape);
      if (id) put(element("rect", {...shape, fill: `url(#${id})`}));
    }
    this.borders(style, shape, put);
  }

  /** Shadows that are drawn as sharp rings. */
  rings(style, {x, y, width, height, rx}, put) {
    for (const layer of layers(style.boxShadow)) {
      const [across, down, blur, spread] = (layer.replace(/\w+\([^)]*\)|#\w+/g, "").match(/-?[\d.]+px/g) ?? []).map(parseFloat);
      if (across || down || blur || !(spread > 0)) continue;
      const out = layer.includes("inset") ? -spread / 2 : spread / 2, colour = layer.match(/\w+\([^)]*\)|#\w+/)?.[0] ?? style.color;
      const ring = {x: x - out, y: y - out, width: Math.max(0, width + 2 * out), height: Math.max(0, height + 2 * out), rx: rx ? rx + out : undefined};
      put(element("rect", {...ring, fill: "none", ...painted("stroke", colour), "stroke-width": spread}));
    }
  }

  borders(style, {x, y, width, height, rx}, put) {
    const sides = ["Top", "Right", "Bottom", "Left"].map(side => ({
      wide: style[`border${side}Style`] === "none" ? 0 : parseFloat(style[`border${side}Width`]), colour: style[`border${side}Color`], kind: style[`border${side}Style`],
    }));
    const drawn = ({wide, colour, kind}) => ({...painted("stroke", colour), "stroke-width": wide, "stroke-dasharray": {dashed: `${3 * wide} ${2 * wide}`, dotted: `${wide} ${wide}`}[kind]});
    const [{wide, colour}] = sides, same = sides.every(side => side.wide === wide && side.colour === colour);
    if (same && wide && ink(colour).alpha) {
      return put(element("rect", {x: x + wide / 2, y: y + wide / 2, width: Math.max(0, width - wide), height: Math.max(0, height - wide), rx: rx && Math.max(0, rx - wide / 2), fill: "none", ...drawn(sides[0])}));
    }
    if (same) return;
    const [up, right, down, left] = sides;
    const lines = [[up, x, y + up.wide / 2, x + width, y + up.wide / 2], [right, x + width - right.wide / 2, y, x + width - right.wide / 2, y + height]];
    lines.push([down, x, y + height - down.wide / 2, x + width, y + height - down.wide / 2], [left, x + left.wide / 2, y, x + left.wide / 2, y + height]);
    for (const [side, x1, y1, x2, y2] of lines) if (side.wide && ink(side.colour).alpha) put(element("line", {x1, y1, x2, y2, ...drawn(side)}));
  }

  /** What CSS alone puts before or after what an element holds: a box of its own place, or words at its edge. */
  generated(node, side, box, into) {
    const style = getComputedStyle(node, side);
    if (style.content === "none" || style.content === "normal" || style.display === "none") return;
    if (style.position === "absolute") this.placed(node, style, box, into);
    else this.edged(style, side, box, into);
  }

  placed(node, style, box, into) {
    const {e = 0, f = 0} = style.transform === "none" ? {} : new DOMMatrix(style.transform), own = getComputedStyle(node);
    const size = name => parseFloat(style[name]) || 0, left = box.left + parseFloat(own.borderLeftWidth) + size("left") + e, top = box.top + parseFloat(own.borderTopWidth) + size("top") + f;
    this.box(style, {left, top, width: size("width"), height: size("height")}, into);
  }

  edged(style, side, {left, right, top, bottom}, into) {
    const words = {"open-quote": "“", "close-quote": "”"}[style.content] ?? style.content.match(/^"(.*)"$/)?.[1] ?? "";
    if (!words.trim()) return;
    const {width, above, below} = measured(`${style.fontWeight} ${style.fontSize} ${style.fontFamily}`, words), high = above + below, start = side === "::before" ? left : right - width;
    this.line(words, {left: start, right: start + width, top: (top + bottom - high) / 2, bottom: (top + bottom + high) / 2, width, height: high}, style, into);
  }

  /** A linear gradient of CSS, repeated or not, over a box; "" for anything else. */
  gradient(layer, {x, y, width, height}) {
    const found = layer.match(/^(repeating-)?linear-gradient\((.*)\)$/s);
    if (!found) return "";
    const parts = layers(found[2]), aimed = /^(to |-?[\d.]+(deg|turn|rad))/.test(parts[0]), angle = aimed ? aim(parts.shift()) : Math.PI;
    const length = Math.abs(width * Math.sin(angle)) + Math.abs(height * Math.cos(angle)), across = (Math.sin(angle) * length) / 2, down = (-Math.cos(angle) * length) / 2;
    const stops = parts.flatMap(part => {
      const colour = part.match(/^(\w+\([^)]*\)|#\w+|\w+)/)[0], places = part.slice(colour.length).match(/-?[\d.]+(%|px)/g) ?? [undefined];
      return places.map(place => ({colour, at: place === undefined ? undefined : place.endsWith("%") ? (parseFloat(place) / 100) * length : parseFloat(place)}));
    });
    spaced(stops, length);
    const end = found[1] ? stops.at(-1).at : length, id = this.id("gradient"), [cx, cy] = [x + width / 2, y + height / 2];
    const ends = {x1: cx - across, y1: cy - down, x2: cx - across + (2 * across * end) / length, y2: cy - down + (2 * down * end) / length};
    const made = element("linearGradient", {id, gradientUnits: "userSpaceOnUse", ...ends, spreadMethod: found[1] ? "repeat" : ""});
    for (const {colour, at} of stops) {
      const {colour: stop, alpha} = ink(colour);
      made.append(element("stop", {offset: String(Math.round((at / end) * 1e4) / 1e4), "stop-color": stop, "stop-opacity": alpha < 1 ? alpha : undefined}));
    }
    this.defs.append(made);
    return id;
  }

  // ---- texts

  text(node, into) {
    if (!node.data.trim()) return;
    const holder = node.parentElement ?? node.getRootNode().host, style = getComputedStyle(holder);
    if (style.visibility === "hidden" || !parseFloat(style.fontSize)) return;
    for (const {words, box} of lines(node)) this.line(words, box, style, into);
  }

  line(given, box, style, into) {
    const text = plainText(cased(given, style)), font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`, {above, below} = measured(font, text);
    if (!text.trim() || !box.width) return;
    const y = box.top + (box.height * above) / (above + below) - this.origin.y, numeric = style.fontVariantNumeric === "normal" ? "" : `font-variant-numeric:${style.fontVariantNumeric}`;
    const look = {"font-family": families(style.fontFamily), "font-size": parseFloat(style.fontSize), "font-weight": style.fontWeight === "400" ? "" : style.fontWeight};
    const lean = {"font-style": style.fontStyle === "normal" ? "" : style.fontStyle, "text-decoration": style.textDecorationLine === "none" ? "" : style.textDecorationLine, style: numeric};
    const sized = {textLength: box.width, lengthAdjust: "spacingAndGlyphs"};
    into.append(element("text", {x: box.left - this.origin.x, y, ...look, ...lean, ...painted("fill", style.color), ...sized, "xml:space": "preserve"}, text));
    this.use(font);
    this.note(box);
  }

  // ---- canvases, drawings, images, controls

  canvas(node, box, into) {
    if (!node.width || !node.height || !box.width || !box.height) return;
    this.note(box);
    const x = box.left - this.origin.x, y = box.top - this.origin.y, {tape} = node;
    if (!tape) return void into.append(imageOf(node, {x, y, width: box.width, height: box.height}));
    const wide = Math.abs(box.width / tape.width - 1) < 0.01 ? "" : ` scale(${box.width / tape.width} ${box.height / tape.height})`;
    const group = into.appendChild(element("g", {transform: `translate(${short(x)} ${short(y)})${wide}`}));
    new Replay(this, tape, group);
  }

  /** A tile as a pattern, written once. */
  pattern(tile) {
    if (!this.tiles.has(tile)) {
      const id = this.id("pattern"), made = element("pattern", {id, width: tile.width, height: tile.height, patternUnits: "userSpaceOnUse"});
      this.tiles.set(tile, id);
      this.defs.append(made);
      if (tile.tape) new Replay(this, tile.tape, made);
      else made.append(imageOf(tile, {width: tile.width, height: tile.height}));
    }
    return this.tiles.get(tile);
  }

  /** Pixels as rectangles, a path a colour, where they are few cells; else as an image, exact and unsmoothed. */
  pixels(image, put, {x, y, size}) {
    const {words, across, down} = grid(image), count = across.length * down.length;
    if (count > CELLS || this.cells + count > CELLS_IN_ALL) {
      const whole = Object.assign(document.createElement("canvas"), {width: image.width, height: image.height});
      whole.getContext("2d").putImageData(image, 0, 0);
      return put(imageOf(whole, {x, y, width: image.width * size, height: image.height * size}));
    }
    this.cells += count;
    const group = element("g", {"shape-rendering": "crispEdges"});
    for (const [word, d] of rectangles(image, words, across, down, {x, y, size})) {
      const [red, green, blue, alpha] = [0, 8, 16, 24].map(shift => (word >>> shift) & 255);
      if (alpha) group.append(element("path", {d, fill: `#${[red, green, blue].map(part => part.toString(16).padStart(2, "0")).join("")}`, "fill-opacity": alpha < 255 ? alpha / 255 : undefined}));
    }
    put(group);
  }

  image(node, box, into) {
    if (!node.src.startsWith("data:image/")) return;
    const made = element("image", {x: box.left - this.origin.x, y: box.top - this.origin.y, width: box.width, height: box.height});
    made.setAttribute("href", node.src);
    into.append(made);
    this.note(box);
  }

  control(node, style, box, into) {
    if (node.type === "checkbox" || node.type === "radio") {
      const round = node.type === "radio" ? box.width / 2 : 2, at = {x: box.left - this.origin.x, y: box.top - this.origin.y, width: box.width, height: box.height, rx: round};
      return void into.append(element("rect", {...at, stroke: "#767676", ...painted("fill", node.checked ? style.accentColor.replace("auto", "#0075ff") : "#fff")}));
    }
    if (node.type === "range") {
      const share = (node.value - node.min) / (node.max - node.min || 1), y = box.top + box.height / 2 - this.origin.y, x = box.left - this.origin.x;
      into.append(element("line", {x1: x, x2: x + box.width, y1: y, y2: y, ...painted("stroke", style.color, 0.4), "stroke-width": 4}));
      return void into.append(element("circle", {cx: x + 8 + share * (box.width - 16), cy: y, r: 8, ...painted("fill", style.color)}));
    }
    const said = node.localName === "select" ? node.selectedOptions[0]?.text : node.value, high = parseFloat(style.fontSize) * 1.2, room = parseFloat(style.paddingLeft) + parseFloat(style.borderLeftWidth);
    if (!said) return;
    const {width} = measured(`${style.fontWeight} ${style.fontSize} ${style.fontFamily}`, said);
    this.line(said, {left: box.left + room, top: box.top + (box.height - high) / 2, width: Math.min(width, box.width - room), height: high, right: box.right, bottom: box.bottom}, style, into);
  }

  /** A drawing that is SVG already: copied with the look that style sheets gave it, ids of its own, nothing that runs or fetches. */
  drawing(node, box, into) {
    if (!box.width || !box.height) return;
    const copy = node.cloneNode(true), renamed = new Map();
    for (const found of node.querySelectorAll("[id]")) renamed.set(found.id, this.id("part"));
    this.dress(node, copy, renamed);
    const place = {x: box.left - this.origin.x, y: box.top - this.origin.y, width: box.width, height: box.height};
    for (const [name, value] of Object.entries(place)) copy.setAttribute(name, short(value));
    copy.setAttribute("overflow", getComputedStyle(node).overflowX);
    into.append(copy);
    this.note(box);
    for (const foreign of node.querySelectorAll("foreignObject")) for (const child of foreign.children) this.walk(child, into);
  }

  dress(original, copy, renamed) {
    if (FORBIDDEN.has(copy.localName.toLowerCase())) return copy.remove();
    const style = getComputedStyle(original);
    if (style.display === "none" && original.localName !== "defs" && !original.closest("defs, clipPath, pattern, marker, mask, linearGradient")) return copy.remove();
    const pairs = [...original.children].map((child, at) => [child, copy.children[at]]);
    cleaned(copy, renamed);
    this.look(original, style, copy, renamed);
    for (const part of copy.childNodes) if (part.nodeType === Node.TEXT_NODE) part.data = plainText(part.data); else if (part.nodeType !== Node.ELEMENT_NODE) part.data = "";
    for (const [child, twin] of pairs) this.dress(child, twin, renamed);
  }

  look(original, style, copy, renamed) {
    const lettered = original.matches("text, tspan, textPath");
    for (const [name, usual] of Object.entries(lettered ? {...PRESENTED, ...LETTERED} : PRESENTED)) {
      const value = style.getPropertyValue(name);
      if (!value || (value === usual && name !== "fill") || (name === "fill" && original.matches("svg, g, defs"))) { copy.removeAttribute(name); continue; }
      if (name === "fill" || name === "stroke" || name === "stop-color") this.colour(copy, name, value, renamed);
      else copy.setAttribute(name, name === "font-family" ? families(value) : pointed(value, renamed));
    }
    if (lettered) this.use(`${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`);
    if (style.transform !== "none" && !original.hasAttribute("transform") && !(original instanceof SVGSVGElement)) copy.setAttribute("transform", style.transform);
    if (style.visibility === "hidden") copy.setAttribute("visibility", "hidden");
  }

  colour(copy, name, value, renamed) {
    if (value === "none" || value.startsWith("url(")) return copy.setAttribute(name, pointed(value, renamed));
    const {colour, alpha} = ink(value);
    copy.setAttribute(name, alpha ? colour : name === "stop-color" ? "#000000" : "none");
    if (alpha < 1 && (alpha || name === "stop-color")) copy.setAttribute(name === "stop-color" ? "stop-opacity" : `${name}-opacity`, short(alpha * (Number(copy.getAttribute(`${name}-opacity`)) || 1)));
  }
}

/** Text for screen readers only, and boxes that nobody sees. */
const unseen = (style, box) => (style.position === "absolute" || style.position === "fixed") && (/rect\(0/.test(style.clip) || style.clipPath.startsWith("inset(50%") || (style.overflowX === "hidden" && box.width <= 2 && box.height <= 2));

const turn = style => {
  if (style.transform === "none" || style.transform.startsWith("matrix3d")) return null;
  const matrix = new DOMMatrix(style.transform);
  return Math.abs(matrix.b) > 1e-6 || Math.abs(matrix.c) > 1e-6 ? matrix : null;
};

/** The parts of a CSS list, commas within brackets left alone. */
function layers(css) {
  if (!css || css === "none") return [];
  const parts = [""];
  let depth = 0;
  for (const letter of css) {
    if (letter === "(") depth++;
    if (letter === ")") depth--;
    if (letter === "," && !depth) parts.push("");
    else parts[parts.length - 1] += letter;
  }
  return parts.map(part => part.trim());
}

/** The direction of a gradient, clockwise from the top. */
function aim(given) {
  const side = {top: 0, right: 90, bottom: 180, left: 270}[given.replace("to ", "")];
  return ((side ?? parseFloat(given) * (given.endsWith("turn") ? 360 : given.endsWith("rad") ? 180 / Math.PI : 1)) * Math.PI) / 180;
}

/** Give every stop without a place one between its neighbours. */
function spaced(stops, length) {
  stops[0].at ??= 0;
  stops.at(-1).at ??= length;
  for (let i = 1; i < stops.length - 1; i++) {
    if (stops[i].at !== undefined) continue;
    const next = stops.findIndex((stop, at) => at > i && stop.at !== undefined);
    stops[i].at = stops[i - 1].at + (stops[next].at - stops[i - 1].at) / (next - i + 1);
  }
}

const cased = (text, style) => ({uppercase: text.toUpperCase(), lowercase: text.toLowerCase()}[style.textTransform] ?? text);

/** A text as it stands on the screen: line by line, with the box of each. */
function lines(node) {
  const range = document.createRange(), {data} = node;
  range.selectNodeContents(node);
  const boxes = [...range.getClientRects()].filter(box => box.width > 0);
  if (!boxes.length) return [];
  const pre = getComputedStyle(node.parentElement ?? node.getRootNode().host).whiteSpace.startsWith("pre");
  const tidy = text => (pre ? text.replace(/\n/g, "") : text.replace(/\s+/g, " "));
  if (boxes.every(box => Math.abs(box.top - boxes[0].top) < 2)) {
    const shown = (from, to) => { range.setStart(node, from); range.setEnd(node, to); return [...range.getClientRects()].some(box => box.width > 0); };
    const [, before, middle, after] = data.match(/^(\s*)(.*?)(\s*)$/s), end = data.length - after.length;
    const kept = (space, from) => (space && shown(from, from + space.length) ? (pre ? space : " ") : "");
    return [{words: kept(before, 0) + tidy(middle) + kept(after, end), box: union(boxes)}];
  }
  const found = [];
  for (let at = 0; at < data.length; ) {
    const next = at + (data.codePointAt(at) > 0xffff ? 2 : 1);
    range.setStart(node, at);
    range.setEnd(node, next);
    const box = [...range.getClientRects()].findLast(each => each.width > 0);
    if (box && (!found.length || Math.abs(box.top - found.at(-1).boxes[0].top) >= 2)) found.push({words: "", boxes: []});
    if (box) found.at(-1).boxes.push(box);
    if (found.length) found.at(-1).words += data.slice(at, next);
    at = next;
  }
  return found.map(({words, boxes: each}) => ({words: tidy(words).trim(), box: union(each)}));
}

function union(boxes) {
  const left = Math.min(...boxes.map(box => box.left)), right = Math.max(...boxes.map(box => box.right)), [{top, bottom}] = boxes;
  return {left, right, top, bottom, width: right - left, height: bottom - top};
}

/** Runs of cells of one colour as paths, colour by colour. */
function rectangles({width, height}, words, across, down, {x, y, size}) {
  const found = new Map(), end = (list, at, whole) => (at + 1 < list.length ? list[at + 1] : whole);
  down.forEach((top, row) => {
    for (let column = 0; column < across.length; ) {
      const first = column, word = words[top * width + across[column]];
      while (column < across.length && words[top * width + across[column]] === word) column++;
      const left = across[first], right = column < across.length ? across[column] : width, low = end(down, row, height);
      const path = `M${short(x + left * size)} ${short(y + top * size)}H${short(x + right * size)}V${short(y + low * size)}H${short(x + left * size)}Z`;
      found.set(word, (found.get(word) ?? "") + path);
    }
  });
  return found;
}

const pointed = (value, renamed) => value.replace(/url\(["']?[^"')]*#([^"')]+)["']?\)/g, (_, id) => `url(#${renamed.get(id) ?? id})`);

/** Leave nothing on a copied element that runs, fetches, styles from afar or belongs to the page it came from. */
function cleaned(copy, renamed) {
  for (const {name, value} of [...copy.attributes]) {
    const link = name === "href" || name === "xlink:href";
    const kept = link ? /^(#|data:image\/)/.test(value) : !/^(on|data-|aria-|class$|style$|tabindex$|role$|pointer-events$|cursor$|focusable$)/.test(name);
    if (!kept) copy.removeAttribute(name);
    else if (link && value.startsWith("#")) copy.setAttribute(name, `#${renamed.get(value.slice(1)) ?? value.slice(1)}`);
    else if (name === "id") copy.setAttribute("id", renamed.get(value) ?? value);
    else if (value.includes("url(")) copy.setAttribute(name, pointed(value, renamed));
  }
}
