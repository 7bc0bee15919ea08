// The document list: filters that live in the address, search, and pages by cursor.
import { get, query } from "/web/api.js";
import { h, show } from "/web/dom.js";
import { ago, language, plural, size } from "/web/format.js";
import { typeIcon } from "/web/icons.js";
import { remember } from "/web/review/order.js";
import {
  button,
  certainty,
  decisionBadge,
  empty,
  openingRow,
  pageHead,
  pager,
  pathView,
  select,
  stateBadge,
  table,
} from "/web/widgets.js";
import { icon } from "/web/icons.js";

const STATES = [
  ["", "Any state"],
  ["succeeded", "Done"],
  ["running", "Working"],
  ["pending", "Waiting"],
  ["failed", "Failed"],
  ["skipped", "Duplicates"],
  ["canceled", "Canceled"],
];
const LANGUAGES = ["", "fr", "de", "en", "lb"];
const TYPING_PAUSE_MS = 250;
const REFRESH_MS = 4000;

export async function open(root, { go, parameters, signal }) {
  document.title = "Documents · Dossier";
  const filters = Object.fromEntries(
    ["batch", "state", "category", "language", "needs_review", "q"].map((name) => [name, parameters.get(name) ?? ""]),
  );
  let cursors = [];
  let refresh = null;
  const [taxonomy] = await Promise.all([get("/v1/taxonomy", { signal }).catch(() => ({ nodes: [] }))]);
  const list = h("div");
  const search = h("input", {
    class: "input",
    type: "search",
    placeholder: "Search by name",
    "aria-label": "Search documents",
    value: filters.q,
    "data-search": true,
  });
  let pause = null;
  search.addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(() => change({ q: search.value.trim() }), TYPING_PAUSE_MS);
  });
  const review = h(
    "button",
    {
      class: "toggle",
      type: "button",
      "aria-pressed": String(filters.needs_review === "true"),
      on: {
        click: () => {
          change({ needs_review: filters.needs_review === "true" ? "" : "true" });
          review.setAttribute("aria-pressed", String(filters.needs_review === "true"));
        },
      },
    },
    icon("eye"),
    "Needs a look",
  );
  const categories = [["", "Any category"], ...taxonomy.nodes.map((node) => [node.name, node.name])];
  const bar = h(
    "div",
    { class: "filters", role: "search" },
    h("div", { class: "search" }, icon("search"), search),
    select(STATES, filters.state, (state) => change({ state }), { "aria-label": "State" }),
    select(categories, filters.category, (category) => change({ category }), { "aria-label": "Category" }),
    select(
      LANGUAGES.map((code) => [code, code ? language(code) : "Any language"]),
      filters.language,
      (chosen) => change({ language: chosen }),
      { "aria-label": "Language" },
    ),
    review,
    filters.batch &&
      button("One batch", () => go("/documents"), {
        small: true,
        icon: "cross",
        tone: "quiet",
        label: "Show documents of all batches",
      }),
  );
  await load();
  show(root, h("div", { class: "page" }, pageHead("Documents", null, exportMenu(filters)), bar, list));

  function change(some) {
    Object.assign(filters, some);
    cursors = [];
    history.replaceState(null, "", query("/documents", filters));
    load();
  }

  /** Look again while something on this page is being worked on, unless the keyboard is in the list. */
  function watch(items) {
    clearTimeout(refresh);
    if (!items.some((one) => one.state === "pending" || one.state === "running")) return;
    refresh = setTimeout(
      () => (list.contains(document.activeElement) ? watch(items) : load().catch(() => {})),
      REFRESH_MS,
    );
    signal.addEventListener("abort", () => clearTimeout(refresh), { once: true });
  }

  async function load() {
    const { items, next_cursor: next } = await get(
      query("/v1/documents", { ...filters, cursor: cursors.at(-1), limit: 50 }),
      { signal },
    );
    if (signal.aborted) return;
    watch(items);
    remember(
      items.map((document) => document.id),
      location.pathname + location.search,
    );
    const filtered = Object.values(filters).some(Boolean);
    if (!items.length) {
      show(
        list,
        h(
          "div",
          { class: "table-box" },
          filtered
            ? empty(
                "search",
                "Nothing fits these filters",
                "Widen them, or search for another word.",
                button("Clear filters", () => go("/documents")),
              )
            : empty(
                "documents",
                "No documents yet",
                "Upload some files, and they appear here with their class and fields.",
                h("a", { class: "button primary", href: "/" }, icon("upload"), "Upload"),
              ),
        ),
      );
      return;
    }
    const turn = (stack) => () => {
      cursors = stack;
      load();
      root.scrollTo(0, 0);
    };
    show(
      list,
      documentTable(items),
      pager(plural(items.length, "document") + (next || cursors.length ? ` on page ${cursors.length + 1}` : ""), {
        onBack: cursors.length ? turn(cursors.slice(0, -1)) : null,
        onNext: next ? turn([...cursors, next]) : null,
      }),
    );
  }
}

function exportMenu(filters) {
  const formats = [
    ["csv", "CSV"],
    ["xlsx", "Excel"],
    ["jsonl", "JSON lines"],
  ];
  return formats.map(([format, words]) =>
    h(
      "a",
      { class: "button", href: query("/v1/export", { format, batch: filters.batch }), download: `dossier.${format}` },
      icon("download"),
      words,
    ),
  );
}

/** The table of documents that the document list and the batch page share. */
export function documentTable(items) {
  return table(
    "Documents",
    [
      ["Name"],
      ["Class"],
      ["Decision"],
      ["Certainty"],
      ["Language"],
      ["Pages", "right wide"],
      ["Size", "right wide"],
      ["Added", "right"],
    ],
    items.map(row),
  );
}

function row(document) {
  const href = `/documents/${document.id}`;
  const done = document.state === "succeeded";
  const status = done ? (decisionBadge(document.decision) ?? stateBadge(document.state)) : stateBadge(document.state);
  return openingRow(href, [
    h(
      "td",
      { style: { maxWidth: "260px" } },
      h(
        "a",
        { class: "cell-name", href, title: document.name },
        typeIcon(document.media_type),
        h("span", { class: "truncate" }, document.name),
      ),
    ),
    h(
      "td",
      { style: { maxWidth: "340px" } },
      document.state === "failed"
        ? h("span", { class: "muted truncate", title: document.reason?.message }, document.reason?.message)
        : pathView(document.path),
    ),
    h("td", { class: "tight" }, status),
    h(
      "td",
      { class: "tight" },
      document.path && document.decision !== "reviewed" && certainty(document.class_confidence),
    ),
    h("td", { class: "tight muted" }, language(document.language)),
    h("td", { class: "right tight numeric muted wide" }, document.page_count ?? ""),
    h("td", { class: "right tight numeric muted wide" }, size(document.size_bytes)),
    h("td", { class: "right tight faint" }, ago(document.created_at)),
  ]);
}
