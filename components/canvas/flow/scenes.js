// What the flow paints: the numbers along one token's way, and the four pictures of them. Every function that paints takes a pen.

const TEXT = 13, SMALL = 12, TAU = 2 * Math.PI;

/** The numbers of one pass, by name; layers and heads count from 0. */
class Numbers {
  constructor(header, codes, floats) {
    Object.assign(this, {header, codes, arrays: {}, maps: {}, made: {}});
    let at = 0;
    for (const [name, ...shape] of header.arrays) {
      const size = shape.reduce((product, each) => product * each, 1);
      this.arrays[name] = {shape, values: floats.subarray(at, (at += size))};
    }
    at = 0;
    for (const [name, {shape, block}] of Object.entries(header.maps)) {
      this.maps[name] = {shape, block, at};
      at += shape.reduce((product, each) => product * each, 1);
    }
  }

  /** The part of an array below these indices; `null` where it was not sent. */
  part(name, ...indices) {
    const found = this.arrays[name];
    if (!found || indices.some((index, i) => index < 0 || index >= found.shape[i])) return null;
    const size = found.shape.slice(indices.length).reduce((product, each) => product * each, 1);
    const at = indices.reduce((sum, index, i) => sum * found.shape[i] + index, 0);
    return found.values.subarray(at * size, (at + 1) * size);
  }

  one(name, ...indices) {
    return this.part(name, ...indices)?.[0] ?? 0;
  }

  /** A vector at a place: {values, table, addressed(i)}; `null` where it was not sent. */
  vector(place) {
    const {stack, layer, branch, head, leaf} = place, {header} = this;
    const row = header.layers[stack]?.indexOf(layer - 1) ?? -1;
    if (!layer) return leaf === "embed" ? this.embedded(stack) : this.part(`${stack}.ends.${leaf}`);
    if (row < 0) return null;
    if (!branch) return this.part(`${stack}.${leaf}`, row);
    const own = ["k", "v"].includes(leaf) ? Math.floor((head - 1) / header.config.shared) : head - 1;
    return this.part(`${stack}.${branch}.${leaf}`, row, own);
  }

  /** What the stream begins with: the last of what the embedding makes. */
  embedded(stack) {
    return this.part(this.embedding(stack).at(-1));
  }

  embedding(stack) {
    const made = this.header.arrays.map(([name]) => name).filter(name => name.startsWith(`${stack}.ends.embed.`));
    return made.length > 2 ? made : made.slice(-1); // a sum of one is the one
  }

  /** The site and the index of one of a place's numbers, as its arithmetic is asked for. */
  address({stack, layer, branch, head, leaf}, i, at) {
    if (!layer) return leaf === "embed" ? `${this.embedding(stack).at(-1).replace(".ends", "")}[${at},${i}]` : `${stack}.norm[${at},${i}]`;
    const block = `${stack}.blocks.${layer - 1}`;
    if (!branch) return `${block}.${leaf}[${at},${i}]`;
    if (leaf === "written") return `${block}.${branch}.by_head[${head - 1},${at},${i}]`;
    const own = ["k", "v"].includes(leaf) ? Math.floor((head - 1) / this.header.config.shared) : head - 1;
    return `${block}.${branch}.${leaf}[${own},${at},${i}]`;
  }

  /** A head's whole map as a picture of its own, painted once. */
  map(stack, branch, layer, head) {
    const key = `${stack}.${branch}.${layer}.${head}`, {shape: [, heads, rows, columns], at} = this.maps[`${stack}.${branch}`];
    return (this.made[key] ??= picture(this.codes, at + (layer * heads + head) * rows * columns, rows, columns));
  }

  /** What the followed token's logit gets from a part; `undefined` in a stack that no logit reads directly. */
  push(k, stack, branch, layer, head) {
    if (stack !== this.header.config.main) return undefined;
    return head === undefined ? this.one(`push.${branch}.out`, k, layer) : this.one(`push.${branch}.heads`, k, layer, head);
  }

  /** The largest push there is on this token, by a head or an MLP: where the colours end. */
  strongest(k) {
    const heads = ["push.attn.heads", "push.cross.heads", "push.mlp.out"].map(name => this.part(name, k) ?? []);
    return Math.max(1e-9, ...heads.map(largest));
  }
}

const largest = values => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const long = values => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

function picture(codes, at, rows, columns) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, {width: columns, height: rows});
  const pen = canvas.getContext("2d"), image = pen.createImageData(columns, rows), ink = new Uint32Array(image.data.buffer);
  for (let i = 0; i < rows * columns; i++) ink[i] = LIT.sequential[codes[at + i]];
  pen.putImageData(image, 0, 0);
  return canvas;
}

// ---------------------------------------------------------------- small things

const diverging = share => colour(DIVERGING, Math.round(127.5 + 127.5 * Math.sign(share) * Math.sqrt(Math.min(1, Math.abs(share)))));
const sequential = share => colour(SEQUENTIAL, Math.round(255 * Math.sqrt(Math.max(0, Math.min(1, share)))));

/** The colour of a push: never so dark that its thread is lost on the plate. */
const pushed = (push, most) => {
  if (push === undefined || Math.abs(push) < 0.005 * most) return "#6b6779";
  return diverging(Math.sign(push) * (0.16 + 0.55 * Math.min(1, Math.abs(push) / most)));
};

