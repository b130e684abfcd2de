// The plane of the map: what is drawn, where one looks, what is marked. Knows nothing of clips.
const RAMP = [[70, 110, 200], [30, 160, 155], [225, 150, 40], [205, 50, 70]];
const WORDS = [[47, 126, 216], [224, 123, 57], [42, 157, 92], [196, 69, 105], [142, 108, 201], [181, 155, 43], [58, 169, 184], [138, 111, 92]];
const CELLS = 512;
export const NOTHING = 255;

// The colour of each shade, [red, green, blue], for what `shades` says they are.
export function palette(shades, plain) {
  const grey = [140, 140, 140];
  return Array.from({ length: 256 }, (_, shade) => {
    if (!shades) return plain;
    if (shade === NOTHING) return grey;
    if (shades.kind !== "number") return WORDS[shade] && shade < shades.words.length ? WORDS[shade] : grey;
    const at = shade / 254 * (RAMP.length - 1), low = Math.min(RAMP.length - 2, Math.floor(at));
    return RAMP[low].map((one, channel) => Math.round(one + (RAMP[low + 1][channel] - one) * (at - low)));
  });
}

export class Plane {
  // `bounds` has all clips; `on` are listeners: moved(), hovered(x, y, reach), picked(x, y, reach), marked(box), left().
  constructor(canvas, on) {
    this.canvas = canvas;
    this.on = on;
    this.context = canvas.getContext("2d");
    this.view = { x: 0, y: 0, scale: 1 };
    this.isMarking = false;
    this.box = null;
    this.part = null;
    this.colours = palette(null, [11, 122, 117]);
    this.pointers = new Map();
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.listen();
  }

  measure() {
    const ratio = window.devicePixelRatio || 1, { canvas } = this;
    const width = Math.max(1, Math.round(canvas.clientWidth * ratio)), height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    if (canvas.width === width && canvas.height === height) return false;
    Object.assign(canvas, { width, height });
    return true;
  }

  resize() {
    const before = this.canvas.width;
    if (!this.measure() || !this.bounds) return;
    this.view.scale *= this.canvas.width / before;
    this.draw();
    this.on.moved();
  }

  get ratio() { return this.canvas.width / Math.max(1, this.canvas.clientWidth); }

  whole(bounds = this.bounds) {
    this.bounds = bounds;
    this.measure();
    const width = (bounds.right - bounds.left) || 1, height = (bounds.high - bounds.low) || 1;
    this.least = 0.4 * Math.min(this.canvas.width / width, this.canvas.height / height);
    this.view = { x: (bounds.left + bounds.right) / 2, y: (bounds.low + bounds.high) / 2, scale: this.least / 0.4 * 0.92 };
    this.draw();
    this.on.moved();
  }

  // The part of the plane that is seen.
  seen(margin = 0) {
    const { x, y, scale } = this.view, wide = this.canvas.width / scale / 2 * (1 + margin), tall = this.canvas.height / scale / 2 * (1 + margin);
    return { left: x - wide, right: x + wide, low: y - tall, high: y + tall };
  }

  toPlane(left, top) {
    const { x, y, scale } = this.view;
    return [x + (left * this.ratio - this.canvas.width / 2) / scale, y - (top * this.ratio - this.canvas.height / 2) / scale];
  }

  toScreen(x, y) {
    const { scale } = this.view;
    return [(this.canvas.width / 2 + (x - this.view.x) * scale) / this.ratio, (this.canvas.height / 2 - (y - this.view.y) * scale) / this.ratio];
  }

  reach() { return 10 * this.ratio / this.view.scale; }

  zoom(factor, left = this.canvas.clientWidth / 2, top = this.canvas.clientHeight / 2) {
    const [x, y] = this.toPlane(left, top);
    const scale = Math.min(this.least * 1e6, Math.max(this.least, this.view.scale * factor)), share = this.view.scale / scale;
    this.view = { x: x - (x - this.view.x) * share, y: y - (y - this.view.y) * share, scale };
    this.draw();
    this.on.moved();
  }

  move(left, top) {
    this.view.x -= left * this.ratio / this.view.scale;
    this.view.y += top * this.ratio / this.view.scale;
    this.draw();
    this.on.moved();
  }

  show(part) { this.part = part; this.picture = null; this.draw(); }

  colour(colours) { this.colours = colours; this.picture = null; this.draw(); }

