// The review queue: documents a person should look at, most useful first, each with its reasons.
import { get, query } from "/web/api.js";
import { h, show } from "/web/dom.js";
import { count, plural, sentence } from "/web/format.js";
import { icon } from "/web/icons.js";
import { remember } from "/web/review/order.js";
import { empty, openingRow, pageHead, pager, pathView, table } from "/web/widgets.js";

export async function open(root, { go, parameters, signal }) {
  document.title = "Review · Dossier";
  const batch = parameters.get("batch") ?? "";
  const cursors = parameters.getAll("cursor");
  const {
    items,
    next_cursor: next,
    waiting,
  } = await get(query("/v1/reviews", { batch, cursor: cursors.at(-1), limit: 50 }), { signal });
  remember(
    items.map((one) => one.document),
    location.pathname + location.search,
  );
  if (!items.length) {
    return show(
      root,
      h(
        "div",
        { class: "page" },
        pageHead("Review"),
        h(
          "div",
          { class: "table-box" },
          empty(
            "checkCircle",
            "Nothing needs a look",
            "Every document that is done has either passed or been reviewed. New doubts appear here by themselves.",
            h("a", { class: "button", href: "/documents" }, "Go to documents"),
            h("a", { class: "button", href: "/quality" }, "See how good the machine is"),
          ),
        ),
      ),
    );
  }
  const turn = (stack) => () =>
    go(
      `/review?${new URLSearchParams([...(batch ? [["batch", batch]] : []), ...stack.map((cursor) => ["cursor", cursor])])}`,
    );
  return show(
    root,
    h(
      "div",
      { class: "page" },
      pageHead(
        "Review",
        "Where the machine is not sure enough, you decide. The documents that teach it most come first.",
        h("a", { class: "button primary", href: `/documents/${items[0].document}` }, icon("eye"), "Start reviewing"),
      ),
      table("Review queue", [["Document"], ["Class"], ["Why"]], items.map(row)),
      pager(
        waiting === undefined
          ? plural(items.length, "document")
          : `${count(items.length)} of ${plural(waiting, "document")}`,
        {
          onBack: cursors.length ? turn(cursors.slice(0, -1)) : null,
          onNext: next ? turn([...cursors, next]) : null,
        },
      ),
    ),
  );
}

function row(review) {
  const href = `/documents/${review.document}`;
  const [first, ...more] = review.reasons;
  return openingRow(href, [
    h(
      "td",
      { style: { maxWidth: "320px" } },
      h(
        "a",
        { class: "cell-name", href, title: review.name },
        icon("documents"),
        h("span", { class: "truncate" }, review.name),
      ),
    ),
    h("td", { style: { maxWidth: "340px" } }, pathView(review.path)),
    h(
      "td",
      {},
      h("span", { class: "muted" }, first ? sentence(first.message) : ""),
      more.length > 0 &&
        h(
          "span",
          { class: "faint", title: more.map((reason) => sentence(reason.message)).join("\n") },
          `  and ${more.length} more`,
        ),
    ),
  ]);
}
