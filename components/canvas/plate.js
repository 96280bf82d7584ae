// What every canvas shares: unpacking what Python packed, colours, sharp text. Put before a component's own view.js.

/** What ends a view for good. Streamlit also ends a call that newer data overtook, though its element still stands on the page: then nothing ends. */
const whenGone = (root, end) => () => root.isConnected || end();

/** An envelope: its header, and its parts as they travelled. */
function open(bytes) {
  const size = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + size)));
  let at = 4 + size;
  return {header, parts: header.parts.map(length => bytes.subarray(at, (at += length)))};
}

/** A part as it was: a small one comes behind a zero byte, with which no zlib stream begins. */
async function inflate(part) {
  if (part[0] === 0) return part.slice(1);
  const stream = new Blob([part]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The i-th of a row of bits, most significant first, as numpy packs them. */
const bit = (bits, i) => (bits[i >> 3] >> (7 - (i & 7))) & 1;

/** The colours of a table as pixels, for ImageData. */
const pixels = table => Uint32Array.from({length: 256}, (_, i) => (0xff << 24) | (table[3 * i + 2] << 16) | (table[3 * i + 1] << 8) | table[3 * i]);

const LIT = {sequential: pixels(SEQUENTIAL), diverging: pixels(DIVERGING)};
const TABLE = {sequential: SEQUENTIAL, diverging: DIVERGING};
const colour = (table, i) => `rgb(${table[3 * i]} ${table[3 * i + 1]} ${table[3 * i + 2]})`;

const linear = value => (value <= 0.04045 * 255 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);

/** Text on entry i of a table, black or white, whichever has the greater contrast (WCAG 2.2): at least 4.58 on any colour. */
const onColour = (table, i) => {
  const [red, green, blue] = [0, 1, 2].map(part => linear(table[3 * i + part]));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff";
};

/** A font of the page, loaded if the canvas is the first to ask for it; `then` paints again with it. */
function face(element, property, size, then) {
  const font = `${size}px ${getComputedStyle(element).getPropertyValue(property) || "sans-serif"}`;
  if (!document.fonts.check(font)) document.fonts.load(font).then(found => found.length && then());
  return font;
}

/** A canvas of so many CSS pixels, drawn at the screen's own resolution. Setting its size clears it. */
function sharp(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return new Pen(context, (canvas.tape = {width, height, ratio, calls: []}));
}

/** A pen that draws and keeps a tape of what it drew, from which the same picture can be written as vectors (components/takeaway). The tape
 * lies on the canvas; an entry is a name and its arguments, a property's name ends in "=". */
class Pen {
  constructor(context, tape) {
    this.context = context;
    this.tape = tape;
  }

  get canvas() {
    return this.context.canvas;
  }

  /** A pattern remembers its tile, which has a tape of its own. */
  createPattern(tile, repetition) {
    return Object.assign(this.context.createPattern(tile, repetition), {tile});
  }

  clearRect(x, y, width, height) {
    this.context.clearRect(x, y, width, height);
    if (x <= 0 && y <= 0 && x + width >= this.tape.width && y + height >= this.tape.height) this.tape.calls = this.tape.calls.filter(([name]) => name.endsWith("="));
    else this.tape.calls.push(["clearRect", x, y, width, height]);
  }
}

const TAPED = "save restore translate rotate scale transform beginPath closePath moveTo lineTo bezierCurveTo quadraticCurveTo arc ellipse rect roundRect";
const ALSO_TAPED = "fill stroke clip fillRect strokeRect fillText strokeText drawImage putImageData setLineDash";
const ASKED = "measureText createImageData getImageData getLineDash getTransform isPointInPath";
const HELD = "fillStyle strokeStyle lineWidth lineCap lineJoin miterLimit lineDashOffset globalAlpha font textAlign textBaseline direction imageSmoothingEnabled";

for (const name of `${TAPED} ${ALSO_TAPED}`.split(" ")) {
  Pen.prototype[name] = function (...given) {
    this.tape.calls.push([name, ...given]);
    return this.context[name](...given);
  };
}
for (const name of ASKED.split(" ")) Pen.prototype[name] = function (...given) { return this.context[name](...given); };
for (const name of HELD.split(" ")) {
  const get = function () { return this.context[name]; };
  const set = function (value) { this.tape.calls.push([`${name}=`, value]); this.context[name] = value; };
  Object.defineProperty(Pen.prototype, name, {get, set});
}

/** Fine slanting lines on the plate: what may not be looked at. */
function hatch(context) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6;
  const pen = new Pen(tile.getContext("2d"), (tile.tape = {width: 6, height: 6, ratio: 1, calls: []}));
  pen.strokeStyle = PLATE.dim;
  pen.globalAlpha = 0.28;
  pen.beginPath();
  for (const shift of [-6, 0, 6]) { pen.moveTo(shift, 6); pen.lineTo(shift + 6, 0); }
  pen.stroke();
  return context.createPattern(tile, "repeat");
}

/** As much of a token as fits, the rest an ellipsis. */
function elide(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  let low = 0, high = text.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (context.measureText(text.slice(0, middle) + "…").width <= room) low = middle; else high = middle - 1;
  }
  return text.slice(0, low) + "…";
}

