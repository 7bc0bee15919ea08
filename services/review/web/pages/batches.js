// All batches, newest first, and the place to drop new files.
import { get, query } from "/web/api.js";
import { h, show } from "/web/dom.js";
import { ago, count, percent, plural } from "/web/format.js";
import { icon } from "/web/icons.js";
import { dropZone } from "/web/upload.js";
import { bar, empty, openingRow, pageHead, pager, stateBadge, table } from "/web/widgets.js";

const REFRESH_MS = 3000;

export async function open(root, { go, parameters, signal, me }) {
  document.title = "Batches · Dossier";
  const cursors = parameters.getAll("cursor");
  const path = query("/v1/batches", { cursor: cursors.at(-1), limit: 25 });
  const list = h("div", { "aria-live": "off" });
  const page = h(
    "div",
    { class: "page stack" },
    pageHead(
      "Batches",
      "Documents go in here. What comes out is a class and fields, each tied to the place it was read from.",
    ),
    me.role !== "reader" && dropZone((batch) => go(`/batches/${batch.id}`)),
    list,
  );
  draw(await get(path, { signal }));
  show(root, page);

  function draw({ items, next_cursor: next }) {
    if (signal.aborted) return;
    if (!items.length && !cursors.length)
      show(
        list,
        h(
          "div",
          { class: "table-box" },
          empty(
            "batches",
            "No batches yet",
            "Drop some files above, or run `dossier upload FOLDER` in a terminal. You will see here how far each batch is.",
          ),
        ),
      );
    else {
      show(
        list,
        table(
          "Batches",
          [["Name"], ["State"], ["Progress"], ["Documents", "right"], ["To review", "right"], ["Started", "right"]],
          items.map(row),
        ),
        pager(plural(items.length, "batch", "batches"), {
          onBack: cursors.length ? () => go(turn(cursors.slice(0, -1))) : null,
          onNext: next ? () => go(turn([...cursors, next])) : null,
        }),
      );
    }
    if (items.some((batch) => batch.state === "running" || batch.state === "pending")) {
      const timer = setTimeout(
        async () => draw(await get(path, { signal }).catch(() => ({ items, next_cursor: next }))),
        REFRESH_MS,
      );
      signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
    }
  }
}

function turn(cursors) {
  return cursors.length ? `/batches?${new URLSearchParams(cursors.map((cursor) => ["cursor", cursor]))}` : "/batches";
}

function row(batch) {
  const href = `/batches/${batch.id}`;
  return openingRow(href, [
    h(
      "td",
      {},
      h("a", { class: "cell-name", href }, icon("batches"), h("span", { class: "truncate" }, batch.name || "Untitled")),
    ),
    h("td", { class: "tight" }, stateBadge(batch.state)),
    h(
      "td",
      { style: { width: "22%" } },
      h(
        "div",
        { class: "row" },
        h("div", { class: "grow" }, progressBar(batch)),
        h("span", { class: "faint numeric" }, percent(batch.percent_completed / 100)),
      ),
    ),
    h("td", { class: "right numeric tight" }, count(batch.total)),
    h(
      "td",
      { class: "right numeric tight" },
      batch.needs_review
        ? h("a", { class: "link", href: `/documents?batch=${batch.id}&needs_review=true` }, count(batch.needs_review))
        : h("span", { class: "faint" }, "0"),
    ),
    h("td", { class: "right faint tight", title: batch.created_at }, ago(batch.created_at)),
  ]);
}

/** How the documents of a batch stand, as one stacked bar. */
export function progressBar(batch, large = false) {
  const counts = batch.counts ?? {};
  return bar(
    [
      [counts.succeeded ?? 0, "good", "done"],
      [counts.skipped ?? 0, "quiet", "duplicates"],
      [counts.failed ?? 0, "bad", "failed"],
      [counts.canceled ?? 0, "quiet", "canceled"],
      [counts.running ?? 0, "accent", "being worked on"],
    ],
    batch.total,
    large,
  );
}
