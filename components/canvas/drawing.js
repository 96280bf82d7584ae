// What a drawing in a component's root begins with, lives by and ends with. Put between plate.js and a view whose class extends it.

/** Hand a call to the one drawing of its class in the root: made at the first call, ended when it is gone from the page. */
function drawn(component, Kind) {
  const root = component.parentElement.querySelector(Kind.root);
  root.drawn ??= new Kind(root);
  root.drawn.receive(component);
  return whenGone(root, () => root.drawn.leave());
}

class Drawing {
  constructor(root) {
    this.root = root;
    this.watch = new ResizeObserver(() => this.resized());
    this.watch.observe(root);
  }

  resized() {
    this.paint();
  }

  leave() {
    this.watch.disconnect();
    delete this.root.drawn;
  }

  /** What Python sent, unless something newer came while it was unpacked. */
  async receive(component) {
    this.component = component;
    if (!component.data) return;
    const {header, parts} = open(component.data);
    this.asked = header;
    const unpacked = await this.unpacked(parts, header);
    if (this.asked === header) this.show(header, unpacked);
  }

  unpacked(parts) {
    return Promise.all(parts.map(inflate));
  }

  /** A frame to be pointed at and travelled in: `look` is given what lies under the pointer or nothing, `choose` what was clicked. */
  attend(frame, look, choose) {
    Object.assign(frame, {tabIndex: 0, onpointerleave: () => look(null), onblur: () => look(null)});
    frame.setAttribute("role", "application");
    frame.onpointermove = event => look(this.at(event));
    frame.onclick = event => choose(this.at(event));
    frame.onkeydown = event => this.key(event);
  }
}
