// Draws the map: dots, pictures where there is room, and the clusters' names.

const DOT = 3; // its radius in pixels
const SIDE = 2 * DOT + 2;
const MOST_PICTURES = 260;
const AT_ONCE = 6; // pictures that are being fetched
const KEPT = 900; // pictures in memory

class Pictures {
  #ready = new Map();
  #waiting = [];
  #loading = 0;

  constructor(onReady) {
    this.onReady = onReady;
  }

  get(src) {
    return this.#ready.get(src);
  }

  // Fetch these, and no longer those that were wanted before.
  want(sources) {
    this.#waiting = sources.filter((src) => !this.#ready.has(src));
    this.#next();
  }

  #next() {
    while (this.#loading < AT_ONCE && this.#waiting.length) {
      const src = this.#waiting.shift();
      if (this.#ready.has(src)) continue;
      this.#ready.set(src, null);
      this.#loading++;
      const image = new Image();
      const done = () => {
        this.#loading--;
        if (image.naturalWidth) this.#keep(src, rounded(image));
        this.#next();
      };
      image.onload = image.onerror = done;
      image.src = src;
    }
  }

  #keep(src, picture) {
    this.#ready.set(src, picture);
    if (this.#ready.size > KEPT) this.#ready.delete(this.#ready.keys().next().value);
    this.onReady();
  }
}

// The middle square of a picture, with round corners; drawn once, since a clip is slow.
function rounded(image) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 160;
  const context = canvas.getContext("2d");
  const side = Math.min(image.naturalWidth, image.naturalHeight);
  context.beginPath();
  context.roundRect(0, 0, 160, 160, 22);
  context.clip();
  const [left, top] = [(image.naturalWidth - side) / 2, (image.naturalHeight - side) / 2];
  context.drawImage(image, left, top, side, side, 0, 0, 160, 160);
  return canvas;
}

function colourOf(cluster) {
  return cluster < 0 ? "hsl(0 0% 55%)" : `hsl(${(cluster * 137.5 + 210) % 360} 60% 55%)`;
}

// The scene: places on the screen, and which points are pictures of which edge.
function arrange(map, view) {
  view.cover(map.x, map.y);
  const xs = map.x.map((value) => view.x(value));
  const ys = map.y.map((value) => view.y(value));
  let visible = 0;
  for (let i = 0; i < xs.length; i++)
    if (xs[i] >= 0 && ys[i] >= 0 && xs[i] <= view.width && ys[i] <= view.height) visible++;
  const room = Math.sqrt((view.width * view.height) / Math.max(visible, 1));
  const edge = Math.round(Math.min(Math.max(room * 0.5, 38), 110));
  return { xs, ys, edge, pictures: choosePictures(xs, ys, view, edge, MOST_PICTURES) };
}

function draw(context, map, view, scene, selected, pictures, line) {
  const style = getComputedStyle(context.canvas);
  context.clearRect(0, 0, view.width, view.height);
  drawDots(context, map, scene, selected);
  drawPictures(context, map, scene, selected, pictures, style);
  drawNames(context, map, view, style);
  if (line.length > 1) drawLine(context, line, style.getPropertyValue("--st-primary-color"));
}

function drawDots(context, map, scene, selected) {
  const { xs, ys } = scene;
  const [right, bottom] = [context.canvas.width, context.canvas.height];
  context.globalAlpha = selected.size > 0 ? 0.2 : 0.85;
  for (let i = 0; i < xs.length; i++) {
    if (xs[i] < 0 || ys[i] < 0 || xs[i] > right || ys[i] > bottom) continue;
    if (selected.size > 0) context.globalAlpha = selected.has(map.ids[i]) ? 1 : 0.2;
    // At whole pixels: a copy that is not between them is quicker still.
    context.drawImage(dot(map.cluster[i]), Math.round(xs[i]) - DOT - 1, Math.round(ys[i]) - DOT - 1, SIDE, SIDE);
  }
  context.globalAlpha = 1;
}

const dots = new Map();

// Drawn once for each colour: copying is quicker than ten thousand arcs.
function dot(cluster) {
  if (!dots.has(cluster)) {
    const canvas = document.createElement("canvas");
    const ratio = devicePixelRatio || 1;
    canvas.width = canvas.height = Math.ceil(SIDE * ratio);
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.arc(DOT + 1, DOT + 1, DOT, 0, 2 * Math.PI);
    context.fillStyle = colourOf(cluster);
    context.fill();
    dots.set(cluster, canvas);
  }
  return dots.get(cluster);
}

function drawPictures(context, map, scene, selected, pictures, style) {
  const half = scene.edge / 2;
  for (const i of scene.pictures) {
    const [x, y] = [scene.xs[i] - half, scene.ys[i] - half];
    const picture = pictures.get(map.src[i]);
    const faded = selected.size > 0 && !selected.has(map.ids[i]);
    context.globalAlpha = faded ? 0.25 : 1;
    context.beginPath();
    context.roundRect(x - 2, y - 2, scene.edge + 4, scene.edge + 4, scene.edge * 0.16);
    context.fillStyle = picture && !faded ? colourOf(map.cluster[i]) : style.getPropertyValue("--st-secondary-background-color");
    context.fill();
    if (picture) context.drawImage(picture, x, y, scene.edge, scene.edge);
  }
  context.globalAlpha = 1;
}

// The largest clusters first; a name that would cover another is left out until there is room.
function drawNames(context, map, view, style) {
  context.font = `600 13px ${style.getPropertyValue("--st-font") || "sans-serif"}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  const taken = [];
  for (const cluster of map.clusters) {
    const width = context.measureText(cluster.name).width + 18;
    const box = [view.x(cluster.x) - width / 2, view.y(cluster.y) - 12, width, 24];
    const covers = (other) =>
      box[0] < other[0] + other[2] + 4 &&
      other[0] < box[0] + box[2] + 4 &&
      box[1] < other[1] + other[3] + 4 &&
      other[1] < box[1] + box[3] + 4;
    if (taken.some(covers)) continue;
    taken.push(box);
    context.beginPath();
    context.roundRect(...box, 12);
    context.globalAlpha = 0.88;
    context.fillStyle = style.getPropertyValue("--st-background-color");
    context.fill();
    context.globalAlpha = 1;
    context.fillStyle = style.getPropertyValue("--st-text-color");
    context.fillText(cluster.name, view.x(cluster.x), view.y(cluster.y) + 1);
  }
}

function drawLine(context, line, colour) {
  context.beginPath();
  line.forEach(([x, y]) => context.lineTo(x, y));
  context.closePath();
  context.strokeStyle = context.fillStyle = colour;
  context.lineWidth = 2;
  context.stroke();
  context.globalAlpha = 0.12;
  context.fill();
  context.globalAlpha = 1;
}
