// The grid of results. Of any number of photos only those near the window are in the page.

const MORE = 120, AHEAD = 6000, BEYOND = 1000; // photos at a time; pixels

class Gallery {
  constructor(root) {
    this.root = root;
    this.list = root.querySelector("ul");
    this.button = root.querySelector(".more");
    this.button.onclick = () => {
      this.renewed = false;
      this.load();
    };
    this.tiles = new Map();
    this.items = [];
    this.selection = new Selection(root.querySelector(".bar"), (what) => this.act(what), () => this.mark());
    this.viewer = new Viewer(root.querySelector("dialog"), this, (what) => this.act(what));
    this.scroller = scrollerOf(root);
    const look = () => this.root.isConnected ? this.draw() : this.stop();
    this.scroller.addEventListener("scroll", look, { passive: true });
    this.watcher = new ResizeObserver(() => this.lay());
    this.watcher.observe(this.list);
    this.watcher.observe(this.scroller);
    this.trail = new Trail();
    const takeNone = takePictures(() => this.root.isConnected);
    this.stop = () => {
      this.trail.stop();
      takeNone();
      this.watcher.disconnect();
      this.scroller.removeEventListener("scroll", look);
    };
  }

  // The same question with the same beginning keeps what was loaded, selected and drawn.
  update(data, act) {
    this.act = act;
    this.selection.largest = data.largest;
    const beginning = JSON.stringify([data.token, data.total, data.photos]);
    if (beginning !== this.beginning) {
      const another = data.token !== this.token;
      if (another) this.trail.leave(this);
      Object.assign(this, { beginning, token: data.token, total: data.total, relevant: data.relevant, failed: false });
      this.items = data.photos;
      this.offset = this.items.length;
      this.loading = null;
      this.forgotten = null;
      if (another) this.selection.clear();
      const before = another && this.trail.before(this);
      if (before) Object.assign(this, { items: before.items, offset: before.offset });
      if (another && this.width) this.scroller.scrollTop = 0;
      this.lay();
      if (before) this.scroller.scrollTop = before.top;
    }
    this.viewer.update(data.viewer);
    if (this.forgotten === data.renewed) this.goOn();
  }

  lay() {
    const width = this.list.clientWidth;
    if (!width) return;
    this.width = width;
    this.complete = this.offset >= this.total;
    this.places = new Map(this.items.map((item, index) => [item.id, index]));
    this.layout = layOut(this.items, width, this.complete, this.relevant);
    this.list.style.height = `${this.layout.height}px`;
    this.button.hidden = this.complete;
    this.draw();
    this.viewer.settle();
  }

  draw() {
    if (!this.layout) return;
    const offset = this.scroller.getBoundingClientRect().top - this.list.getBoundingClientRect().top;
    const end = offset + this.scroller.clientHeight;
    const near = this.layout.rows.filter((row) => row.bottom > offset - BEYOND && row.top < end + BEYOND);
    const wanted = new Map();
    for (const row of near) {
      if (row.line) wanted.set("line", row);
      for (const tile of row.tiles) wanted.set(this.items[tile.index].id, tile);
    }
    this.forget(wanted);
    this.show(wanted);
    if (!this.complete && !this.failed && this.layout.height - end < AHEAD) this.load();
  }

  // Scroll as far as it takes to see a photo.
  reveal(id) {
    const place = this.places?.get(id);
    const row = this.layout?.rows.find((row) => row.tiles.some((tile) => tile.index === place));
    if (!row || this.tiles.has(id)) return;
    this.scroller.scrollTop += this.list.getBoundingClientRect().top + row.top - this.scroller.clientHeight / 3;
    this.draw();
  }

  forget(wanted) {
    for (const [key, tile] of this.tiles) {
      const focused = this.places.has(key) && tile.contains(this.root.getRootNode().activeElement);
      if (wanted.has(key) || focused) continue;
      dropTile(tile);
      this.tiles.delete(key);
    }
  }

  // Tiles that stay are not moved within the list, so that neither pictures flicker nor focus is lost.
  show(wanted) {
    let place = this.list.firstElementChild;
    for (const [key, where] of wanted) {
      const tile = this.tiles.get(key) ?? this.make(key, where);
      if (tile === place) place = place.nextElementSibling;
      else this.list.insertBefore(tile, place);
      this.tiles.set(key, tile);
      if (key === "line") tile.style.transform = `translate(0, ${where.top}px)`;
      else this.fill(tile, where);
    }
  }

  make(key, where) {
    if (key === "line") return make("li", { className: "line", textContent: "Below this line, results are unlikely" });
    return drawTile(this.items[where.index], {
      open: (item) => this.viewer.open(item),
      like: (item) => this.act({ do: "like", ids: [item.id] }),
      pick: (item, range, on) => this.selection.pick(this.items, this.items[this.places.get(item.id)] ?? item, range, on),
    });
  }

  fill(tile, where) {
    const item = this.items[where.index];
    placeTile(tile, where);
    tile.setAttribute("aria-posinset", where.index + 1);
    tile.setAttribute("aria-setsize", this.total);
    tile.querySelector(".score").textContent = item.score;
    this.markTile(tile, item);
  }

  mark() {
    for (const [key, tile] of this.tiles) if (key !== "line") this.markTile(tile, { id: key });
  }

  markTile(tile, item) {
    const selected = this.selection.has(item);
    tile.classList.toggle("selected", selected);
    tile.querySelector(".pick").checked = selected;
  }

  // The next photos come straight from the server: nothing else of the page is drawn anew.
  async load() {
    if (this.loading === this.token) return;
    const token = (this.loading = this.token);
    this.button.textContent = "Loading…";
    let photos = null;
    try {
      const answer = await fetch(`/results/${token}?offset=${this.offset}&count=${MORE}`);
      if (answer.status === 401) return location.reload(); // one has signed out elsewhere, and finds the door
      if (answer.status === 404 && token === this.token && !this.renewed) return this.renew();
      if (answer.ok) photos = (await answer.json()).photos;
    } catch { /* the button is the way to try again */ }
    if (token !== this.token) return;
    this.loading = null;
    this.failed = photos === null;
    this.renewed &&= this.failed;
    this.button.textContent = this.failed ? "Show more (it failed; try again)" : "Show more";
    if (!photos) return;
    this.offset += photos.length;
    const known = new Set(this.items.map((item) => item.id));
    this.items = this.items.concat(photos.filter((item) => !known.has(item.id)));
    if (!photos.length) this.total = this.offset;
    this.lay();
  }

  // The server keeps only so many questions; one that it has forgotten it learns again as the page is drawn.
  renew() {
    this.renewed = true;
    this.forgotten = Date.now();
    this.act({ do: "renew", number: this.forgotten });
  }

  goOn() {
    this.forgotten = null;
    this.loading = null;
    this.load();
  }
}

const galleries = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".gallery");
  if (!galleries.has(root)) galleries.set(root, new Gallery(root));
  galleries.get(root).update(data, (what) => setTriggerValue("act", what));
}
