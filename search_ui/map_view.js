// Where things are: the part of the map that is in view, what lies under a pointer, what a line encloses.

const PADDING = 48;
const STRETCH = 2.2; // of one direction against the other, at most
const CLOSEST = 60; // times the size at which the whole map is seen

class View {
  width = 1;
  height = 1;
  scale = 1;
  left = 0;
  top = 0;
  bounds = [[0, 1], [0, 1]];
  stretch = [1, 1];

  resize(width, height) {
    // The middle stays in the middle.
    this.left *= width / this.width;
    this.top *= height / this.height;
    [this.width, this.height] = [width, height];
  }

  // How places become pixels: the points fill the screen. One direction may be stretched, within reason.
  cover(xs, ys) {
    this.bounds = [xs, ys].map((values) => values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [1, 0]));
    const sizes = [this.width, this.height];
    const room = this.bounds.map(([low, high], i) => (sizes[i] - 2 * PADDING) / Math.max(high - low, 0.001));
    this.stretch = room.map((pixels, i) => Math.min(pixels, STRETCH * room[1 - i]));
  }

  fit() {
    [this.scale, this.left, this.top] = [1, 0, 0];
  }

  x(value) {
    return this.#place(value, 0, this.width) * this.scale + this.left;
  }

  y(value) {
    return this.#place(value, 1, this.height) * this.scale + this.top;
  }

  #place(value, axis, size) {
    const [low, high] = this.bounds[axis];
    return size / 2 + (value - (low + high) / 2) * this.stretch[axis];
  }

  pan(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.#keep();
  }

  // Zoom by a factor; what lies at (x, y) stays there.
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const scale = Math.min(Math.max(this.scale * factor, 1), CLOSEST);
    const by = scale / this.scale;
    this.left = x - (x - this.left) * by;
    this.top = y - (y - this.top) * by;
    this.scale = scale;
    this.#keep();
  }

  // Some of the map stays in view.
  #keep() {
    const { width, height, scale } = this;
    this.left = Math.min(Math.max(this.left, width / 2 - width * scale), width / 2);
    this.top = Math.min(Math.max(this.top, height / 2 - height * scale), height / 2);
  }
}

// The indices of points within a closed line, by the even-odd rule.
function enclosed(line, xs, ys) {
  const inside = [];
  for (let i = 0; i < xs.length; i++) {
    let odd = false;
    for (let a = 0, b = line.length - 1; a < line.length; b = a++) {
      const [ax, ay] = line[a];
      const [bx, by] = line[b];
      const crosses = ay > ys[i] !== by > ys[i];
      if (crosses && xs[i] < ((bx - ax) * (ys[i] - ay)) / (by - ay) + ax) odd = !odd;
    }
    if (odd) inside.push(i);
  }
  return inside;
}

// The point at a place: a picture that covers it, else the nearest dot within reach; -1 for none.
function pointAt(x, y, scene) {
  const covering = scene.pictures.findLast(
    (p) => Math.abs(scene.xs[p] - x) <= scene.edge / 2 && Math.abs(scene.ys[p] - y) <= scene.edge / 2,
  );
  if (covering !== undefined) return covering;
  let [best, nearest] = [-1, 9 ** 2];
  for (let i = 0; i < scene.xs.length; i++) {
    const distance = (scene.xs[i] - x) ** 2 + (scene.ys[i] - y) ** 2;
    if (distance < nearest) [best, nearest] = [i, distance];
  }
  return best;
}

// Which points are shown as pictures: as many as lie beside one another, the same ones at each drawing.
function choosePictures(xs, ys, view, edge, most) {
  const cells = new Map();
  const chosen = [];
  const key = (column, row) => column * 4096 + row;
  // Far steps through the points: neighbours in the list were often taken together.
  const step = coprime(Math.floor(xs.length * 0.618), xs.length);
  for (let n = 0, i = 0; n < xs.length && chosen.length < most; n++, i = (i + step) % xs.length) {
    if (xs[i] < -edge || ys[i] < -edge || xs[i] > view.width + edge || ys[i] > view.height + edge) continue;
    const [column, row] = [Math.floor(xs[i] / edge) + 2, Math.floor(ys[i] / edge) + 2];
    let free = true;
    for (let c = column - 1; free && c <= column + 1; c++)
      for (let r = row - 1; free && r <= row + 1; r++) {
        const other = cells.get(key(c, r));
        free =
          other === undefined ||
          Math.abs(xs[other] - xs[i]) >= edge + 3 ||
          Math.abs(ys[other] - ys[i]) >= edge + 3;
      }
    if (!free) continue;
    cells.set(key(column, row), i);
    chosen.push(i);
  }
  return chosen;
}

function coprime(step, count) {
  const divisor = (a, b) => (b ? divisor(b, a % b) : a);
  for (let tried = Math.max(step, 1); ; tried++) if (divisor(tried, count) === 1) return tried;
}