function rounded(pen, x, y, width, height, radius) {
  const r = Math.min(radius, width / 2, height / 2), right = x + width, bottom = y + height;
  pen.beginPath();
  pen.moveTo(x + r, y);
  pen.lineTo(right - r, y);
  pen.quadraticCurveTo(right, y, right, y + r);
  pen.lineTo(right, bottom - r);
  pen.quadraticCurveTo(right, bottom, right - r, bottom);
  pen.lineTo(x + r, bottom);
  pen.quadraticCurveTo(x, bottom, x, bottom - r);
  pen.lineTo(x, y + r);
  pen.quadraticCurveTo(x, y, x + r, y);
}

/** Numbers as a row (or a column) of colours; where they are more than there is room for, each line is the furthest from 0 of its share. */
function strip(pen, values, {x, y, width, height}, {down = false, most = largest(values) || 1, table = "diverging", blocked} = {}) {
  const room = down ? height : width, lines = Math.min(values.length, Math.max(1, Math.floor(room)));
  const step = room / lines, gap = step >= 6 ? 1 : 0;
  for (let line = 0; line < lines; line++) {
    const value = furthest(values, Math.floor(line * values.length / lines), Math.floor((line + 1) * values.length / lines));
    pen.fillStyle = blocked?.(line) ? PLATE.hairline : table === "diverging" ? diverging(value / most) : sequential(value / most);
    const at = line * step, size = Math.max(step - gap, 0.6);
    if (down) pen.fillRect(x, y + at, width, size + (gap ? 0 : 0.4)); else pen.fillRect(x + at, y, size + (gap ? 0 : 0.4), height);
  }
}

function furthest(values, from, to) {
  let value = values[from];
  for (let i = from + 1; i < to; i++) if (Math.abs(values[i]) > Math.abs(value)) value = values[i];
  return value;
}

/** Numbers as a field of squares, line by line. */
function field(pen, values, box, most = largest(values) || 1) {
  const {columns, rows, side, count} = squares(values.length, box.width, box.height, 3), gap = side >= 5 ? 1 : side >= 3.6 ? 0.5 : 0;
  for (let i = 0; i < count; i++) {
    const value = furthest(values, Math.floor(i * values.length / count), Math.floor((i + 1) * values.length / count));
    pen.fillStyle = diverging(value / most);
    pen.fillRect(box.x + (i % columns) * side, box.y + Math.floor(i / columns) * side, side - gap, side - gap);
  }
  return {columns, rows, side};
}

/** How `count` squares, or as many as fit at `least` a side, fill a rectangle. */
function squares(count, width, height, least) {
  const most = Math.max(1, Math.floor(width / least) * Math.floor(height / least)), shown = Math.min(count, most);
  let columns = Math.max(1, Math.ceil(Math.sqrt(shown * width / height)));
  while (Math.ceil(shown / columns) * (width / columns) > height + 0.01 && columns < shown) columns++;
  return {columns, rows: Math.ceil(shown / columns), side: Math.min(width / columns, height / Math.ceil(shown / columns)), count: shown};
}

/** A thread between two points, leaving and arriving across the stream's way. */
function thread(pen, from, to, ink, wide, tall) {
  pen.strokeStyle = ink;
  pen.lineWidth = Math.max(wide, 0.8);
  pen.beginPath();
  pen.moveTo(from.x, from.y);
  if (tall) pen.bezierCurveTo((from.x + to.x) / 2, from.y, (from.x + to.x) / 2, to.y, to.x, to.y);
  else pen.bezierCurveTo(from.x, (from.y + to.y) / 2, to.x, (from.y + to.y) / 2, to.x, to.y);
  pen.stroke();
}

// ---------------------------------------------------------------- the pictures

/** Paints with a pen already scaled to a picture's own measures. */
class Scenes {
  constructor(flow) {
    this.flow = flow;
  }

  say(pen, text, x, y, {ink = PLATE.dim, align = "left", size = TEXT, code = false, room} = {}) {
    pen.font = code ? this.flow.code(size) : this.flow.prose(size);
    pen.fillStyle = ink;
    pen.textAlign = align;
    pen.textBaseline = "middle";
    pen.fillText(room ? elide(pen, text, room) : text, x, y);
  }

  paint(pen, level, picture, items) {
    this.picture = picture;
    this.tall = picture.shape === "tall";
    this.boxes = Object.fromEntries(picture.boxes.map(box => [box.name, box]));
    this[level](pen, picture, items);
  }

  frame(pen, box, ink = PLATE.hairline, wide = 1, fill) {
    rounded(pen, box.x, box.y, box.width, box.height, 6);
    if (fill) { pen.fillStyle = fill; pen.fill(); }
    pen.strokeStyle = ink;
    pen.lineWidth = wide;
    pen.stroke();
  }

  /** A point so far along the stream, and so far across it. */
  point(a, c) {
    return this.tall ? {x: c, y: a} : {x: a, y: c};
  }

  start(box) { return this.tall ? box.y : box.x; }
  end(box) { return this.tall ? box.y + box.height : box.x + box.width; }
  near(box) { return this.tall ? box.x : box.y; }
  far(box) { return this.tall ? box.x + box.width : box.y + box.height; }
  middle(box) { return this.tall ? box.y + box.height / 2 : box.x + box.width / 2; }

