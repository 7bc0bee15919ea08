// The one decision about a document, before any detail: what stands, why, and what to do next.
import { h } from "/web/dom.js";
import { ago, plural, sentence } from "/web/format.js";
import { icon } from "/web/icons.js";
import { button } from "/web/widgets.js";

/** More doubts about fields than this are only counted here; the fields below show their own. */
const MOST_REASONS = 3;
/** Reasons that mostly come in numbers: [how their code ends, the one sentence for all of them]. */
const SHARED = [
  ["_not_scored", (number) => `${number} statements have no measured confidence yet.`],
  [
    "_too_few_labels",
    (number) => [
      `${number} statements have too few reviewed examples to pass unseen. `,
      h("a", { class: "link", href: "/quality" }, "How many it takes"),
    ],
  ],
];

/** {tone, parts} for this document and its review; `onRetry` null where the reader may not. */
export function decision(doc, review, onRetry) {
  if (doc.state !== "succeeded") return unfinished(doc, onRetry);
  if (review.decision === "accepted") {
    const words = "Everything here is certain enough, at the precision this desk holds. You can still correct it.";
    return told("good", "checkCircle", "Accepted", h("p", {}, words));
  }
  if (review.decision === "reviewed" || !review.reasons.length) {
    const by = review.reviewed_by
      ? `By ${review.reviewed_by}, ${ago(review.reviewed_at)}.`
      : "Nothing is left to decide.";
    return told("good", "checkCircle", "Reviewed", h("p", {}, by));
  }
  const number = review.reasons.length;
  const heading = number === 1 ? "One thing to check" : `${number} things to check`;
  return told("doubt", "eye", heading, reasonList(review.reasons));
}

function unfinished(doc, onRetry) {
  const again = (words) =>
    onRetry && h("div", { class: "row below" }, button(words, onRetry, { icon: "retry", small: true }));
  if (doc.state === "failed") {
    const words = [h("p", {}, doc.reason?.message), h("p", {}, doc.reason?.action), again("Try again")];
    return told("bad", "alert", "This document failed", words);
  }
  if (doc.state === "skipped") {
    const original =
      doc.duplicate_of && h("a", { class: "link", href: `/documents/${doc.duplicate_of}` }, "Open the original");
    return told("", "copy", "The same file is already here", h("p", {}, "It was not worked on twice. ", original));
  }
  if (doc.state === "canceled") return told("", "ban", "Canceled", again("Start again"));
  const far = doc.progress?.of ? `Page ${doc.progress.done} of ${doc.progress.of}.` : "This page fills by itself.";
  return told("", "retry", "Being worked on", h("p", {}, far));
}

/** The doubts, the class first. What is true of many statements at once is said once. */
function reasonList(reasons) {
  const shared = SHARED.map(([ending, words]) => [reasons.filter((reason) => reason.code.endsWith(ending)), words]);
  const lines = shared.filter(([members]) => members.length > 1).map(([members, words]) => words(members.length));
  const told = new Set(shared.filter(([members]) => members.length > 1).flatMap(([members]) => members));
  const others = reasons.filter((reason) => !told.has(reason));
  const ofFields = others.filter((reason) => reason.field);
  const shown = [...others.filter((reason) => !reason.field), ...ofFields.slice(0, MOST_REASONS)];
  const rest = others.length - shown.length;
  return h(
    "ul",
    {},
    shown.map((reason) => h("li", {}, h("span", {}, sentence(reason.message)))),
    rest > 0 && h("li", {}, `and ${plural(rest, "more field")}`),
    lines.map((line) => h("li", {}, h("span", {}, line))),
  );
}

const told = (tone, name, heading, ...parts) => ({
  tone,
  parts: [h("div", { class: "title" }, icon(name), heading), parts],
});
