// The pages of one document: images with evidence boxes over them, or plain text where a format has no geometry.
// Offsets from the API count code points, JavaScript strings count UTF-16 units: `Array.from` keeps them apart.
import { get } from "/web/api.js";
import { h, show, svg } from "/web/dom.js";
import { icon } from "/web/icons.js";
import { button, loading } from "/web/widgets.js";

/** Pixels asked of the server: sharp at the widest zoom of a 1920 screen. */
const IMAGE_WIDTH = 1600;
const ZOOMS = [0.6, 0.8, 1, 1.25, 1.6, 2];
const A4 = { width: 595, height: 842 };
/** A click this far (in points) from a word still means the word. */
const REACH_PT = 12;

/**
 * A viewer in `root`. `onOpen(key)`: an evidence box was clicked. `onPick({page, start, end, text, place})`: words
 * were selected; `place(bar)` puts an element beside them. Both may be left out.
 */
export class Viewer {
  #root;
  #document;
  #pages = new Map();
  #marks = [];
  #cited = null;
  #active = null;
  #zoom = 1;
  #picked = null;
  #options;

  constructor(root, document, pageCount, options = {}) {
    Object.assign(this, { root });
    this.#root = root;
    this.#document = document;
    this.#options = options;
    const sheets = Array.from({ length: Math.max(pageCount, 1) }, (_, place) => this.#sheet(place + 1));
    const observer = new IntersectionObserver(
      (seen) => seen.filter((one) => one.isIntersecting).forEach((one) => this.#load(Number(one.target.dataset.page))),
      { root, rootMargin: "800px" },
    );
    const zoom = h(
      "div",
      { class: "zoom", role: "group", "aria-label": "Zoom" },
      button("", () => this.zoomBy(-1), { icon: "minus", tone: "quiet", small: true, label: "Zoom out" }),
      button("", () => this.zoomBy(1), { icon: "plus", tone: "quiet", small: true, label: "Zoom in" }),
    );
    show(root, sheets, zoom);
    sheets.forEach((sheet) => observer.observe(sheet));
    options.signal?.addEventListener("abort", () => observer.disconnect(), { once: true });
    new ResizeObserver(() => this.#resize()).observe(root);
    this.#resize();
  }

  /** Show these evidence marks: `[{key, label, page, start, end, boxes}]`. */
  setMarks(marks) {
    this.#marks = marks;
    this.#pages.forEach((page) => page.loaded && this.#draw(page));
  }

  /** Make the marks whose key begins with `key` stand out, and bring the first one into view. */
  activate(key, scroll = true) {
    this.#active = key;
    this.#pages.forEach((page) => page.loaded && this.#draw(page));
    const mark = this.#marks.find((one) => this.#isActive(one));
    if (mark && scroll) this.#reveal(mark);
  }

  /** Show one quoted place `{page, start, end, boxes?}` and bring it into view. */
  cite(place) {
    this.#cited = place;
    this.#pages.forEach((page) => page.loaded && this.#draw(page));
    this.#reveal(place);
  }

  /** Move by whole pages. */
  turn(steps) {
    const top = this.#root.getBoundingClientRect().top;
    const sheets = [...this.#pages.values()];
    const here = sheets.findIndex((page) => page.element.getBoundingClientRect().bottom > top + 60);
    sheets[Math.min(Math.max(here + steps, 0), sheets.length - 1)]?.element.scrollIntoView({ block: "start" });
  }

  zoomBy(steps) {
    const place = ZOOMS.indexOf(this.#zoom) + steps;
    this.#zoom = ZOOMS[Math.min(Math.max(place, 0), ZOOMS.length - 1)];
    this.#resize();
  }

  /** Forget selected words. */
  clearPick() {
    if (!this.#picked) return;
    const { page, bar } = this.#picked;
    this.#picked = null;
    bar?.remove();
    this.#draw(page);
  }

  #sheet(number) {
    const element = h("div", { class: "sheet", "data-page": number, role: "img", "aria-label": `Page ${number}` });
    this.#pages.set(number, { number, element, loaded: false, width: A4.width, height: A4.height });
    return element;
  }

  #resize() {
    const room = this.#root.clientWidth - 48;
    const width = Math.min(room, 980) * this.#zoom;
    for (const page of this.#pages.values()) {
      if (page.text) continue;
      page.element.style.width = `${width}px`;
      page.element.style.minHeight = page.loaded ? "" : `${(width * page.height) / page.width}px`;
    }
  }

  async #load(number) {
    const page = this.#pages.get(number);
    if (page.loading) return page.loading;
    page.loading = (async () => {
      show(page.element, loading());
      try {
        const content = await get(`/v1/documents/${this.#document}/pages/${number}`, { signal: this.#options.signal });
        Object.assign(page, { content, letters: Array.from(content.text ?? ""), loaded: true });
        if (content.width > 0) await this.#image(page, content);
        else this.#text(page);
        this.#draw(page);
      } catch (wrong) {
        page.loading = null;
        if (wrong.name !== "AbortError")
          show(
            page.element,
            h("div", { class: "empty", style: { color: "#565d6b" } }, icon("alert"), h("p", {}, wrong.message)),
          );
      }
    })();
    return page.loading;
  }

  async #image(page, { width, height }) {
    Object.assign(page, { width, height });
    const image = h("img", {
      alt: "",
      src: `/v1/documents/${this.#document}/pages/${page.number}.png?width=${IMAGE_WIDTH}`,
      width,
      height,
    });
    page.overlay = svg("svg", { class: "overlay", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none" });
    image.addEventListener("error", () => {
      this.#text(page);
      this.#draw(page);
    });
    const wait = loading();
    image.addEventListener("load", () => wait.remove(), { once: true });
    show(page.element, image, page.overlay, wait);
    page.element.style.minHeight = "";
    if (this.#options.onPick) this.#listen(page);
  }

  #text(page) {
    page.overlay = null;
    page.text = h("div", { class: "text-sheet", tabindex: "0", "aria-label": `Text of page ${page.number}` });
    page.element.replaceWith(page.text);
    page.text.dataset.page = page.number;
    page.element = page.text;
    if (this.#options.onPick) page.text.addEventListener("mouseup", () => this.#pickText(page));
  }

  #isActive(mark) {
    return this.#active !== null && (mark.key === this.#active || mark.key.startsWith(`${this.#active}#`));
  }

  #marksOn(page) {
    const marks = this.#marks
      .filter((mark) => mark.page === page.number)
      .map((mark) => ({ ...mark, kind: `evidence ${this.#isActive(mark) ? "active" : ""}` }));
    if (this.#cited?.page === page.number)
      marks.push({ ...this.#cited, kind: "cited", key: null, label: "Quoted here" });
    return marks.sort((one, other) => one.kind.length - other.kind.length);
  }

  #draw(page) {
    if (page.text) this.#drawText(page);
    else if (page.overlay) this.#drawBoxes(page);
  }

  #drawBoxes(page) {
    const rectangles = this.#marksOn(page).flatMap((mark) =>
      this.#boxesOf(page, mark).map(([x0, y0, x1, y1]) =>
        svg(
          "rect",
          {
            class: mark.kind,
            x: x0 - 1.5,
            y: y0 - 1.5,
            width: x1 - x0 + 3,
            height: y1 - y0 + 3,
            rx: 2,
            "data-key": mark.key,
            on: mark.key ? { click: () => this.#options.onOpen?.(mark.key) } : {},
          },
          svg("title", {}, mark.label ?? ""),
        ),
      ),
    );
    const picked =
      this.#picked?.page === page ? lines(page.content.words.slice(this.#picked.first, this.#picked.last + 1)) : [];
    show(
      page.overlay,
      rectangles,
      picked.map(([x0, y0, x1, y1]) =>
        svg("rect", { class: "picked", x: x0 - 1, y: y0 - 1, width: x1 - x0 + 2, height: y1 - y0 + 2, rx: 1.5 }),
      ),
    );
  }

  #boxesOf(page, mark) {
    if (mark.boxes?.length) return mark.boxes;
    return lines(page.content.words.filter(([, , start, end]) => start < mark.end && end > mark.start));
  }

  #drawText(page) {
    const { start: base } = page.content;
    const parts = [];
    let cursor = 0;
    for (const mark of this.#marksOn(page).sort((one, other) => one.start - other.start)) {
      const [from, to] = [mark.start - base, mark.end - base];
      if (from < cursor) continue;
      parts.push(page.letters.slice(cursor, from).join(""));
      parts.push(
        h(
          "mark",
          {
            class: mark.kind,
            "data-key": mark.key,
            title: mark.label,
            on: mark.key ? { click: () => this.#options.onOpen?.(mark.key) } : {},
          },
          page.letters.slice(from, to).join(""),
        ),
      );
      cursor = to;
    }
    show(page.text, parts, page.letters.slice(cursor).join(""));
  }

  async #reveal(place) {
    const page = this.#pages.get(place.page);
    if (!page) return;
    page.element.scrollIntoView({ block: "nearest" });
    await this.#load(place.page);
    const target = page.element.querySelector(".cited, .active");
    if (!target) return;
    const box = target.getBoundingClientRect();
    const room = this.#root.getBoundingClientRect();
    if (box.top < room.top + 40 || box.bottom > room.bottom - 40) {
      this.#root.scrollBy({
        top: box.top - room.top - room.height / 3,
        behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth",
      });
    }
  }

  #listen(page) {
    let anchor = null;
    const at = (event) => {
      const box = page.element.getBoundingClientRect();
      return nearest(
        page.content.words,
        ((event.clientX - box.left) / box.width) * page.width,
        ((event.clientY - box.top) / box.height) * page.height,
      );
    };
    const element = page.element;
    element.addEventListener("pointerdown", (event) => {
      if (event.button || event.target.closest(".pick-bar, .evidence")) return;
      this.clearPick();
      anchor = at(event);
      if (anchor !== null) element.setPointerCapture(event.pointerId);
    });
    element.addEventListener("pointermove", (event) => {
      const here = anchor === null ? null : at(event);
      if (here !== null) this.#pickWords(page, Math.min(anchor, here), Math.max(anchor, here));
    });
    element.addEventListener("pointerup", (event) => {
      if (anchor === null) return;
      const here = at(event) ?? anchor;
      this.#pickWords(page, Math.min(anchor, here), Math.max(anchor, here));
      anchor = null;
      this.#offer(page);
    });
  }

