"use strict";
const map = JSON.parse(document.getElementById("map").textContent);
const canvas = document.querySelector("canvas"), tip = document.getElementById("tip");
const pen = canvas.getContext("2d");
const MARGIN = 24, RADIUS = 4, REACH = 12, CLOSEST = 60;
let view = { scale: 1, x: 0, y: 0 }, chosen = null, held = null, due = false;

// A point of the map in pixels: the unit square fits the canvas, then comes what the user did.
function place([x, y]) {
  const side = Math.min(canvas.clientWidth, canvas.clientHeight) - 2 * MARGIN;
  return [
    (canvas.clientWidth - side) / 2 * view.scale + x * side * view.scale + view.x,
    (canvas.clientHeight - side) / 2 * view.scale + (1 - y) * side * view.scale + view.y,
  ];
}

function colour(cluster, faint) {
  const alpha = faint ? 0.12 : 0.85;
  return cluster in map.hues ? `hsl(${map.hues[cluster]} 65% 50% / ${alpha})` : `hsl(0 0% 55% / ${alpha})`;
}

function draw() {
  due = false;
  const sharp = window.devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * sharp;
  canvas.height = canvas.clientHeight * sharp;
  pen.scale(sharp, sharp);
  map.points.forEach((point, i) => {
    const [x, y] = place(point);
    pen.fillStyle = colour(map.cluster[i], chosen !== null && map.cluster[i] !== chosen);
    pen.beginPath();
    pen.arc(x, y, RADIUS, 0, 2 * Math.PI);
    pen.fill();
  });
}

function redraw() {
  if (!due) requestAnimationFrame(draw);
  due = true;
}

function nearest(x, y) {
  let best = -1, least = REACH;
  map.points.forEach((point, i) => {
    const [px, py] = place(point), distance = Math.hypot(px - x, py - y);
    if (distance < least) [best, least] = [i, distance];
  });
  return best;
}

function tell(event) {
  const found = nearest(event.offsetX, event.offsetY);
  tip.hidden = found < 0;
  if (found < 0) return;
  const cluster = map.clusters[map.cluster[found]];
  tip.textContent = map.names[found] + (cluster ? ` (${cluster})` : "");
  tip.style.left = `${Math.min(event.offsetX + 14, canvas.clientWidth - tip.offsetWidth)}px`;
  tip.style.top = `${Math.min(event.offsetY + 14, canvas.clientHeight - tip.offsetHeight)}px`;
}

canvas.addEventListener("wheel", event => {
  event.preventDefault();
  const wanted = Math.min(Math.max(view.scale * Math.exp(-event.deltaY / 400), 1), CLOSEST);
  const factor = wanted / view.scale;
  view = {
    scale: wanted,
    x: event.offsetX - factor * (event.offsetX - view.x),
    y: event.offsetY - factor * (event.offsetY - view.y),
  };
  if (wanted === 1) view = { scale: 1, x: 0, y: 0 };
  redraw();
}, { passive: false });
canvas.addEventListener("pointerdown", event => {
  held = [event.clientX - view.x, event.clientY - view.y];
  canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener("pointerup", () => { held = null; });
canvas.addEventListener("pointermove", event => {
  if (held === null) return tell(event);
  view.x = event.clientX - held[0];
  view.y = event.clientY - held[1];
  redraw();
});
canvas.addEventListener("pointerleave", () => { tip.hidden = true; });

for (const button of document.querySelectorAll("#clusters button")) {
  button.addEventListener("click", () => {
    const number = Number(button.dataset.cluster);
    chosen = chosen === number ? null : number;
    for (const other of document.querySelectorAll("#clusters button"))
      other.setAttribute("aria-pressed", String(Number(other.dataset.cluster) === chosen));
    redraw();
  });
}
window.addEventListener("resize", redraw);
draw();
