// Chips: text from outside is set as text, never as markup.

export default function ({ data, parentElement, setTriggerValue }) {
  const list = parentElement.querySelector("ul");
  const drawn = JSON.stringify(data.chips);
  if (list.dataset.drawn === drawn) return;
  list.dataset.drawn = drawn;
  const focused = parentElement.activeElement?.getAttribute("aria-label");
  list.replaceChildren(...data.chips.map((chip) => draw(chip, (what) => setTriggerValue("change", { kind: chip.kind, part: chip.part, ...what }))));
  [...list.querySelectorAll("button")].find((button) => button.getAttribute("aria-label") === focused)?.focus();
}

function draw(chip, tell) {
  const item = document.createElement("li");
  item.className = chip.kind;
  if (chip.weight < 0 || chip.sign === "less") item.classList.add("minus");
  if (chip.src) item.append(picture(chip));
  if (chip.sign) item.append(text(chip.sign === "more" ? "More like" : "Less like", "sign"));
  item.append(text(chip.text, "text"));
  if (chip.weight !== undefined) {
    const weight = text(`${chip.weight < 0 ? "−" : "×"}${Math.abs(chip.weight)}`, "weight");
    item.append(button("−", `Less of ${chip.text}`, () => tell({ do: "down" })), weight,
      button("+", `More of ${chip.text}`, () => tell({ do: "up" })));
  }
  item.append(button("×", `Remove ${chip.text}`, () => tell({ do: "remove" })));
  return item;
}

function picture(chip) {
  const frame = document.createElement("span");
  frame.className = "picture";
  const image = document.createElement("img");
  image.alt = "";
  image.src = chip.src;
  if (chip.region) show(image, chip.region);
  frame.append(image);
  return frame;
}

// The part alone: the picture is enlarged until the part fills the frame.
function show(image, [left, top, width, height]) {
  image.style.cssText = `position:absolute;object-fit:fill;width:${100 / width}%;height:${100 / height}%;` +
    `left:${(-100 * left) / width}%;top:${(-100 * top) / height}%`;
}

function text(words, name) {
  const span = document.createElement("bdi");
  span.className = name;
  span.textContent = words;
  return span;
}

function button(glyph, label, onclick) {
  const element = Object.assign(document.createElement("button"), { type: "button", textContent: glyph, title: label, onclick });
  element.setAttribute("aria-label", label);
  return element;
}