  /** The stream as a band through (along, thickness). */
  band(pen, stations) {
    const {stream} = this.picture;
    pen.beginPath();
    const edge = (side, points, first) => points.forEach(([a, thick], i) => {
      const at = this.point(a, stream + side * thick / 2);
      if (i === 0) return first ? pen.moveTo(at.x, at.y) : pen.lineTo(at.x, at.y);
      const [before, was] = points[i - 1], bend = (before + a) / 2;
      const one = this.point(bend, stream + side * was / 2), two = this.point(bend, stream + side * thick / 2);
      return pen.bezierCurveTo(one.x, one.y, two.x, two.y, at.x, at.y);
    });
    edge(-1, stations, true);
    edge(1, [...stations].reverse(), false);
    pen.fillStyle = colour(SEQUENTIAL, 72);
    pen.fill();
  }

  /** A slice through the stream: its numbers. */
  slice(pen, values, a, wide = 7) {
    const {stream, bed} = this.picture;
    if (!values) return;
    const box = this.tall ? {x: stream - bed / 2, y: a - wide / 2, width: bed, height: wide} : {x: a - wide / 2, y: stream - bed / 2, width: wide, height: bed};
    pen.fillStyle = PLATE.plate;
    pen.fillRect(box.x - 1, box.y - 1, box.width + 2, box.height + 2);
    strip(pen, values, box, {down: !this.tall});
  }

  // ---------------------------------------------------------------- the model

  model(pen, picture, items) {
    const {config} = this.flow.header;
    for (const stack of Object.keys(config.depths)) this.lane(pen, stack);
    if (config.depths.encoder && config.depths.decoder) this.bridge(pen);
    for (const item of items) {
      if (item.box.kind === "tokens") this.tokens(pen, item);
      if (item.box.kind === "out") this.out(pen, item);
    }
  }

  lane(pen, stack) {
    const {numbers, header} = this.flow, {config} = header, depth = config.depths[stack], {bed, stream} = this.picture;
    const sizes = ["before", "middle", "crossed", "after"].filter(name => numbers.arrays[`${stack}.size.${name}`]);
    const most = Math.max(...sizes.map(name => largest(numbers.part(`${stack}.size.${name}`)))), unit = bed / most;
    const blocks = Array.from({length: depth}, (_, layer) => this.boxes[`${stack}.${layer + 1}`]);
    const thick = (name, layer) => Math.max(2, unit * numbers.one(`${stack}.size.${name}`, layer));
    this.blocks(pen, stack, blocks);
    const stations = [[this.end(this.boxes[`${stack}.embed`]), thick("before", 0)]];
    blocks.forEach((box, layer) => sizes.forEach((name, i) => stations.push([this.start(box) + (i / (sizes.length - 1)) * (this.end(box) - this.start(box)), thick(name, layer)])));
    const norm = this.boxes[`${stack}.norm`], out = this.boxes.out, last = norm ?? (stack === config.main ? out : null);
    if (last) stations.push(norm ? [this.start(norm) + 2, this.tailed(stack, unit)] : [this.start(last), stations.at(-1)[1]]);
    blocks.forEach((box, layer) => this.threads(pen, stack, layer, box, unit));
    this.band(pen, stations);
    if (norm) this.tail(pen, stack, norm, unit);
    const slices = Array.from({length: depth}, (_, layer) => numbers.vector({stack, layer: layer + 1, leaf: "before"}));
    const end = numbers.vector({stack, layer: depth, leaf: "after"});
    const wide = Math.min(7, (this.end(blocks[0]) - this.start(blocks[0])) / 5);
    blocks.forEach((box, layer) => this.slice(pen, slices[layer], this.start(box) + wide / 2, wide));
    this.slice(pen, end, this.end(blocks.at(-1)) - wide / 2, wide);
    blocks.forEach((box, layer) => this.insides(pen, stack, layer, box));
    this.embed(pen, stack);
    if (norm) this.normed(pen, norm, numbers.part(`${stack}.ends.norm`), stream);
  }

  /** What the final norm leaves goes on as a thread of its own length. */
  tail(pen, stack, norm, unit) {
    const to = this.boxes.out && stack === this.flow.header.config.main ? this.start(this.boxes.out) : this.end(norm) + 8, thick = this.tailed(stack, unit);
    this.band(pen, [[this.start(norm), thick], [to, thick]]);
  }

  tailed(stack, unit) {
    return Math.max(2, Math.min(this.picture.bed, unit * long(this.flow.numbers.part(`${stack}.ends.norm`) ?? [0])));
  }

  blocks(pen, stack, boxes) {
    const {words} = this.flow.header, room = this.tall ? boxes[0].height : boxes[0].width, every = Math.max(1, Math.ceil((this.tall ? 18 : 26) / room));
    boxes.forEach((box, layer) => {
      if (room >= 40) this.frame(pen, box, PLATE.hairline, 1, "#16151e");
      else { pen.fillStyle = layer % 2 ? "#16151e" : "#1b1a24"; pen.fillRect(box.x, box.y, box.width, box.height); }
      if (layer % every) return;
      const label = room >= 70 || this.tall ? fill(words.layer, {layer: layer + 1}) : String(layer + 1);
      if (this.tall) this.say(pen, room >= 40 ? label : String(layer + 1), box.x + 8, box.y + Math.min(12, box.height / 2), {ink: PLATE.glow, size: SMALL});
      else this.say(pen, label, room >= 70 ? box.x + 8 : box.x + box.width / 2, box.y + 14, {ink: PLATE.glow, size: room >= 70 ? TEXT : SMALL, align: room >= 70 ? "left" : "center"});
    });
  }

