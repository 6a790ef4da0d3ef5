// Watches the page from within: when the gallery's pictures are there, how long frames take, what moves.

(() => {
  const probe = (window.probe = { wanted: null, answered: null, since: 0, shifts: 0, most: 0, frames: [], last: null });

  // "The answer is there" is when the message that holds it arrives.
  window.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", ({ data }) => {
        if (!probe.wanted || probe.answered || !(data instanceof ArrayBuffer)) return;
        if (new TextDecoder("latin1").decode(data).includes(probe.wanted)) probe.answered = performance.now();
      });
    }
  };

  probe.list = () => {
    if (!probe.found?.isConnected) probe.found = search(document);
    return probe.found;
  };

  function search(root) {
    const list = root.querySelector(".gallery > ul");
    if (list) return list;
    for (const element of root.querySelectorAll("*")) {
      const found = element.shadowRoot && search(element.shadowRoot);
      if (found) return found;
    }
    return null;
  }

  // The time of the first frame in which `count` pictures are drawn, the first one of this name.
  probe.drawn = (count, name = "") => new Promise((resolve) => {
    const look = () => {
      const tiles = [...(probe.list()?.querySelectorAll("li:not(.line)") ?? [])];
      const first = tiles.find((tile) => tile.getAttribute("aria-posinset") === "1");
      const isThere = !name || first?.querySelector(".name").textContent === name;
      const done = tiles.filter((tile) => isDrawn(tile.querySelector("img"))).length;
      if (isThere && done >= count) requestAnimationFrame(() => resolve(performance.now()));
      else requestAnimationFrame(look);
    };
    look();
  });

  const isDrawn = (image) => image.complete && image.naturalWidth > 0;

  probe.record = () => {
    const frame = (now) => {
      if (probe.last !== null) probe.frames.push(now - probe.last);
      probe.last = now;
      probe.most = Math.max(probe.most, probe.list().childElementCount);
      probe.recording && requestAnimationFrame(frame);
    };
    Object.assign(probe, { recording: true, since: performance.now(), frames: [], last: null, shifts: 0, most: 0 });
    requestAnimationFrame(frame);
  };

  new PerformanceObserver((list) => {
    // Told somewhat late: of those that came with the page itself, some only once recording has begun.
    const counted = list.getEntries().filter((entry) => !entry.hadRecentInput && entry.startTime >= probe.since);
    for (const entry of counted) probe.shifts += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
})();
