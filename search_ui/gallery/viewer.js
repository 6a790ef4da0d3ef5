// One photo over the whole window, with what is known of it. It opens at once, and the facts follow from the server.

const PATIENCE = 5000; // ms until the address is believed again, should an answer to a step be lost

class Viewer {
  constructor(dialog, gallery, act) {
    Object.assign(this, { dialog, gallery, act, item: null, wanted: undefined });
    this.frame = make("div", { className: "frame" });
    this.details = make("div", { className: "details" });
    this.region = new Region(this.frame, (box) => this.leave({ do: "region", ids: [this.item.id], box }));
    this.before = make("button", { className: "turn before", label: "Previous", onclick: () => this.turn(-1) }, icon("before"));
    this.after = make("button", { className: "turn after", label: "Next", onclick: () => this.turn(1) }, icon("after"));
    const close = make("button", { className: "round close", label: "Close", title: "Close", onclick: () => this.close() }, icon("close"));
    this.heading = make("h2", { tabIndex: -1, autofocus: true }); // where reading begins
    this.actions = make("div", { className: "actions" }, ...this.buttons());
    const side = make("aside", { className: "side" }, close, this.heading, this.actions, this.region.controls, this.details);
    this.stage = make("div", { className: "stage" }, this.before, this.frame, this.after);
    dialog.replaceChildren(this.stage, side);
    dialog.addEventListener("cancel", (event) => { event.preventDefault(); this.escape(); });
    dialog.addEventListener("keydown", (event) => this.press(event));
  }

  buttons() {
    const button = (text, glyph, onclick) => make("button", { onclick }, icon(glyph), text);
    this.copy = button("Copy path", "copy", () => this.copyPath());
    return [
      button("More like this", "like", () => this.leave({ do: "like", ids: [this.item.id] })),
      button("Less like this", "less", () => this.leave({ do: "less", ids: [this.item.id] })),
      button("Search this region", "region", () => this.region.start()),
      this.copy,
    ];
  }

  open(item) {
    this.show(item);
    this.tell({ do: "open", ids: [item.id] }, item.id);
  }

  // What the address says, unless it is about to change to what was asked for last.
  update(data) {
    const id = data?.id ?? null;
    if (this.wanted !== undefined && id !== this.wanted && Date.now() - this.since < PATIENCE) return;
    this.wanted = undefined;
    if (id === null) return this.hide();
    if (id !== this.item?.id || !this.dialog.open) this.show(data.item);
    this.tellAll(data);
  }

  show(item) {
    if (item.id !== this.item?.id) this.details.replaceChildren();
    this.item = item;
    this.region.stop();
    this.dialog.setAttribute("aria-label", item.name || "Photo");
    this.heading.textContent = item.name;
    this.actions.hidden = !item.name;
    this.draw();
    const [place, all] = [this.place(), this.gallery.items];
    this.before.disabled = place < 1;
    this.after.disabled = place < 0 || place + 1 >= all.length;
    if (!this.dialog.open) this.dialog.showModal();
    for (const near of [all[place + 1], all[place - 1]]) if (place >= 0 && near) new Image().src = address(near, 1600);
    if (place >= 0 && place + 12 > all.length && !this.gallery.complete) this.gallery.load();
  }

  draw() {
    const { item, frame } = this;
    const shape = (item.width || 3) / (item.height || 2);
    frame.style.setProperty("--shape", shape);
    frame.style.setProperty("--most", `${Math.max(item.width, 320)}px`);
    frame.style.backgroundImage = item.name ? `url("${address(item, 320)}")` : "none";
    frame.querySelector("img")?.remove();
    if (item.name) frame.prepend(make("img", { alt: item.name, draggable: false, src: address(item, 1600) }));
  }

  tellAll(data) {
    if (data.error) {
      const message = make("p", { className: "error", role: "alert", textContent: data.error });
      return this.details.replaceChildren(message);
    }
    this.path = data.path;
    const facts = make("dl");
    for (const [name, value] of Object.entries(data.facts)) {
      facts.append(make("dt", { textContent: name }), make("dd", { textContent: value }));
    }
    this.details.replaceChildren(facts, ...tagList(data.tags, (what) => this.tell({ ...what, ids: [data.id] })),
      ...(data.place ? [worldMap(data.place)] : []), make("code", { className: "path", textContent: data.path }));
  }

  place() {
    return this.gallery.places?.get(this.item?.id) ?? -1;
  }

  turn(step) {
    const next = this.gallery.items[this.place() + step];
    if (this.place() >= 0 && next) this.open(next);
  }

  press(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || event.target.tagName === "INPUT" || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.turn(step);
  }

  escape() {
    if (this.region.on) this.region.stop();
    else this.close();
  }

  close() {
    this.leave({ do: "close", ids: [] });
  }

  leave(what) {
    this.hide();
    this.tell(what, null);
  }

  hide() {
    if (this.dialog.open) this.dialog.close();
    const tile = this.gallery.tiles.get(this.item?.id);
    this.item = null;
    tile?.querySelector(".open").focus({ preventScroll: false });
  }

  tell(what, wanted) {
    if (wanted !== undefined) Object.assign(this, { wanted, since: Date.now() });
    this.act(what);
  }

  async copyPath() {
    await navigator.clipboard.writeText(this.path ?? "");
    this.copy.lastChild.textContent = "Copied";
    setTimeout(() => (this.copy.lastChild.textContent = "Copy path"), 1500);
  }
}

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
