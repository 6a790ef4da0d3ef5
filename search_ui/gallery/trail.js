// Where one was in the answers before this one: the Back button leads there, and not to their tops.

const REMEMBERED = 10, SOON = 10000; // answers; ms that an answer to the Back button may take

class Trail {
  constructor() {
    this.answers = new Map();
    const went = () => (this.went = Date.now());
    window.addEventListener("popstate", went);
    this.stop = () => window.removeEventListener("popstate", went);
  }

  leave({ token, beginning, items, offset, scroller }) {
    this.answers.delete(token);
    this.answers.set(token, { beginning, items, offset, top: scroller.scrollTop });
    if (this.answers.size > REMEMBERED) this.answers.delete(this.answers.keys().next().value);
  }

  // What was loaded of the answer that one comes back to, if it is still the same.
  before({ token, beginning }) {
    const answer = this.answers.get(token);
    const back = Date.now() - this.went < SOON;
    this.went = 0;
    return back && answer?.beginning === beginning ? answer : null;
  }
}
