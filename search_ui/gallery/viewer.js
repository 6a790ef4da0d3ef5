// One photo over the whole window, with what is known of it. It opens at once, and the facts follow from the server.

const SOUGHT = 5000; // photos among which the one of a link is looked for
const PATIENCE = 5000; // ms until the address is believed again, should an answer to a step be lost

class Viewer {
  constructor(dialog, gallery, act) {
    Object.assign(this, { dialog, gallery, act, item: null, wanted: undefined });
    this.frame = make("div", { className: "frame" });
    this.details = make("div", { className: "details" });
    this.region = new Region(this.frame, (box) => this.leave({ do: "region", ids: [this.item.id], box }), () => this.keepFocus());
    this.before = make("button", { className: "turn before", label: "Previous", onclick: () => this.turn(-1) }, icon("before"));
    this.after = make("button", { className: "turn after", label: "Next", onclick: () => this.turn(1) }, icon("after"));
    const close = make("button", { className: "round close", label: "Close", title: "Close", onclick: () => this.close() }, icon("close"));
    this.heading = make("h2", { tabIndex: -1, autofocus: true }); // where reading begins
    this.actions = make("div", { className: "actions" }, ...this.buttons());
    const side = make("aside", { className: "side" }, close, this.heading, this.actions, this.region.controls, this.details);
    this.stage = make("div", { className: "stage" }, this.before, this.frame, this.after);
    this.zoom = new Zoom(this.stage, this.frame, {
      may: () => !this.region.on && Boolean(this.item?.name),
      turn: (step) => this.turn(step),
      onCloser: () => this.sharpen(),
    });
    dialog.replaceChildren(this.stage, side);
    dialog.addEventListener("cancel", (event) => { event.preventDefault(); this.escape(); });
    const press = (event) => dialog.isConnected ? this.press(event) : document.removeEventListener("keydown", press);
    document.addEventListener("keydown", press); // also where nothing in the dialog has the focus
  }

  buttons() {
    const button = (text, glyph, onclick) => make("button", { onclick }, icon(glyph), text);
    this.download = make("a", { download: "" }, icon("download"), "Download");
    this.copy = button("Copy path", "copy", () => this.copyPath());
    return [
      button("More like this", "like", () => this.leave({ do: "like", ids: [this.item.id] })),
      button("Less like this", "less", () => this.leave({ do: "less", ids: [this.item.id] })),
      button("Search this region", "region", () => { this.zoom.reset(); this.region.start(); }),
      this.copy,
      this.download,
    ];
  }

  open(item) {
    this.show(item);
    this.tell({ do: "open", ids: [item.id] }, item.id);
  }

  // What the address says, unless it is about to change to what was asked for last.
  update(data) {
    const id = data?.id ?? null;
    if (id !== this.wanted && this.isWaiting()) return;
    this.wanted = undefined;
    if (id === this.item?.id) this.turned = false; // away and back again, and here is what is known of it
    if (this.turned && this.dialog.open && id !== null) return this.tellTurn();
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
    this.download.href = `/export/original?ids=${item.id}`;
    this.draw();
    if (!this.dialog.open) this.dialog.showModal();
    this.settle();
    const [place, all] = [this.place(), this.gallery.items];
    for (const near of [all[place + 1], all[place - 1]]) if (place >= 0 && near) new Image().src = address(near, 1600);
  }

  // Where it stands among the others, of which more may have come.
  settle() {
    if (!this.dialog.open) return;
    const [place, loaded] = [this.place(), this.gallery.items.length];
    this.before.disabled = place < 1;
    this.after.disabled = place < 0 || place + 1 >= loaded;
    this.keepFocus();
    const wants = place < 0 ? this.item.name && loaded < SOUGHT : place + 12 > loaded;
    if (wants && !this.gallery.complete && !this.gallery.failed) this.gallery.load();
  }