  threads(pen, stack, layer, box, unit) {
    const {numbers, header, k} = this.flow, name = `${stack}.${layer + 1}`, most = numbers.strongest(k), {stream} = this.picture;
    const branches = header.config.branches[stack], from = this.start(box) + 4, to = this.end(box) - 6;
    pen.save();
    pen.globalAlpha = 0.85;
    branches.forEach((branch, b) => {
      const join = from + ((b + 1) / (branches.length + 1)) * (to - from) + (to - from) * 0.12;
      for (let head = 0; head < header.config.heads; head++) {
        const at = this.boxes[`${name}.${branch}.${head + 1}`];
        if (!at) continue;
        const root = this.point(this.middle(at), this.far(at) - 2);
        thread(pen, this.point(from, stream), root, "#4a4658", 0.8, this.tall);
        thread(pen, root, this.point(join, stream), pushed(numbers.push(k, stack, branch, layer, head), most), unit * numbers.one(`${stack}.size.${branch}.heads`, layer, head), this.tall);
      }
    });
    const mlp = this.boxes[`${name}.mlp`];
    if (mlp) this.mlpThread(pen, stack, layer, mlp, [from, to], unit, most);
    else this.ribbon(pen, stack, layer, box, unit, most);
    pen.restore();
  }

  mlpThread(pen, stack, layer, mlp, [from, to], unit, most) {
    const {numbers, k} = this.flow, {stream} = this.picture, wide = unit * numbers.one(`${stack}.size.mlp.out`, layer), half = Math.min(wide, (to - from) * 0.6) / 2;
    thread(pen, this.point(from + 6, stream), this.point(from + 14, this.near(mlp) + 2), "#4a4658", 0.8, this.tall);
    const root = this.point(this.middle(mlp) + (to - from) * 0.1, this.near(mlp) + 2);
    thread(pen, root, this.point(to - half, stream), pushed(numbers.push(k, stack, "mlp", layer), most), wide, this.tall);
  }

  /** A block too narrow for its parts: what attention adds on one side, what the MLP adds on the other, as bars. */
  ribbon(pen, stack, layer, box, unit, most) {
    const {numbers, header, k} = this.flow, {stream, bed} = this.picture, thick = Math.max(1, (this.end(box) - this.start(box)) * 0.8), a = this.start(box);
    const bar = (from, size, push) => {
      const long = Math.max(1, Math.min(66, Math.abs(size) * unit)), low = from < stream ? from - long : from;
      const {x, y} = this.point(a, low);
      pen.fillStyle = pushed(push, most);
      if (this.tall) pen.fillRect(x, y, long, thick); else pen.fillRect(x, y, thick, long);
    };
    const [low, high] = header.config.ribbon[this.tall ? "tall" : "wide"], heads = header.config.branches[stack].flatMap(branch => [...(numbers.part(`push.${branch}.heads`, k, layer) ?? [])]);
    const lines = this.tall ? {x: low, y: a, width: high - low, height: thick} : {x: a, y: low, width: thick, height: high - low};
    if (stack === header.config.main) strip(pen, heads, lines, {down: !this.tall, most});
    const written = header.config.branches[stack].map(branch => [numbers.one(`${stack}.size.${branch}.out`, layer), numbers.push(k, stack, branch, layer)]);
    bar(stream - bed / 2 - 6, written.reduce((sum, [size]) => sum + size, 0), written.reduce((sum, [, push]) => (push === undefined ? undefined : sum + push), 0));
    bar(stream + bed / 2 + 6, numbers.one(`${stack}.size.mlp.out`, layer), numbers.push(k, stack, "mlp", layer));
  }

  insides(pen, stack, layer, box) {
    const {numbers, header} = this.flow, name = `${stack}.${layer + 1}`;
    for (const branch of header.config.branches[stack]) {
      for (let head = 0; head < header.config.heads; head++) {
        const at = this.boxes[`${name}.${branch}.${head + 1}`];
        if (at) this.thumb(pen, at, stack, branch, layer, head);
      }
    }
    const mlp = this.boxes[`${name}.mlp`];
    if (!mlp) return;
    this.frame(pen, mlp, "#3a3747", 1, PLATE.plate);
    const active = numbers.vector({stack, layer: layer + 1, leaf: "mlp.activated"});
    if (active) field(pen, active, {x: mlp.x + 3, y: mlp.y + 3, width: mlp.width - 6, height: mlp.height - 6});
    const [before, after] = ["before", "after"].map(name => this.flow.number(numbers.one(`${stack}.size.${name}`, layer)));
    const told = this.tall || box.width >= 80 ? `${before} → ${after}` : `→ ${after}`;
    if (!this.tall) this.say(pen, told, box.x + box.width / 2, box.y + box.height - 9, {align: "center", size: SMALL, room: box.width});
    else this.say(pen, told, box.x + box.width - 8, box.y + 12, {align: "right", size: SMALL});
  }

