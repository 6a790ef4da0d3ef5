// Where each tile goes: rows of about one height that are filled to the edge, each picture in its own shape.

const GAP = 14, PHONE_GAP = 10, CAPTION = 34, LINE = 52, PHONE = 600;

// Tiles {index, left, top, width, height} and, where relevance ends, one {line: true, top}; and the height of all.
// A last row that is not full waits for the photos to come, so that no tile ever moves.
function layOut(items, width, complete, relevant) {
  const phone = width < PHONE;
  const gap = phone ? PHONE_GAP : GAP;
  const wanted = phone ? (width - gap) / 2 : Math.min(220, 140 + width / 16);
  const rows = [];
  let top = 0;
  const add = (start, end, height) => {
    let left = 0;
    const tiles = [];
    for (let index = start; index < end; index++) {
      const tileWidth = height * shapeOf(items[index], phone);
      tiles.push({ index, left, top, width: tileWidth, height });
      left += tileWidth + gap;
    }
    rows.push({ top, bottom: top + height + CAPTION, tiles });
    top += height + CAPTION + gap;
  };
  let start = 0, sum = 0;
  const line = lineAt(items, relevant);
  for (let index = 0; index < items.length; index++) {
    if (index === line) {
      if (start < index) add(start, index, wanted);
      rows.push({ top, bottom: top + LINE, tiles: [], line: true });
      top += LINE;
      [start, sum] = [index, 0];
    }
    sum += shapeOf(items[index], phone);
    const full = (width - gap * (index - start)) / sum;
    if (full > wanted * (phone ? 1.001 : 1.12)) continue;
    add(start, index + 1, full);
    [start, sum] = [index + 1, 0];
  }
  if (start < items.length && (complete || !rows.length)) add(start, items.length, wanted);
  return { rows, height: Math.max(0, top - gap) };
}

function shapeOf(item, phone) {
  return phone ? 1 : item.shape;
}

// Behind the last photo that may be meant, once all of those are here; none where nothing follows or nothing is graded.
function lineAt(items, relevant) {
  const may = (item) => item.relevance === "likely" || item.relevance === "maybe";
  const last = items.findLastIndex(may);
  return relevant > 0 && items.filter(may).length >= relevant && last + 1 < items.length ? last + 1 : -1;
}

// The nearest ancestor that scrolls, out of the shadow tree too.
function scrollerOf(element) {
  for (let node = element; node; node = node.parentElement ?? node.getRootNode().host) {
    if (/auto|scroll/.test(getComputedStyle(node).overflowY)) return node;
  }
  return document.scrollingElement;
}