  #pickWords(page, first, last) {
    this.#picked = { page, first, last };
    this.#drawBoxes(page);
  }

  #offer(page) {
    const { first, last } = this.#picked;
    const words = page.content.words.slice(first, last + 1);
    const [start, end] = [words[0][2], words.at(-1)[3]];
    const bottom = Math.max(...words.map(([, box]) => box?.[3] ?? 0));
    const left = Math.min(...words.map(([, box]) => box?.[0] ?? page.width));
    this.#options.onPick({
      page: page.number,
      start,
      end,
      text: this.#slice(page, start, end),
      place: (bar) => {
        bar.style.left = `${Math.min((100 * left) / page.width, 55)}%`;
        bar.style.top = `calc(${(100 * bottom) / page.height}% + 8px)`;
        page.element.append(bar);
        this.#picked = { ...this.#picked, bar };
      },
    });
  }

  #pickText(page) {
    const selection = getSelection();
    if (selection.isCollapsed || !page.text.contains(selection.anchorNode)) return;
    const range = selection.getRangeAt(0);
    const before = document.createRange();
    before.setStart(page.text, 0);
    before.setEnd(range.startContainer, range.startOffset);
    const start = page.content.start + Array.from(before.toString()).length;
    const end = start + Array.from(range.toString()).length;
    this.#options.onPick({
      page: page.number,
      start,
      end,
      text: this.#slice(page, start, end),
      place: (bar) => {
        bar.style.position = "sticky";
        bar.style.bottom = "12px";
        page.text.after(bar);
        this.#picked = { page, first: 0, last: -1, bar };
      },
    });
  }

  #slice(page, start, end) {
    return page.letters.slice(start - page.content.start, end - page.content.start).join("");
  }
}

/** One box per printed line of these words. */
function lines(words) {
  const boxes = [];
  for (const [, box] of words) {
    if (!box) continue;
    const last = boxes.at(-1);
    const shared = last ? Math.min(last[3], box[3]) - Math.max(last[1], box[1]) : 0;
    if (last && shared > 0.5 * Math.min(last[3] - last[1], box[3] - box[1]) && box[0] >= last[0] - 1) {
      boxes[boxes.length - 1] = [
        last[0],
        Math.min(last[1], box[1]),
        Math.max(last[2], box[2]),
        Math.max(last[3], box[3]),
      ];
    } else boxes.push(box);
  }
  return boxes;
}

/** The place of the word under or nearest to a point, null where none is in reach. */
function nearest(words, x, y) {
  let best = null;
  let least = REACH_PT;
  words.forEach(([, box], place) => {
    if (!box) return;
    const distance = Math.hypot(Math.max(box[0] - x, 0, x - box[2]), Math.max(box[1] - y, 0, y - box[3]) * 2);
    if (distance < least) [best, least] = [place, distance];
  });
  return best;
}