  thumb(pen, at, stack, branch, layer, head) {
    const {numbers, k} = this.flow, most = numbers.strongest(k);
    pen.save();
    pen.imageSmoothingEnabled = false;
    pen.drawImage(numbers.map(stack, branch, layer, head), at.x, at.y, at.width, at.height);
    pen.restore();
    pen.strokeStyle = pushed(numbers.push(k, stack, branch, layer, head), most);
    pen.lineWidth = at.width > 20 ? 1.5 : 0.8;
    pen.strokeRect(at.x, at.y, at.width, at.height);
  }

  embed(pen, stack) {
    const {numbers, header} = this.flow, box = this.boxes[`${stack}.embed`], names = numbers.embedding(stack);
    const inner = this.tall ? {x: box.x + 26, y: box.y, width: box.width - 52, height: box.height} : {x: box.x, y: box.y + 26, width: box.width, height: box.height - 52};
    const step = Math.min(14, (this.tall ? inner.height : inner.width) / names.length);
    if (this.tall) inner.y = box.y + (box.height - step * names.length) / 2; else inner.x = box.x + (box.width - step * names.length) / 2;
    names.forEach((name, i) => {
      const at = this.tall ? {...inner, y: inner.y + i * step, height: step - 3} : {...inner, x: inner.x + i * step, width: step - 3};
      strip(pen, numbers.part(name), at, {down: !this.tall});
    });
    if (this.tall) this.say(pen, header.words.embedding, 14, box.y + box.height / 2, {size: SMALL});
    else this.say(pen, header.words.embedding, box.x + box.width / 2, box.y + box.height - 12, {align: "center", size: SMALL});
  }

  normed(pen, box, values) {
    const {words} = this.flow.header;
    if (!values) return;
    const inner = this.tall ? {x: box.x + 26, y: box.y + 6, width: box.width - 52, height: box.height - 12} : {x: box.x + 6, y: box.y + 26, width: box.width - 12, height: box.height - 52};
    strip(pen, values, inner, {down: !this.tall});
    if (this.tall) this.say(pen, words.final, 14, box.y + box.height / 2, {size: SMALL});
    else this.say(pen, words.final, box.x + box.width / 2, box.y + box.height - 12, {align: "center", size: SMALL});
  }

