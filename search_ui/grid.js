// Draws the grid. Names are set as text and as attributes, never as markup.

export default function ({ data, parentElement, setTriggerValue }) {
  const list = parentElement.querySelector("ul");
  const drawn = new Map([...list.children].map((item) => [item.dataset.key, item]));
  // Pictures that stay are moved, not made again, so that they do not flicker.
  const items = data.photos.map((photo) => {
    const item = drawn.get(photo.src) ?? draw(photo);
    item.querySelector(".score").textContent = photo.score;
    item.querySelector(".open").onclick = () => setTriggerValue("open", photo.id);
    item.querySelector(".like").onclick = () => setTriggerValue("like", photo.id);
    return item;
  });
  list.replaceChildren(...items);
}

function draw(photo) {
  const item = document.createElement("li");
  item.dataset.key = photo.src;
  item.style.setProperty("--shape", photo.shape);
  item.innerHTML = `
    <button class="open" type="button"><img loading="lazy" decoding="async"></button>
    <div class="caption">
      <bdi class="name"></bdi>
      <span class="score"></span>
      <button class="like" type="button">
        <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 17V5a1 1 0 0 1 1-1h12M8 9a1 1 0 0 1 1-1h10a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H9a1 1 0 0 1-1-1zm0 8 3.5-3.5 3 3L17 14l3 3"/></svg>
      </button>
    </div>`;
  name(item, photo.name);
  const image = item.querySelector("img");
  image.onerror = () => item.classList.add("missing");
  image.srcset = photo.srcset;
  image.src = photo.src;
  return item;
}

function name(item, text) {
  item.querySelector(".name").textContent = text;
  item.querySelector(".name").title = text;
  item.querySelector("img").alt = text;
  item.querySelector(".open").setAttribute("aria-label", `Open ${text}`);
  const like = item.querySelector(".like");
  like.setAttribute("aria-label", `More like this: ${text}`);
  like.title = "More like this";
}