  // What had the focus may be gone, hidden or shut by now.
  keepFocus() {
    const focused = this.dialog.getRootNode().activeElement;
    const lost = !this.dialog.contains(focused) || focused.disabled || focused.closest("[hidden]");
    if (this.dialog.open && lost) this.heading.focus({ preventScroll: true });
  }

  draw() {
    const { item, frame } = this;
    const shape = (item.width || 3) / (item.height || 2);
    frame.style.setProperty("--shape", shape);
    frame.style.setProperty("--most", `${Math.max(item.width, 320)}px`);
    frame.style.backgroundImage = item.name ? `url("${address(item, 320)}")` : "none";
    this.zoom.reset();
    frame.querySelector("img")?.remove();
    if (item.name) frame.prepend(make("img", { alt: item.name, draggable: false, src: address(item, 1600), onerror: lookForDoor }));
  }

  // More of the picture than fills a window, once somebody looks closer.
  sharpen() {
    const image = this.frame.querySelector("img");
    const closer = address(this.item, 4096);
    if (Math.max(this.item.width, this.item.height) <= 1600 || image.dataset.closer) return;
    image.dataset.closer = closer;
    const loaded = make("img", { src: closer });
    loaded.decode().then(() => image.isConnected && (image.src = closer), () => {});
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
    const typed = this.details.querySelector(".tagging input");
    const goesOn = typed && typed === this.details.getRootNode().activeElement;
    this.details.replaceChildren(facts, ...tagList(data.tags, (what) => this.tell({ ...what, ids: [data.id] })),
      ...(data.place ? [worldMap(data.place)] : []), make("code", { className: "path", textContent: data.path }));
    const tagging = this.details.querySelector(".tagging input");
    if (goesOn && tagging) {
      tagging.value = typed.value;
      tagging.focus({ preventScroll: true });
    }
    this.keepFocus();
  }

  place() {
    return this.gallery.places?.get(this.item?.id) ?? -1;
  }

  turn(step) {
    const next = this.gallery.items[this.place() + step];
    if (this.place() < 0 || !next) return;
    this.show(next);
    this.turned = true;
    if (!this.isWaiting()) this.tellTurn();
  }

  // A photo that is turned to takes the place of the one before, so that closing is one step back. One at a time is on
  // its way: an answer to an earlier one would be a step of its own.
  tellTurn() {
    this.turned = false;
    const { id } = this.item;
    history.replaceState({}, "", location.href.replace(/([?&]photo=)\d+/, `$1${id}`));
    this.tell({ do: "open", ids: [id] }, id);
  }

  isWaiting() {
    return this.wanted !== undefined && Date.now() - this.since < PATIENCE;
  }

  press(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const times = { "+": NOTCH, "=": NOTCH, "-": 1 / NOTCH, 0: 0 }[event.key];
    const typing = event.composedPath()[0].matches?.("input, textarea, select");
    if (!this.dialog.open || typing || event.altKey || event.ctrlKey || event.metaKey) return;
    if (step === undefined && (times === undefined || this.region.on)) return;
    event.preventDefault();
    if (step) this.turn(step);
    else this.zoom.by(times);
  }

  escape() {
    if (!this.region.on) return this.close();
    this.region.stop();
  }

  close() {
    this.leave({ do: "close", ids: [] });
  }

  leave(what) {
    this.hide();
    this.tell(what, null);
  }

  hide() {
    this.turned = false;
    if (this.dialog.open) this.dialog.close();
    if (this.item) this.gallery.reveal(this.item.id);
    const tile = this.gallery.tiles.get(this.item?.id);
    this.item = null;
    tile?.querySelector(".open").focus({ preventScroll: false });
  }

  tell(what, wanted) {
    if (wanted !== undefined) Object.assign(this, { wanted, since: Date.now() });
    this.act(what);
  }

  async copyPath() {
    const copied = await copyText(this.path ?? "", this.dialog).then(() => true, () => false);
    this.copy.focus();
    this.copy.lastChild.textContent = copied ? "Copied" : "It could not be copied";
    setTimeout(() => (this.copy.lastChild.textContent = "Copy path"), 1500);
  }
}
