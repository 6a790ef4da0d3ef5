// One photo of the grid. Names are set as text and as attributes, never as markup.

const ICONS = {
  like: "M4 17V5a1 1 0 0 1 1-1h12M8 9a1 1 0 0 1 1-1h10a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H9a1 1 0 0 1-1-1zm0 8 3.5-3.5 3 3L17 14l3 3",
  less: "M5 12h14",
  close: "M6 6l12 12M18 6 6 18",
  before: "M15 5l-7 7 7 7",
  after: "M9 5l7 7-7 7",
  region: "M4 8V5a1 1 0 0 1 1-1h3M16 4h3a1 1 0 0 1 1 1v3M20 16v3a1 1 0 0 1-1 1h-3M8 20H5a1 1 0 0 1-1-1v-3",
  zoom: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l5 5M8 11h6M11 8v6",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  copy: "M9 9h10v11H9zM5 15V4h10",
};

function make(tag, { label, ...properties } = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  if (tag === "button") element.type = "button";
  if (label) element.setAttribute("aria-label", label);
  element.append(...children);
  return element;
}

function icon(name) {
  const holder = document.createElement("span");
  holder.className = "icon";
  holder.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${ICONS[name]}"/></svg>`;
  return holder;
}

function address(item, edge) {
  return `/photos/${item.id}/${edge}?${item.hash}`;
}

function drawTile(item, on) {
  const image = make("img", { alt: item.name, decoding: "async" });
  const tile = make("li", {},
    make("button", { className: "open", label: `Open ${item.name}` }, image),
    make("input", { className: "pick", type: "checkbox", label: `Select ${item.name}` }),
    make("div", { className: "caption" },
      make("bdi", { className: "name", textContent: item.name, title: item.name }),
      make("span", { className: "score" }),
      make("button", { className: "like", label: `More like this: ${item.name}`, title: "More like this" }, icon("like")),
    ),
  );
  if (item.relevance) tile.querySelector(".score").title = `This is ${item.relevance} what you meant`.replace("maybe", "perhaps");
  tile.classList.add(item.relevance || "ungraded");
  image.onerror = () => {
    tile.classList.add("missing");
    lookForDoor();
  };
  image.srcset = `${address(item, 320)}, ${address(item, 640)} 2x`;
  image.src = address(item, 320);
  tile.querySelector(".open").onclick = (event) =>
    event.shiftKey || event.ctrlKey || event.metaKey ? on.pick(item, event.shiftKey) : on.open(item);
  tile.querySelector(".pick").onclick = (event) => on.pick(item, event.shiftKey, event.target.checked);
  tile.querySelector(".like").onclick = () => on.like(item);
  return tile;
}

// A picture that is still on its way would be waited for by those now in sight: a browser fetches few at a time.
function dropTile(tile) {
  tile.remove();
  const image = tile.querySelector("img");
  if (!image || image.complete) return;
  image.onerror = null;
  image.removeAttribute("srcset");
  image.removeAttribute("src");
}

// A picture does not say why it is not there: where one has signed out elsewhere, the page drawn anew is the door.
let looking = null;
function lookForDoor() {
  looking ??= fetch("/_stcore/health")
    .then((answer) => answer.status === 401 && location.reload(), () => {})
    .finally(() => (looking = null));
}

function placeTile(tile, { left, top, width, height }) {
  tile.style.transform = `translate(${left}px, ${top}px)`;
  tile.style.width = `${width}px`;
  tile.style.setProperty("--height", `${height}px`);
}