  /** From the end of the source's stream to every place in the decoder that looks at it. */
  bridge(pen) {
    const {config} = this.flow.header, from = this.boxes["encoder.norm"] ?? this.boxes[`encoder.${config.depths.encoder}`], level = 4;
    pen.strokeStyle = colour(SEQUENTIAL, 175);
    pen.lineWidth = 1.5;
    const a = this.end(from) + 8, run = (...points) => {
      pen.beginPath();
      points.map(point => this.point(...point)).forEach(({x, y}, i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
      pen.stroke();
    };
    run([a, this.picture.stream], [a, level]);
    for (let layer = 1; layer <= config.depths.decoder; layer++) {
      const box = this.boxes[`decoder.${layer}`], heads = this.boxes[`decoder.${layer}.cross.1`];
      const at = heads ? this.middle(heads) : this.middle(box);
      run([a, level], [at, level], [at, heads ? this.near(heads) : this.near(box) + 30]);
    }
  }

  tokens(pen, item) {
    const {words} = this.flow.header, {box} = item;
    this.say(pen, words[item.stack === this.flow.header.config.main ? "text" : "source"], box.x + 4, box.y + 10, {size: SMALL});
    for (const part of item.parts) {
      const chosen = part.index === item.chosen;
      rounded(pen, part.box.x, part.box.y, part.box.width, part.box.height, 4);
      pen.fillStyle = chosen ? colour(SEQUENTIAL, 205) : "#1d1c26";
      pen.fill();
      if (chosen) this.entry(pen, part.box, item.stack);
      this.say(pen, part.text, part.box.x + 7, part.box.y + part.box.height / 2 + 0.5, {ink: chosen ? "#111017" : PLATE.glow, code: true, room: part.box.width - 12});
    }
    if (!item.more) return;
    this.say(pen, fill(words.more, {count: item.more}), box.x + 4, box.y + box.height - 8, {size: SMALL, room: box.width - 4});
  }

  /** From the chosen token to the vector that it becomes. */
  entry(pen, box, stack) {
    const to = this.boxes[`${stack}.embed`], {stream} = this.picture;
    pen.strokeStyle = colour(SEQUENTIAL, 205);
    pen.lineWidth = 1.5;
    pen.beginPath();
    if (this.tall) {
      const x = box.x + box.width / 2;
      pen.moveTo(x, box.y + box.height);
      pen.bezierCurveTo(x, to.y, stream, box.y + box.height, stream, to.y + 8);
    } else {
      const y = box.y + box.height / 2, middle = to.x + to.width / 2 - 8;
      pen.moveTo(box.x + box.width, y);
      pen.bezierCurveTo(middle - 10, y, box.x + box.width, stream, middle, stream);
    }
    pen.stroke();
  }

  out(pen, item) {
    const {words} = this.flow.header, {box} = item;
    this.say(pen, this.flow.header.config.main === "encoder" ? words.place : words.next, box.x + 8, box.y + 10, {size: SMALL, room: box.width - 10});
    const most = Math.max(...item.parts.map(part => part.share));
    for (const part of item.parts) {
      const {x, y, width, height} = part.box, chosen = part.index === this.flow.k;
      if (chosen) this.frame(pen, part.box, PLATE.mark, 1.5, "#1d1c26");
      this.say(pen, part.text, x + 8, y + height / 2 - 4, {ink: PLATE.glow, code: true, room: width - 74, size: 14});
      this.say(pen, percent(part.share, this.flow.header.language), x + width - 8, y + height / 2 - 4, {ink: PLATE.glow, align: "right"});
      pen.fillStyle = PLATE.hairline;
      pen.fillRect(x + 8, y + height - 8, width - 16, 4);
      pen.fillStyle = sequential(0.25 + 0.5 * part.share);
      pen.fillRect(x + 8, y + height - 8, Math.max(1, (width - 16) * part.share), 4);
    }
    return most;
  }

  // ---------------------------------------------------------------- a block

  block(pen, picture) {
    const {numbers, place, header} = this.flow, {stack, layer} = place, sizes = name => numbers.one(`${stack}.size.${name}`, layer - 1);
    const stations = Object.keys(this.boxes).filter(name => this.boxes[name].kind === "slice");
    const unit = picture.bed / Math.max(...stations.map(sizes));
    const ends = [stations[0], ...stations.slice(1)].map(name => [this.middle(this.boxes[name]), Math.max(2, unit * sizes(name))]);
    if (header.config.arrangement === "parallel") ends.splice(1, 0, [this.middle(this.boxes["attn.out"]), Math.max(2, unit * sizes("middle"))]);
    this.wires(pen, unit);
    const edge = this.tall ? picture.height : picture.width;
    this.band(pen, [[0, ends[0][1]], ...ends, [edge, ends.at(-1)[1]]]);
    for (const leaf of stations) this.station(pen, leaf, sizes(leaf));
    for (const box of picture.boxes) this.inBlock(pen, box);
  }

  station(pen, leaf, size) {
    const {numbers, place, header} = this.flow, box = this.boxes[leaf], {stream, bed} = this.picture;
    this.slice(pen, numbers.vector({...place, leaf}), this.middle(box), 12);
    const at = this.point(this.middle(box), stream + bed / 2 + 14), tall = this.tall;
    this.say(pen, header.words[`leaf.${leaf}`], tall ? at.x - 14 : at.x, at.y + (tall ? -18 : 0), {align: tall ? "right" : leaf === "before" ? "left" : leaf === "after" ? "right" : "center", ink: PLATE.glow, size: SMALL});
    this.say(pen, this.flow.number(size), tall ? at.x - 14 : at.x, at.y + (tall ? 18 : 16), {align: tall ? "right" : leaf === "before" ? "left" : leaf === "after" ? "right" : "center", size: SMALL});
  }

  inBlock(pen, box) {
    const {numbers, place, header} = this.flow, {stack, layer} = place;
    if (box.kind === "head") return this.headCard(pen, box);
    if (box.kind === "slice" || box.kind === "heads") return box.kind === "heads" && this.caption(pen, box, header.words[`leaf.${box.name}`]);
    const values = numbers.vector({stack, layer, leaf: box.name});
    if (!values) return null;
    if (box.kind === "hidden") field(pen, values, box); else strip(pen, values, box, {down: !this.tall});
    return this.caption(pen, box, header.words[`leaf.${box.name}`], values);
  }

  /** A part's name and, of a vector, its length. */
  caption(pen, box, text, values) {
    const number = values ? this.flow.number(long(values)) : "", narrow = !this.tall && ["strip", "norm"].includes(box.kind);
    if (!narrow) return this.say(pen, number ? `${text} · ${number}` : text, box.x, box.y - 10, {size: SMALL, ink: PLATE.glow});
    this.say(pen, text, box.x + box.width / 2, box.y - (number ? 24 : 10), {align: "center", size: SMALL, ink: PLATE.glow});
    return this.say(pen, number, box.x + box.width / 2, box.y - 10, {align: "center", size: SMALL});
  }

  headCard(pen, box) {
    const {numbers, place, k} = this.flow, {stack, layer} = place, [branch, head] = box.name.split("."), h = Number(head) - 1;
    const told = box.width >= 44, less = this.tall ? 24 : 16;
    const at = told ? {x: box.x + less / 2, y: box.y + (this.tall ? 15 : 0), width: box.width - less, height: box.height - less} : box;
    this.thumb(pen, at, stack, branch, layer - 1, h);
    if (!told) return;
    const added = numbers.one(`${stack}.size.${branch}.heads`, layer - 1, h);
    this.say(pen, `${head} · ${this.flow.number(added)}`, box.x + box.width / 2, this.tall ? box.y + 7 : box.y + box.height - 6, {align: "center", size: SMALL, ink: pushed(numbers.push(k, stack, branch, layer - 1, h), numbers.strongest(k)) === "#6b6779" ? PLATE.dim : PLATE.glow});
  }

  /** What reads from the stream and what writes to it; a written thread is as wide as what it adds is long. */
  wires(pen, unit) {
    const {numbers, place, header, k} = this.flow, {stack, layer} = place, {stream} = this.picture, most = numbers.strongest(k);
    const parts = [...header.config.branches[stack], "mlp"], names = Object.keys(this.boxes), faint = "#5a5668";
    pen.save();
    pen.globalAlpha = 0.85;
    for (const part of parts) {
      const out = this.boxes[`${part}.out`], first = this.boxes[part] ?? this.boxes[`${part}.hidden`];
      const before = names.slice(0, names.indexOf(first.name)).map(name => this.boxes[name]), norm = before.findLast(box => box.kind === "strip" && !box.name.endsWith(".out"));
      const source = before.findLast(box => box.kind === "slice"), entry = norm && (this.start(norm) > this.start(source)) ? norm : first;
      thread(pen, this.point(this.middle(source), stream), this.point(entry === first ? this.start(first) + 6 : this.middle(entry), this.far(entry)), faint, 1.6, this.tall);
      this.onwards(pen, norm, first, out, faint);
      if (part !== "mlp") this.written(pen, part, out, unit);
      const push = numbers.push(k, stack, part, layer - 1), wide = unit * numbers.one(`${stack}.size.${part}.out`, layer - 1);
      const a = this.middle(out);
      thread(pen, this.point(a, this.far(out)), this.point(a, stream), pushed(push, most), Math.min(wide, 110), this.tall);
    }
    pen.restore();
  }

  /** From a norm to what reads it (past the heads, where an MLP reads the same one), and from hidden numbers to what they become. */
  onwards(pen, norm, first, out, faint) {
    const line = (...points) => {
      pen.strokeStyle = faint;
      pen.lineWidth = 1.6;
      pen.beginPath();
      points.map(point => this.point(...point)).forEach(({x, y}, i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
      pen.stroke();
    };
    const middle = box => (this.near(box) + this.far(box)) / 2, rail = this.picture.stream - this.picture.bed / 2 - 5;
    if (norm && this.start(first) - this.end(norm) < 30) line([this.end(norm), middle(first)], [this.start(first), middle(first)]);
    else if (norm) line([this.middle(norm) + 5, this.far(norm)], [this.middle(norm) + 5, rail], [this.start(first) + 8, rail], [this.start(first) + 8, this.far(first)]);
    const made = this.boxes["mlp.activated"];
    if (out.name !== "mlp.out") return;
    for (const [from, to] of [[first, made], [made, out]]) line([this.end(from), middle(from)], [this.start(to), middle(from)]);
  }

  /** What each head writes, gathered below them all into one vector. */
  written(pen, branch, out, unit) {
    const {numbers, place, header, k} = this.flow, {stack, layer} = place, most = numbers.strongest(k), low = this.far(out);
    for (let head = 0; head < header.config.heads; head++) {
      const box = this.boxes[`${branch}.${head + 1}`];
      if (!box) continue;
      const a = this.end(box) - (this.tall ? 3 : 0), c = (this.near(box) + this.far(box)) / 2 - 6, to = this.start(out), at = (along, across) => Object.values(this.point(along, across));
      pen.strokeStyle = pushed(numbers.push(k, stack, branch, layer - 1, head), most);
      pen.lineWidth = Math.max(0.8, unit * numbers.one(`${stack}.size.${branch}.heads`, layer - 1, head));
      pen.beginPath();
      pen.moveTo(...at(a - 8, c));
      pen.bezierCurveTo(...at(a, c), ...at(a, c + 4), ...at(a, Math.min(c + 16, low)));
      pen.lineTo(...at(a, low - 4));
      pen.bezierCurveTo(...at(a, low + 16), ...at(to - (to - a) * 0.4, low + 14), ...at(to, low - 12));
      pen.stroke();
    }
  }

  // ---------------------------------------------------------------- a head

  head(pen, picture) {
    for (const box of picture.boxes) if (box.kind === "row") this.row(pen, box); else this.whole(pen, box);
  }

  row(pen, box) {
    const {numbers, place, header} = this.flow, values = numbers.vector({...place, leaf: box.name}), over = ["scores", "pattern"].includes(box.name);
    const told = this.flow.told(), label = values ? fill(header.words[`row.${box.name}`], told) : header.words[`row.none`];
    this.say(pen, label, box.x, box.y - 10, {ink: PLATE.glow, room: box.width - (values ? 120 : 0)});
    if (!values) return;
    const allowed = numbers.vector({...place, leaf: "allowed"}), cells = {...box, height: box.name === "pattern" ? box.height - 17 : box.height};
    const most = box.name === "pattern" ? 1 : largest(over ? values.filter((_, i) => allowed[i]) : values) || 1;
    const note = box.name === "pattern" ? "0 – 100\u202f%" : over ? `±${this.flow.number(most)}` : `${header.words.length} ${this.flow.number(long(values))} · ±${this.flow.number(most)}`;
    this.say(pen, note, box.x + box.width, box.y - 10, {align: "right", size: SMALL});
    const wide = {...cells, width: over ? Math.min(cells.width, values.length * 96) : cells.width};
    strip(pen, values, wide, {most, table: box.name === "pattern" ? "sequential" : "diverging", blocked: over ? i => !allowed[i] : undefined});
    if (over) this.labels(pen, box.name, values, wide, most, allowed);
  }

  /** Tokens below the row of weights, and numbers on it, where there is room. */
  labels(pen, name, values, box, most, allowed) {
    const step = box.width / values.length, {keys} = this.flow;
    values.forEach((value, i) => {
      const x = box.x + (i + 0.5) * step, table = name === "pattern" ? SEQUENTIAL : DIVERGING, root = Math.sign(value) * Math.sqrt(Math.min(1, Math.abs(value / most)));
      const code = name === "pattern" ? Math.round(255 * root) : Math.round(127.5 + 127.5 * root);
      if (step >= 46) this.say(pen, allowed[i] ? (name === "pattern" ? percent(value, this.flow.header.language) : this.flow.number(value)) : "−∞", x, box.y + box.height / 2 + 1, {align: "center", size: SMALL, ink: allowed[i] ? onColour(table, code) : PLATE.dim});
      if (name === "pattern" && step >= 22) this.say(pen, keys[i], x, box.y + box.height + 10, {align: "center", size: SMALL, code: true, room: step - 4});
    });
    if (name !== "pattern" || step >= 22) return;
    const best = [...values.keys()].sort((a, b) => values[b] - values[a]).slice(0, 3).filter((i, n, all) => all.slice(0, n).every(j => Math.abs(i - j) * step > 70));
    for (const i of best) this.say(pen, keys[i], Math.max(box.x + 30, Math.min(box.x + box.width - 30, box.x + (i + 0.5) * step)), box.y + box.height + 10, {align: "center", size: SMALL, code: true, room: 66});
  }

  whole(pen, box) {
    const {numbers, place, header, at, queries} = this.flow, map = numbers.map(place.stack, place.branch, place.layer - 1, place.head - 1);
    const {shape: [, , rows, columns], block} = numbers.maps[`${place.stack}.${place.branch}`];
    const side = Math.min(box.width / columns, box.height / rows), size = {x: box.x, y: box.y, width: side * columns, height: side * rows};
    this.mapBox = size;
    pen.save();
    pen.imageSmoothingEnabled = false;
    pen.drawImage(map, size.x, size.y, size.width, size.height);
    pen.restore();
    pen.strokeStyle = "#3a3747";
    pen.lineWidth = 1;
    pen.strokeRect(size.x, size.y, size.width, size.height);
    const row = Math.floor(at / block);
    pen.strokeStyle = PLATE.mark;
    pen.lineWidth = 1.5;
    pen.strokeRect(size.x - 1, size.y + row * side - 0.5, size.width + 2, Math.max(side, 2) + 1);
    const pooled = block > 1 ? ` · ${fill(header.words.pooled, {block})}` : "";
    this.say(pen, header.words.keys + pooled, size.x, size.y - 10, {size: SMALL, room: box.width + 10});
    pen.save();
    pen.translate(size.x - 10, size.y + size.height);
    pen.rotate(-Math.PI / 2);
    this.say(pen, header.words.queries, 0, 0, {size: SMALL, room: size.height});
    pen.restore();
    return queries;
  }

  // ---------------------------------------------------------------- a vector

  vector(pen, picture) {
    const {numbers, place, cell, keys, header} = this.flow, values = numbers.vector(place), tokens = ["scores", "pattern"].includes(place.leaf);
    if (!values) return;
    const {columns, side} = this.grid(picture, values.length), most = place.leaf === "pattern" ? 1 : largest(values) || 1;
    values.forEach((value, i) => {
      const x = (i % columns) * side.x, y = 28 + Math.floor(i / columns) * side.y, root = Math.sign(value) * Math.sqrt(Math.min(1, Math.abs(value) / most));
      const table = place.leaf === "pattern" ? SEQUENTIAL : DIVERGING, code = Math.round(place.leaf === "pattern" ? 255 * root : 127.5 + 127.5 * root);
      pen.fillStyle = colour(table, code);
      pen.fillRect(x, y, side.x - (side.x > 4 ? 1 : 0.3), side.y - (side.y > 4 ? 1 : 0.3));
      if (side.x < 36 || side.y < 16) return;
      const ink = onColour(table, code), middle = y + side.y / 2;
      this.say(pen, this.flow.brief(value, place.leaf), x + side.x / 2, tokens && side.y >= 34 ? middle - 8 : middle, {align: "center", size: SMALL, ink});
      if (tokens && side.y >= 34) this.say(pen, keys[i], x + side.x / 2, middle + 9, {align: "center", size: SMALL, ink, code: true, room: side.x - 4});
    });
    pen.strokeStyle = PLATE.mark;
    pen.lineWidth = 2.5;
    pen.strokeRect((cell % columns) * side.x - 1, 27 + Math.floor(cell / columns) * side.y, side.x + 1, side.y + 1);
    this.say(pen, `${this.flow.titled(place)} · ${fill(header.words.count, {count: values.length})} · ±${this.flow.number(most)}`, 0, 12, {ink: PLATE.glow, room: picture.width});
  }

  /** How many cells stand in a line, and how large each is. */
  grid(picture, count) {
    const high = picture.height - 36, tall = picture.shape === "tall";
    const columns = tall ? (count > 400 ? 22 : 8) : Math.max(1, Math.min(count, Math.ceil(Math.sqrt((count * picture.width) / high / 1.6)), 120));
    const rows = Math.ceil(count / columns);
    return {columns, rows, side: {x: Math.min(picture.width / columns, 96), y: tall ? (count > 400 ? 15 : 24) : Math.min(high / rows, 44)}};
  }
}