/** A sentence with its blanks filled: fill("row {row}", {row: 5}). */
const fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (blank, name) => (name in values ? values[name] : blank));

/** A share in per cent, as the Python side's `Words.percent` writes it. */
function percent(share, language) {
  const size = Math.abs(100 * share), thin = "\u202f", sign = share < 0 ? "−" : "";
  const written = (value, digits) => value.toLocaleString(language, {minimumFractionDigits: digits, maximumFractionDigits: digits});
  if (size > 0 && size < 0.1) return `<${thin}${written(0.1, 1)}${thin}%`;
  return `${sign}${written(size, size > 0 && size < 9.95 ? 1 : 0)}${thin}%`;
}

/** Visit every pixel of a picture with its cell's code; where several cells share a pixel, with the one furthest from nothing. */
function spread(codes, at, rows, columns, wide, high, table, visit) {
  const nothing = table === "diverging" ? 127.5 : 0;
  for (let y = 0; y < high; y++) {
    const first = Math.floor(y * rows / high), last = Math.max(first + 1, Math.floor((y + 1) * rows / high));
    for (let x = 0; x < wide; x++) {
      const from = Math.floor(x * columns / wide), to = Math.max(from + 1, Math.floor((x + 1) * columns / wide));
      let code = codes[at + first * columns + from];
      for (let r = first; r < last; r++) for (let c = from; c < to; c++) {
        const other = codes[at + r * columns + c];
        if (Math.abs(other - nothing) > Math.abs(code - nothing)) code = other;
      }
      visit(y * wide + x, code);
    }
  }
}

/** An element of a class, with what it holds; strings become text, never markup. */
function make(tag, kind, ...inside) {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  element.append(...inside);
  return element;
}

/** A whole number, with a plus where `signed` asks for it and a true minus. */
const whole = (value, language, signed) =>
  value.toLocaleString(language, {maximumFractionDigits: 0, signDisplay: signed ? "exceptZero" : "auto"}).replace("-", "−");

/** The colour bar, its ends and what lies between at the square roots of their share; `most` is where the colours end. `plain` numbers are
    written as they are, others as percentages. */
function scaleOf(element, {most, table, language, words, plain = null}) {
  const marks = document.createElement("span"), name = document.createElement("span");
  element.className = `scale ${table}`;
  marks.className = "marks";
  name.textContent = words.scale;
  const usual = table === "diverging" ? [-1, -0.25, 0, 0.25, 1] : [0, 0.01, 0.1, 0.25, 0.5, 1];
  const shares = plain === 0 ? [...new Set(usual.map(share => Math.round(share * most) / most))] : usual; // what is counted has no fractions
  for (const share of shares) {
    const mark = document.createElement("span"), root = Math.sign(share) * Math.sqrt(Math.abs(share));
    const written = ((plain === null ? 100 : 1) * share * most).toLocaleString(language, {maximumSignificantDigits: 2, signDisplay: "negative"}).replace("-", "−");
    mark.textContent = share === 1 && plain === null ? `${written}\u202f%` : written;
    mark.style.left = `${table === "diverging" ? 50 + 50 * root : 100 * root}%`;
    marks.append(mark);
  }
  element.replaceChildren(name, document.createElement("i"), marks);
}

/** `count` numbers from 0 to 1 out of the codes of their roots: high bytes from `at` on, low ones from `low` on where there are any. */
function unrooted(codes, at, count, low) {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const root = low === undefined ? codes[at + i] / 255 : (codes[at + i] * 256 + codes[low + i]) / 65535;
    values[i] = root * root;
  }
  return values;
}

/** Where an arrow key leads inside `rows` × `columns`; `null` for any other key. With Shift ten steps at once. */
function travelled(event, row, column, rows, columns) {
  const step = event.shiftKey ? 10 : 1;
  const by = {ArrowUp: [-step, 0], ArrowDown: [step, 0], ArrowLeft: [0, -step], ArrowRight: [0, step], Home: [0, -columns], End: [0, columns]}[event.key];
  if (!by || event.ctrlKey || event.metaKey || event.altKey) return null;
  event.preventDefault();
  const inside = (value, size) => Math.max(0, Math.min(size - 1, value));
  return [inside(row + by[0], rows), inside(column + by[1], columns)];
}
