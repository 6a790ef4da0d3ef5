// The map: dots and pictures to move about in, to open, and to enclose. Names are set as text, never as markup.

const maps = new WeakMap();
const CLICK = 4; // pixels that a hand may tremble

export default function ({ data, parentElement, setTriggerValue }) {
  let map = maps.get(parentElement);
  if (!map) maps.set(parentElement, (map = new PhotoMap(parentElement)));
  map.send = setTriggerValue;
  map.show(data);
}

class PhotoMap {
  view = new View();
  selected = new Set();
  line = [];
  selects = false;
  pointers = new Map();

  constructor(root) {
    this.root = root;
    this.canvas = root.querySelector("canvas");
    this.hint = root.querySelector(".hint");
    this.pictures = new Pictures(() => this.redraw());
    this.#listen();
    new ResizeObserver(() => this.#resize()).observe(this.canvas);
  }

  show(data) {
    if (data.version !== this.data?.version) {
      const fractions = (values) => Float32Array.from(values, (value) => value / 65535);
      this.data = { ...data, x: fractions(data.x), y: fractions(data.y) };
      this.#listClusters();
      this.canvas.setAttribute("aria-label", data.label);
    }
    this.#select(data.selected, false);
    this.redraw();
  }

  redraw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (!this.data || this.view.width < 2) return;
      const ratio = devicePixelRatio || 1;
      const context = this.canvas.getContext("2d");
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      this.scene = arrange(this.data, this.view);
      draw(context, this.data, this.view, this.scene, this.selected, this.pictures, this.line);
      clearTimeout(this.settling); // nothing is fetched while the map moves
      const wanted = this.scene.pictures.map((i) => this.data.src[i]);
      this.settling = setTimeout(() => this.pictures.want(wanted), 120);
    });
  }

  #resize() {
    const { clientWidth, clientHeight } = this.canvas;
    const ratio = devicePixelRatio || 1;
    this.canvas.width = clientWidth * ratio;
    this.canvas.height = clientHeight * ratio;
    this.view.resize(clientWidth, clientHeight);
    this.redraw();
  }

  #select(ids, tell = true) {
    this.selected = new Set(ids);
    for (const button of this.root.querySelectorAll(".clusters button")) {
      const all = this.#members(Number(button.dataset.number));
      const whole = all.length === this.selected.size && all.every((id) => this.selected.has(id));
      button.setAttribute("aria-pressed", whole);
    }
    if (tell) this.send("chosen", [...this.selected]);
    this.redraw();
  }

  #members(number) {
    return this.data.ids.filter((_, i) => this.data.cluster[i] === number);
  }

  #listClusters() {
    const items = this.data.clusters.map(({ number, name, count }) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.number = number;
      button.style.setProperty("--colour", colourOf(number));
      const [label, amount] = [document.createElement("bdi"), document.createElement("span")];
      label.textContent = name;
      amount.textContent = count.toLocaleString("en");
      button.append(label, amount);
      button.onclick = () =>
        this.#select(button.getAttribute("aria-pressed") === "true" ? [] : this.#members(number));
      const item = document.createElement("li");
      item.append(button);
      return item;
    });
    this.root.querySelector(".clusters").replaceChildren(...items);
  }

  #listen() {
    const { canvas } = this;
    const press = (name, action) => (this.root.querySelector(`.${name}`).onclick = action);
    press("closer", () => this.#move(() => this.view.zoom(1.6)));
    press("farther", () => this.#move(() => this.view.zoom(1 / 1.6)));
    press("whole", () => this.#move(() => this.view.fit()));
    press("lasso", (event) => {
      this.selects = !this.selects;
      event.currentTarget.setAttribute("aria-pressed", this.selects);
      canvas.classList.toggle("selects", this.selects);
    });
    canvas.onpointerdown = (event) => this.#down(event);
    canvas.onpointermove = (event) => this.#drag(event);
    canvas.onpointerup = (event) => this.#up(event);
    canvas.onpointercancel = (event) => this.#up(event, true);
    canvas.onpointerleave = () => this.#hint(-1);
    canvas.onkeydown = (event) => this.#key(event);
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  #move(change) {
    change();
    this.#hint(-1);
    this.redraw();
  }

  #down(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
    this.start = [event.offsetX, event.offsetY];
    this.line = this.selects || event.shiftKey ? [this.start] : [];
    if (this.pointers.size > 1) this.line = [];
    this.moved = false;
  }

  #drag(event) {
    const here = [event.offsetX, event.offsetY];
    const before = this.pointers.get(event.pointerId);
    if (!before) return this.scene && this.#hint(pointAt(...here, this.scene), here);
    this.moved ||= distance(here, this.start) > CLICK;
    if (!this.moved) return;
    this.pointers.set(event.pointerId, here);
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (this.line.length) {
      this.line.push(here);
      this.redraw();
    } else if (other) {
      const factor = distance(here, other) / Math.max(distance(before, other), 1);
      this.#move(() => this.view.zoom(factor, (here[0] + other[0]) / 2, (here[1] + other[1]) / 2));
    } else this.#move(() => this.view.pan(here[0] - before[0], here[1] - before[1]));
  }

  #up(event, cancelled = false) {
    if (!this.pointers.delete(event.pointerId) || this.pointers.size) return;
    const line = this.line;
    this.line = [];
    if (cancelled) return this.redraw();
    if (this.moved && line.length > 2) {
      const inside = enclosed(line, this.scene.xs, this.scene.ys);
      this.#select(inside.map((i) => this.data.ids[i]));
    } else if (!this.moved) {
      const point = pointAt(event.offsetX, event.offsetY, this.scene);
      if (point >= 0) this.send("open", this.data.ids[point]);
      else if (this.selected.size) this.#select([]);
    }
    this.redraw();
  }

  #wheel(event) {
    event.preventDefault();
    this.#move(() => this.view.zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY));
  }

  #key(event) {
    const [across, down] = [this.view.width / 6, this.view.height / 6];
    const moves = {
      ArrowLeft: () => this.view.pan(across, 0),
      ArrowRight: () => this.view.pan(-across, 0),
      ArrowUp: () => this.view.pan(0, down),
      ArrowDown: () => this.view.pan(0, -down),
      "+": () => this.view.zoom(1.6),
      "=": () => this.view.zoom(1.6),
      "-": () => this.view.zoom(1 / 1.6),
      0: () => this.view.fit(),
    };
    if (event.key === "Escape" && this.selected.size) this.#select([]);
    if (!(event.key in moves) || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.#move(moves[event.key]);
  }

  // What the pointer is at, as a larger picture beside it.
  #hint(point, [x, y] = [0, 0]) {
    this.canvas.classList.toggle("points", point >= 0);
    this.hint.hidden = point < 0;
    if (point < 0) return;
    const image = this.hint.querySelector("img");
    if (image.getAttribute("src") !== this.data.src[point]) image.src = this.data.src[point];
    this.hint.querySelector("bdi").textContent = this.data.names[point];
    const [right, below] = [x > this.view.width / 2, y > this.view.height / 2];
    this.hint.style.left = `${x + (right ? -16 : 16)}px`;
    this.hint.style.top = `${y + (below ? -16 : 16)}px`;
    this.hint.style.translate = `${right ? "-100%" : "0"} ${below ? "-100%" : "0"}`;
  }
}

function distance([ax, ay], [bx, by]) {
  return Math.hypot(ax - bx, ay - by);
}
