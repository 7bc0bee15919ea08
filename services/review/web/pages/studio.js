// The schema studio: make a field, point at it in two or three documents, see what it finds in twenty others at once.
import { get, post, put } from "/web/api.js";
import { h, show } from "/web/dom.js";
import { title } from "/web/format.js";
import { attempt, button, empty, labelled, pageHead, say, select } from "/web/widgets.js";

const TYPES = ["text", "date", "amount", "number", "currency", "identifier", "party", "address", "duration", "list"];
/** Documents tried at once, those pointed at among them. */
const MOST = 24;
/** Pixels of a piece of page, of the whole page it is cut from, and of what stands before the value: its label. */
const PIECE = { width: 420, height: 44, page: 900, before: 280 };

export async function open(root, { signal, parameters, go }) {
  document.title = "Schema studio · Dossier";
  const schema = await get(`/v1/schemas/${encodeURIComponent(parameters.get("studio"))}`, { signal });
  const deepest = schema.path.at(-1);
  const { items } = await get(
    `/v1/documents?state=succeeded&limit=${MOST}${deepest ? `&category=${encodeURIComponent(deepest)}` : ""}`,
    { signal },
  );
  const sizes = new Map();
  const said = {};
  const field = { name: "", type: "text", description: "", many: false };
  let found = null;
  const list = h("div", { "aria-live": "polite" });
  const pointer = h("div");
  const figures = h("p", { class: "muted", role: "status", "aria-label": "How good it is" });
  const name = h("input", { class: "input", placeholder: "claim_number", on: { change: rename } });
  const words = h("input", { class: "input", placeholder: "In a few words", on: { change: describe } });
  show(
    root,
    h(
      "div",
      { class: "page" },
      pageHead(
        "Schema studio",
        `A new field for ${schema.name}. Point at it in two or three documents; the others show at once what it finds.`,
        button("Back", () => go("/schemas"), { tone: "quiet" }),
        button("Save the field", keep, { tone: "primary" }),
      ),
      h(
        "div",
        { class: "row", style: { gap: "12px", alignItems: "end" } },
        labelled("Name", name),
        labelled("Type", select(TYPES.map((one) => [one, title(one)]), field.type, retype, { "aria-label": "Type" })),
        labelled("What it is", words),
      ),
      figures,
      h("div", { class: "studio" }, h("div", { class: "table-box" }, list), pointer),
    ),
  );
  draw();

  function rename() {
    field.name = name.value.trim().replace(/\s+/g, "_");
    refresh();
  }

  function describe() {
    field.description = words.value.trim();
    refresh();
  }

  function retype(type) {
    field.type = type;
    field.many = type === "list";
    for (const one of Object.keys(said)) delete said[one];
    refresh();
  }

  async function refresh() {
    if (!field.name || !items.length) return draw();
    const asked = { field, documents: items.map((one) => one.id), said };
    await attempt(async () => {
      found = await post("/v1/schemas/preview", asked, { signal });
      const pages = found.documents.flatMap((one) => one.values.map((value) => [one.document, value.evidence?.page]));
      await Promise.all(pages.filter(([, page]) => page).map(([id, page]) => sizeOf(id, page)));
      draw();
    });
  }

  async function sizeOf(id, page) {
    const key = `${id}/${page}`;
    if (!sizes.has(key)) sizes.set(key, await get(`/v1/documents/${id}/pages/${page}`, { signal }));
    return sizes.get(key);
  }

  function draw() {
    const share = (one) => (one === null || one === undefined ? "not known yet" : `${Math.round(100 * one)} %`);
    figures.textContent = found
      ? `Precision ${share(found.precision)} · coverage ${share(found.coverage)} · judged on ${found.judged_on} values` +
        (found.anchors.length ? ` · words beside it: ${found.anchors.join(", ")}` : "")
      : "Give the field a name to begin.";
    if (!items.length)
      return show(list, empty("documents", "No documents of this class", "Upload some, then make the field."));
    return show(list, h("table", { class: "table", "aria-label": "What the field finds" }, items.map(row)));
  }

  function row(one) {
    const values = found?.documents.find((each) => each.document === one.id)?.values ?? [];
    const word = said[one.id];
    const shown = word ? word.values : values.map((value) => value.value);
    return h(
      "tr",
      { "data-document": one.id, class: word ? "said" : null },
      h("td", { class: "truncate", style: { maxWidth: "180px" } }, one.name),
      h(
        "td",
        { "data-values": true },
        shown.length ? shown.join("; ") : h("span", { class: "faint" }, word ? "not there" : "nothing found"),
        word && h("span", { class: "badge" }, "said by you"),
      ),
      h(
        "td",
        { style: { whiteSpace: "nowrap" } },
        values.length > 0 &&
          !word &&
          button("Right", () => speak(one.id, values.map((value) => value.value), values[0].evidence), {
            small: true,
            tone: "quiet",
          }),
        button("Point", () => point(one), { small: true, tone: "quiet", label: `Point at it in ${one.name}` }),
        button("Not there", () => speak(one.id, []), { small: true, tone: "quiet" }),
      ),
      h("td", {}, values[0]?.evidence && piece(one.id, values[0].evidence)),
    );
  }

  /** The piece of the page around the evidence, its boxes drawn. */
  function piece(id, evidence) {
    const page = sizes.get(`${id}/${evidence.page}`);
    if (!page?.width || !evidence.boxes.length) return h("q", { class: "faint" }, evidence.quote.slice(0, 60));
    const scale = PIECE.page / page.width;
    const [x, y] = [evidence.boxes[0][0] * scale - PIECE.before, evidence.boxes[0][1] * scale - 12];
    return h(
      "div",
      {
        class: "piece",
        role: "img",
        "aria-label": evidence.quote,
        style: {
          width: `${PIECE.width}px`,
          height: `${PIECE.height}px`,
          backgroundImage: `url(/v1/documents/${id}/pages/${evidence.page}.png?width=${PIECE.page})`,
          backgroundSize: `${PIECE.page}px auto`,
          backgroundPosition: `${-x}px ${-y}px`,
        },
      },
      evidence.boxes.map(([x0, y0, x1, y1]) =>
        h("span", {
          class: "piece-box",
          style: {
            left: `${x0 * scale - x}px`,
            top: `${y0 * scale - y}px`,
            width: `${(x1 - x0) * scale}px`,
            height: `${(y1 - y0) * scale}px`,
          },
        }),
      ),
    );
  }

  function speak(id, values, evidence = null) {
    said[id] = { values, ...(evidence && { start: evidence.start, end: evidence.end }) };
    show(pointer);
    return refresh();
  }

  /** The page with its words as buttons: the first click begins the value, the second ends it. */
  async function point(one, number = 1) {
    const page = await sizeOf(one.id, number);
    let first = null;
    const take = (word) => {
      if (!first) {
        first = word;
        return say("Now click the last word of the value.", "The same word again where it is only one.");
      }
      const [start, end] = [Math.min(first[2], word[2]), Math.max(first[3], word[3])];
      const text = page.text.slice(start - page.start, end - page.start).replace(/\s+/g, " ");
      return speak(one.id, [text], { start, end });
    };
    show(
      pointer,
      h("h2", {}, one.name),
      number > 1 && button("Page before", () => point(one, number - 1), { small: true }),
      number < one.page_count && button("Next page", () => point(one, number + 1), { small: true }),
      h(
        "div",
        { class: "pointing", style: { aspectRatio: `${page.width || 1} / ${page.height || 1}` } },
        page.width > 0 && h("img", { src: `/v1/documents/${one.id}/pages/${number}.png?width=900`, alt: "" }),
        page.words.map((word) => h("button", { type: "button", on: { click: () => take(word) }, ...spot(word, page) })),
      ),
    );
  }

  async function keep() {
    if (!field.name) return say("The field has no name yet.", "Give it one, then save it.");
    return attempt(async () => {
      const kept = { ...field, anchors: found?.anchors ?? [] };
      const fields = [...schema.fields.filter((one) => one.name !== field.name), kept];
      const answer = await put(`/v1/schemas/${encodeURIComponent(schema.name)}`, { ...schema, fields });
      const labels = Object.entries(said).map(([id, word]) => ({
        document: id,
        task: "field",
        name: field.name,
        value: field.many ? word.values : (word.values[0] ?? null),
        ...(word.end && { evidence: { start: word.start, end: word.end } }),
      }));
      if (labels.length) await post("/v1/labels", { items: labels });
      say("Field saved.", `${answer.extracted_again} documents are looked at again.`);
      await go("/schemas");
    });
  }
}

/** Where a word's button stands: over its box, or in the line of words where the format has no geometry. */
function spot([text, box], page) {
  if (!box) return { class: "loose", "aria-label": text, title: text };
  const share = (part, whole) => `${(100 * part) / whole}%`;
  return {
    "aria-label": text,
    style: {
      left: share(box[0], page.width),
      top: share(box[1], page.height),
      width: share(box[2] - box[0], page.width),
      height: share(box[3] - box[1], page.height),
    },
  };
}
