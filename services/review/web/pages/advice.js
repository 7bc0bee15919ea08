// What would make the classifier better: documents to label next, labels that look wrong, classes that are too alike.
import { get } from "/web/api.js";
import { h } from "/web/dom.js";
import { plural } from "/web/format.js";
import { attempt, dialog, pathView, table } from "/web/widgets.js";

export function showAdvice() {
  return attempt(async () => {
    const [proposals, advice] = await Promise.all([get("/v1/labels/proposals"), get("/v1/taxonomy/advice")]);
    dialog("What would help the classifier", () =>
      h(
        "div",
        { class: "stack" },
        list(
          "Label next",
          "Documents that it is unsure of and that speak for many others.",
          proposals.items.map((one) => [
            link(one.document, one.name),
            `speaks for ${plural(one.speaks_for, "document")}, ${one.gain.toFixed(1)} of them probably wrong now`,
          ]),
        ),
        list(
          "Labels that look wrong",
          "Left out, the document looked much more like another class. Only a person can say.",
          advice.doubts.map((one) => [
            link(one.document, "Open"),
            h("span", {}, pathView(one.said), " or rather ", pathView(one.rather)),
          ]),
        ),
        list(
          "Classes that are mixed up",
          "Say in their descriptions what tells them apart, or make one of them.",
          advice.alike.map((one) => [
            h("span", {}, pathView(one.first), " and ", pathView(one.second)),
            `${one.mixed} of ${plural(one.documents, "document")}`,
          ]),
        ),
        list(
          "Classes with few examples",
          "Five labels a class are a good start.",
          advice.few_labels.map((one) => [pathView(one.path), plural(one.labels, "label")]),
        ),
      ),
    );
  });
}

const link = (document, words) => h("a", { href: `/documents/${document}` }, words);

function list(heading, words, rows) {
  return h(
    "section",
    {},
    h("h3", {}, heading),
    rows.length
      ? [
          h("p", { class: "muted" }, words),
          table(
            heading,
            [["What"], ["Why"]],
            rows.map(([what, why]) => h("tr", {}, h("td", {}, what), h("td", { class: "muted" }, why))),
          ),
        ]
      : h("p", { class: "faint" }, "Nothing at the moment."),
  );
}
