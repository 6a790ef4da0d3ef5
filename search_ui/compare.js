// Two pictures that are moved and enlarged together: beside one another, or one above the other with a divider.

const pairs = new WeakMap();
const CLOSEST = 24;

export default function ({ data, parentElement }) {
  let pair = pairs.get(parentElement);
  if (!pair) pairs.set(parentElement, (pair = new Pair(parentElement)));
  pair.show(data);
}

class Pair {
  scale = 1;
  left = 0; // in widths of a picture's frame
  top = 0;

  constructor(root) {
    this.root = root;
    this.stage = root.querySelector(".stage");
    this.divider = root.querySelector("input");
    this.#listen();
  }

  show(data) {
    for (const side of ["left", "right"]) {
      const figure = this.root.querySelector(`.${side}`);
      const image = figure.querySelector("img");
      if (image.getAttribute("src") !== data[side].src) image.src = data[side].src;
      image.alt = data[side].name;
      figure.querySelector("bdi").textContent = data[side].name;
    }
    this.stage.style.setProperty("--shape", data.shape);
    this.#place();
  }

  #listen() {
    const press = (name, action) =>
      (this.root.querySelector(`.${name}`).onclick = () => {
        action();
        this.#place();
      });
    press("beside", () => this.#lay(false));
    press("above", () => this.#lay(true));
    press("closer", () => this.#zoom(1.5));
    press("farther", () => this.#zoom(1 / 1.5));
    press("whole", () => ([this.scale, this.left, this.top] = [1, 0, 0]));
    this.divider.oninput = () => this.#place();
    this.stage.onpointerdown = (event) => {
      this.stage.setPointerCapture(event.pointerId);
      this.from = [event.clientX, event.clientY];
      this.divides = this.#isAbove() && this.scale === 1;
      if (this.divides) this.#divide(event);
    };
    this.stage.onpointermove = (event) => this.#drag(event);
    this.stage.onpointerup = this.stage.onpointercancel = () => (this.from = null);
    this.stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  #isAbove() {
    return this.stage.classList.contains("above");
  }

  #lay(above) {
    this.stage.classList.toggle("above", above);
    this.root.querySelector(".divider").hidden = !above;
    this.root.querySelector(".tools .above").setAttribute("aria-pressed", above);
    this.root.querySelector(".tools .beside").setAttribute("aria-pressed", !above);
  }

  #frame() {
    return this.root.querySelector(".left").getBoundingClientRect();
  }

  #drag(event) {
    if (!this.from) return;
    if (this.divides) return this.#divide(event);
    const { width, height } = this.#frame();
    this.left += (event.clientX - this.from[0]) / width;
    this.top += (event.clientY - this.from[1]) / height;
    this.from = [event.clientX, event.clientY];
    this.#place();
  }

  #divide(event) {
    const { left, width } = this.#frame();
    this.divider.value = (100 * (event.clientX - left)) / width;
    this.#place();
  }

  #wheel(event) {
    event.preventDefault();
    const figure = event.target.closest("figure") ?? this.root.querySelector(".left");
    const { left, top, width, height } = figure.getBoundingClientRect();
    const [x, y] = [(event.clientX - left) / width - 0.5, (event.clientY - top) / height - 0.5];
    this.#zoom(Math.exp(-event.deltaY / 400), x, y);
    this.#place();
  }

  // What lies at (x, y), measured from the middle, stays there.
  #zoom(factor, x = 0, y = 0) {
    const scale = Math.min(Math.max(this.scale * factor, 1), CLOSEST);
    const by = scale / this.scale;
    [this.left, this.top, this.scale] = [x - (x - this.left) * by, y - (y - this.top) * by, scale];
  }

  #place() {
    const most = (this.scale - 1) / 2; // no picture leaves its frame
    this.left = Math.min(Math.max(this.left, -most), most);
    this.top = Math.min(Math.max(this.top, -most), most);
    const { style } = this.stage;
    style.setProperty("--move", `${this.left * 100}% ${this.top * 100}%`);
    style.setProperty("--scale", this.scale);
    style.setProperty("--divider", `${this.divider.value}%`);
  }
}
