// Tells what is typed: after each pause, and for good with Enter or when the field is left. One word at a time is on
// its way, so that a slow answer is never overtaken, and what is typed meanwhile is never taken back.

const PAUSE = 250, PATIENCE = 5000; // ms

class Words {
  number = 0;
  known = ""; // what the address says, as far as this field knows

  constructor(input) {
    this.input = input;
    input.addEventListener("input", (event) => event.isComposing || this.wait());
    input.addEventListener("compositionend", () => this.wait());
    input.addEventListener("keydown", (event) => event.key === "Enter" && !event.isComposing && this.tell(true));
    input.addEventListener("search", () => input.value || this.tell(true)); // the cross that empties it
    input.addEventListener("blur", () => this.words() !== this.known && this.tell(true));
    const focus = (event) => (input.isConnected ? this.focus(event) : document.removeEventListener("keydown", focus));
    document.addEventListener("keydown", focus);
  }

  update({ q, heard, hint }, send) {
    Object.assign(this, { send });
    this.input.placeholder = hint;
    if (heard === this.number) this.sent = null;
    if (q !== this.known) this.follow(q);
    if (!this.sent && this.typed) this.wait();
  }

  // The address has changed: to what was told here, or elsewhere, by Back, a chip or an example.
  follow(q) {
    this.known = q;
    this.replaces = q === this.told && !this.finished;
    if (q === this.told) return;
    this.input.value = q;
    this.told = null;
  }

  words() {
    return this.input.value.trim();
  }

  wait() {
    this.typed = true;
    clearTimeout(this.pause);
    this.pause = setTimeout(() => this.tell(false), PAUSE);
  }

  tell(finished) {
    const late = this.sent && Date.now() - this.sent > PATIENCE;
    if (this.sent && !finished && !late) return; // told when that has arrived
    clearTimeout(this.pause);
    this.typed = false;
    const words = this.words();
    if (!finished && (words === this.told || isLetter(words))) return;
    if (this.replaces) this.replace(words);
    this.replaces &&= !finished;
    Object.assign(this, { finished, told: words, sent: Date.now() });
    this.send({ words, finished, number: ++this.number });
  }

  // Of all that was typed in one go the address keeps the last: one step for the Back button.
  replace(words) {
    const asked = new URLSearchParams(location.search);
    for (const gone of ["more", "less", "photo"]) asked.delete(gone);
    if (words) asked.set("q", words);
    else asked.delete("q");
    history.replaceState({}, "", asked.size ? `?${asked}` : location.pathname);
  }

  // A slash goes to the field, as on many pages.
  focus(event) {
    const from = event.composedPath()[0];
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || from.matches?.("input, textarea, select, [contenteditable]")) return;
    if (document.querySelector("dialog[open]")) return;
    event.preventDefault();
    this.input.focus();
    this.input.select();
  }
}

// Of an alphabet; one sign of others is a word.
function isLetter(words) {
  return words.length === 1 && words < "\u2e80";
}

const fields = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  const input = parentElement.querySelector("input");
  if (!fields.has(input)) fields.set(input, new Words(input));
  fields.get(input).update(data, (what) => setTriggerValue("told", what));
}
