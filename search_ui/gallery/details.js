// What is known of a photo, beside it.

function tagList(tags, tell) {
  if (!tags) return [];
  const list = make("ul", { className: "tags", label: "Tags" });
  for (const tag of tags) {
    const title = tag.by_hand ? "Added by hand" : `${Math.round(tag.confidence * 100)} % sure`;
    const remove = make("button", { label: `Remove the tag ${tag.label}`, onclick: () => tell({ do: "untag", label: tag.label }) }, icon("close"));
    list.append(make("li", { title }, make("span", { textContent: tag.label }), remove));
  }
  return [...(tags.length ? [list] : []), tagForm((label) => tell({ do: "tag", label }))];
}

// Drawn from what the page's own server has; a map of the web is opened only by who follows the link.
function worldMap([latitude, longitude]) {
  const [north, east] = [latitude.toFixed(5), longitude.toFixed(5)];
  const [x, y] = [(longitude + 180) / 3.6, (90 - latitude) / 1.8];
  const dot = make("span", { className: "dot" });
  dot.style.cssText = `left:${x}%;top:${y}%`;
  const world = make("div", { className: "world", role: "img", label: "Where it was taken, on a map of the world" },
    make("div", { className: "land" }), dot);
  const href = `https://www.openstreetmap.org/?mlat=${north}&mlon=${east}#map=12/${north}/${east}`;
  return make("div", {}, world, make("a", { href, target: "_blank", rel: "noreferrer noopener", textContent: "Open in OpenStreetMap" }));
}

// Over plain HTTP from another machine a browser has no clipboard; what is selected it copies all the same.
async function copyText(text, place) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const box = make("textarea", { value: text, readOnly: true });
  place.append(box);
  box.select();
  const copied = document.execCommand("copy");
  box.remove();
  if (!copied) throw new Error("the browser copies nothing");
}
