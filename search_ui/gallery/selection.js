// The photos that are selected, and the bar of what to do with them.

const MOST_SELECTED = 2000;

class Selection {
  constructor(holder, act, onChange) {
    Object.assign(this, { holder, act, onChange, items: new Map(), last: null });
  }

  has(item) {
    return this.items.has(item.id);
  }

  // With `range`, all from the one before to this one, as in every list of files.
  pick(all, item, range, wanted = !this.has(item)) {
    const [from, to] = [all.indexOf(this.last), all.indexOf(item)];
    const picked = range && from >= 0 ? all.slice(Math.min(from, to), Math.max(from, to) + 1) : [item];
    for (const each of picked) {
      if (!wanted) this.items.delete(each.id);
      else if (this.items.size < MOST_SELECTED) this.items.set(each.id, each);
    }
    this.last = item;
    this.changed();
  }

  clear() {
    this.items.clear();
    this.changed();
  }

  changed() {
    this.onChange();
    this.draw();
  }

  draw() {
    const count = this.items.size;
    this.holder.hidden = count === 0;
    if (!count) return this.holder.replaceChildren();
    if (!this.holder.children.length) this.holder.append(...this.controls());
    const ids = [...this.items.keys()].join(",");
    const bytes = [...this.items.values()].reduce((sum, item) => sum + item.size, 0);
    this.holder.querySelector(".count").textContent = `${count.toLocaleString("en")} selected`;
    for (const link of this.holder.querySelectorAll("a")) link.href = `/export/${link.download}?ids=${ids}`;
    const tooLarge = bytes > this.largest;
    const zip = this.holder.querySelector("a[download$='.zip']");
    zip.hidden = tooLarge;
    zip.title = `The original files, ${inWords(bytes)}`;
    const refusal = this.holder.querySelector(".refusal");
    refusal.hidden = !tooLarge;
    refusal.textContent = `A ZIP holds at most ${inWords(this.largest)}; these are ${inWords(bytes)}`;
  }

  controls() {
    const button = (text, what) => make("button", { textContent: text, onclick: () => this.tell({ do: what }) });
    const link = (text, download) => make("a", { textContent: text, download, href: "#" });
    return [
      make("button", { className: "round", label: "Select none", title: "Select none", onclick: () => this.clear() }, icon("close")),
      make("span", { className: "count", role: "status" }),
      button("Search by these", "by"), button("More like these", "more"), button("Less like these", "less"),
      tagForm((label) => this.tell({ do: "tag", label })),
      link("Paths", "paths.txt"), link("CSV", "photos.csv"), link("ZIP", "photos.zip"),
      make("span", { className: "refusal", role: "status" }),
    ];
  }

  tell(what) {
    this.act({ ...what, ids: [...this.items.keys()] });
    this.clear();
  }
}

function tagForm(onTag) {
  const box = make("input", { type: "text", placeholder: "Add a tag", label: "Tag", maxLength: 80 });
  const form = make("form", { className: "tagging" }, box);
  form.onsubmit = (event) => {
    event.preventDefault();
    if (box.value.trim()) onTag(box.value.trim());
    box.value = "";
  };
  return form;
}

function inWords(bytes) {
  const units = ["bytes", "kB", "MB", "GB"];
  let unit = 0;
  for (; bytes >= 1000 && unit < 3; unit++) bytes /= 1000;
  return `${bytes.toFixed(unit ? 1 : 0)} ${units[unit]}`;
}