  draw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.paint(); });
  }

  paint() {
    const { context, canvas, part } = this;
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (part) { if (part.kind === "points") this.points(part); else this.density(part); }
    if (this.box) this.outline(this.box);
  }

  points({ x, y, shade }) {
    const { canvas, view, colours } = this, { width, height } = canvas;
    const image = this.context.createImageData(width, height), pixels = new Uint32Array(image.data.buffer);
    const lut = new Uint32Array(colours.map(([red, green, blue]) => (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0));
    const size = Math.max(2, Math.round(this.ratio * (x.length > 50000 ? 2 : x.length > 3000 ? 3 : x.length > 400 ? 5 : 8))), half = size >> 1;
    // Corners are left out: a square of some size is a round point.
    const trim = size > 4 ? Math.max(1, size >> 2) : 0;
    for (let at = 0; at < x.length; at += 1) {
      const left = Math.round(width / 2 + (x[at] - view.x) * view.scale) - half, top = Math.round(height / 2 - (y[at] - view.y) * view.scale) - half;
      if (left < 0 || top < 0 || left + size > width || top + size > height) continue;
      const colour = lut[shade[at]];
      for (let row = 0; row < size; row += 1) {
        const inset = Math.max(0, trim - Math.min(row, size - 1 - row)), start = (top + row) * width + left + inset;
        pixels.fill(colour, start, start + size - 2 * inset);
      }
    }
    this.context.putImageData(image, 0, 0);
  }

  density(part) {
    if (!this.picture) {
      this.picture = document.createElement("canvas");
      this.picture.width = this.picture.height = CELLS;
      const image = new ImageData(CELLS, CELLS), most = Math.log1p(part.clips.reduce((one, other) => Math.max(one, other), 1));
      part.cell.forEach((cell, at) => {
        const place = 4 * ((CELLS - 1 - Math.floor(cell / CELLS)) * CELLS + cell % CELLS);
        image.data.set(this.colours[part.shade[at]], place);
        image.data[place + 3] = 60 + 195 * Math.log1p(part.clips[at]) / most;
      });
      this.picture.getContext("2d").putImageData(image, 0, 0);
    }
    const { left, right, low, high } = part.box, [x, y] = this.toScreen(left, high), [end, bottom] = this.toScreen(right, low);
    this.context.imageSmoothingEnabled = false;
    this.context.drawImage(this.picture, x * this.ratio, y * this.ratio, (end - x) * this.ratio, (bottom - y) * this.ratio);
  }

  outline({ left, right, low, high }) {
    const [x, y] = this.toScreen(left, high).map((one) => one * this.ratio), [end, bottom] = this.toScreen(right, low).map((one) => one * this.ratio);
    const { context } = this, ink = getComputedStyle(this.canvas).color;
    context.fillStyle = ink;
    context.globalAlpha = 0.08;
    context.fillRect(x, y, end - x, bottom - y);
    context.globalAlpha = 1;
    context.strokeStyle = ink;
    context.lineWidth = 1.5 * this.ratio;
    context.setLineDash([5 * this.ratio, 4 * this.ratio]);
    context.strokeRect(x, y, end - x, bottom - y);
    context.setLineDash([]);
  }

  mark(isOn) {
    this.isMarking = isOn;
    this.canvas.classList.toggle("marking", isOn);
  }

  // The box as a keyboard moves it: by shares of what is seen.
  nudge(across, up, isCorner) {
    const { left, right, low, high } = this.seen(), wide = right - left, tall = high - low;
    this.box ??= { left: left + wide / 3, right: right - wide / 3, low: low + tall / 3, high: high - tall / 3 };
    const step = { x: across * wide / 40, y: up * tall / 40 };
    this.box = { left: this.box.left + (isCorner ? 0 : step.x), right: this.box.right + step.x, low: this.box.low + (isCorner ? 0 : step.y), high: this.box.high + step.y };
    if (this.box.right < this.box.left) this.box.right = this.box.left;
    if (this.box.high < this.box.low) this.box.high = this.box.low;
    this.draw();
  }

  listen() {
    const { canvas, pointers } = this;
    let start = null, spread = 0;
    const at = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
    canvas.addEventListener("wheel", (event) => { event.preventDefault(); this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), ...at(event)); }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, at(event));
      start = pointers.size === 1 ? { place: at(event), last: at(event), isMark: this.isMarking || event.shiftKey, isFar: false } : null;
      if (pointers.size === 2) spread = apart(pointers);
    });
    canvas.addEventListener("pointermove", (event) => {
      const here = at(event);
      if (!pointers.has(event.pointerId)) { this.on.hovered(...this.toPlane(...here), this.reach()); return; }
      pointers.set(event.pointerId, here);
      if (pointers.size === 2) {
        const now = apart(pointers), [one, two] = [...pointers.values()];
        this.zoom(now / (spread || now), (one[0] + two[0]) / 2, (one[1] + two[1]) / 2);
        spread = now;
        return;
      }
      if (!start) return;
      start.isFar ||= Math.hypot(here[0] - start.place[0], here[1] - start.place[1]) > 4;
      if (!start.isFar) return;
      if (start.isMark) { this.box = between(this.toPlane(...start.place), this.toPlane(...here)); this.draw(); } else this.move(here[0] - start.last[0], here[1] - start.last[1]);
      start.last = here;
    });
    const end = (event) => {
      if (!pointers.delete(event.pointerId) || !start) return;
      const { isFar, isMark, place } = start;
      start = null;
      if (event.type === "pointercancel") return;
      if (isFar && isMark) this.on.marked(this.box);
      else if (!isFar) this.on.picked(...this.toPlane(...place), this.reach());
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("pointerleave", () => this.on.left());
  }
}

function apart(pointers) {
  const [one, two] = [...pointers.values()];
  return Math.hypot(one[0] - two[0], one[1] - two[1]);
}

function between([x, y], [other, further]) {
  return { left: Math.min(x, other), right: Math.max(x, other), low: Math.min(y, further), high: Math.max(y, further) };
}
