// A part of the picture to search by: drawn with the mouse or a finger, or given in numbers.

const SIDES = ["Left", "Top", "Width", "Height"];

class Region {
  constructor(frame, onSearch, onStop) {
    Object.assign(this, { frame, onStop, on: false });
    this.box = make("div", { className: "box", hidden: true });
    frame.append(this.box);
    this.inputs = SIDES.map((side) => make("input", { type: "number", min: 0, max: 100, step: 1, label: `${side} in percent` }));
    for (const input of this.inputs) input.oninput = () => this.read();
    this.controls = make("form", { className: "region", hidden: true },
      make("p", { textContent: "Draw a box on the picture, or give it in percent." }),
      ...this.inputs.map((input, index) => make("label", {}, SIDES[index], input)),
      make("button", { textContent: "Search by the box", onclick: () => this.valid() && onSearch(this.part) }),
      make("button", { textContent: "Cancel", onclick: () => this.stop() }),
    );
    this.controls.onsubmit = (event) => { event.preventDefault(); if (this.valid()) onSearch(this.part); };
    frame.addEventListener("pointerdown", (event) => this.press(event));
    frame.addEventListener("pointermove", (event) => this.drag(event));
    frame.addEventListener("pointerup", () => (this.from = null));
    frame.addEventListener("pointercancel", () => (this.from = null));
  }

  start() {
    this.on = true;
    this.set([0.25, 0.25, 0.5, 0.5]);
    this.reveal();
  }

  stop() {
    this.on = false;
    this.reveal();
    this.onStop();
  }

  reveal() {
    this.box.hidden = this.controls.hidden = !this.on;
    this.frame.classList.toggle("drawing", this.on);
  }

  valid() {
    return this.part[2] > 0.01 && this.part[3] > 0.01;
  }

  // Left, top, width and height as fractions, kept within the picture.
  set([left, top, width, height]) {
    const within = (value, most) => Math.min(Math.max(value || 0, 0), most);
    const [x, y] = [within(left, 1), within(top, 1)];
    this.part = [x, y, within(width, 1 - x), within(height, 1 - y)].map((value) => Math.round(value * 1000) / 1000);
    this.part.forEach((value, index) => {
      this.box.style[SIDES[index].toLowerCase()] = `${value * 100}%`;
      if (this.inputs[index] !== this.frame.getRootNode().activeElement) this.inputs[index].value = Math.round(value * 100);
    });
  }

  read() {
    this.set(this.inputs.map((input) => input.valueAsNumber / 100));
  }

  press(event) {
    if (!this.on) return;
    event.preventDefault();
    this.frame.setPointerCapture(event.pointerId);
    this.from = this.point(event);
  }

  drag(event) {
    if (!this.on || !this.from) return;
    const [[x, y], [a, b]] = [this.from, this.point(event)];
    this.set([Math.min(x, a), Math.min(y, b), Math.abs(a - x), Math.abs(b - y)]);
  }

  point(event) {
    const { left, top, width, height } = this.frame.getBoundingClientRect();
    const within = (value) => Math.min(Math.max(value, 0), 1);
    return [within((event.clientX - left) / width), within((event.clientY - top) / height)];
  }
}
