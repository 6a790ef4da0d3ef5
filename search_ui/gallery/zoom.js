// A closer look at the picture: by the wheel, a double click, two fingers or keys. A swipe turns to the next.

const CLOSEST = 10, CLOSER = 2.5, NOTCH = 1.3, SWIPE = 60; // times; pixels

class Zoom {
  constructor(stage, frame, { may, turn, onCloser }) {
    Object.assign(this, { stage, frame, may, turn, onCloser, fingers: new Map() });
    this.button = make("button", { className: "round zoom", onclick: () => this.toggle() }, icon("zoom"));
    stage.append(this.button);
    this.reset();
    stage.addEventListener("wheel", (event) => this.roll(event), { passive: false });
    stage.addEventListener("dblclick", (event) => this.takes(event) && this.toggle(this.point(event)));
    stage.addEventListener("pointerdown", (event) => this.press(event));
    stage.addEventListener("pointermove", (event) => this.move(event));
    stage.addEventListener("pointerup", (event) => this.lift(event));
    stage.addEventListener("pointercancel", (event) => this.fingers.delete(event.pointerId));
  }

  get on() {
    return this.scale > 1;
  }

  reset() {
    this.set(1, [0, 0]);
  }

  toggle(at = [0, 0]) {
    this.by(this.on ? 0 : CLOSER, at);
  }

  // What lies at a point stays there; points are pixels from the middle of the stage.
  by(times, at = [0, 0]) {
    const scale = Math.min(Math.max(this.scale * times, 1), CLOSEST);
    this.set(scale, at.map((there, axis) => there - (there - this.shift[axis]) * scale / this.scale));
  }

  set(scale, shift) {
    const { stage, frame } = this;
    const most = [frame.offsetWidth * scale - stage.clientWidth, frame.offsetHeight * scale - stage.clientHeight];
    this.scale = scale;
    this.shift = shift.map((value, axis) => Math.min(Math.max(value, -Math.max(most[axis], 0) / 2), Math.max(most[axis], 0) / 2));
    frame.style.transform = this.on ? `translate(${this.shift[0]}px, ${this.shift[1]}px) scale(${scale})` : "";
    stage.classList.toggle("zoomed", this.on);
    this.button.title = this.on ? "The whole picture (0)" : "Closer (+)";
    this.button.setAttribute("aria-label", this.on ? "The whole picture" : "Closer");
    if (this.on) this.onCloser();
  }

  takes(event) {
    return this.may() && !event.target.closest("button");
  }

  // In a narrow window the wheel scrolls to what is below the picture.
  roll(event) {
    if (!this.may() || (!event.ctrlKey && matchMedia("(max-width: 760px)").matches)) return;
    event.preventDefault();
    this.by(event.deltaY < 0 ? NOTCH : 1 / NOTCH, this.point(event));
  }

  press(event) {
    if (!this.takes(event)) return;
    this.stage.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, this.point(event));
    this.from = this.fingers.size === 1 ? this.point(event) : null;
  }

  move(event) {
    const before = this.fingers.get(event.pointerId);
    if (!before || !this.may()) return;
    const now = this.point(event);
    const other = [...this.fingers].find(([id]) => id !== event.pointerId)?.[1];
    this.fingers.set(event.pointerId, now);
    if (other) this.by(apart(now, other) / Math.max(apart(before, other), 1), between(now, other));
    else if (this.on) this.set(this.scale, this.shift.map((value, axis) => value + now[axis] - before[axis]));
  }

  lift(event) {
    const alone = this.fingers.delete(event.pointerId) && this.from;
    if (!alone || this.on || event.pointerType !== "touch") return;
    const [x, y] = this.point(event).map((value, axis) => value - this.from[axis]);
    if (Math.abs(x) > SWIPE && Math.abs(x) > 2 * Math.abs(y)) this.turn(x < 0 ? 1 : -1);
  }

  point(event) {
    const { left, top, width, height } = this.stage.getBoundingClientRect();
    return [event.clientX - left - width / 2, event.clientY - top - height / 2];
  }
}

function apart([x, y], [a, b]) {
  return Math.hypot(x - a, y - b);
}

function between([x, y], [a, b]) {
  return [(x + a) / 2, (y + b) / 2];
}
