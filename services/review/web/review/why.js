// Why the machine holds a document to be of a class: the sentences and words that decided, for and against.
import { get } from "/web/api.js";
import { h } from "/web/dom.js";
import { attempt, dialog, table } from "/web/widgets.js";

/** Open the explanation of `path`, null for the class that the machine chose. */
export function showWhy(document, path) {
  return attempt(async () => {
    const parts = (path ?? []).map((name) => `path=${encodeURIComponent(name)}`).join("&");
    const found = await get(`/v1/documents/${document}/classes/explanation${parts ? `?${parts}` : ""}`);
    dialog("Why this class", () =>
      h(
        "div",
        { class: "stack" },
        h(
          "p",
          {},
          "What spoke for ",
          h("strong", {}, found.path.join(" › ")),
          found.against ? [" rather than for ", h("strong", {}, found.against.join(" › ")), ", most of all:"] : ".",
        ),
        places("Sentences", found.sentences),
        places("Words", found.words),
      ),
    );
  });
}

function places(label, items) {
  if (!items.length) return null;
  return table(
    label,
    [[label], ["Speaks"], ["Weight", "right"]],
    items.map((place) =>
      h(
        "tr",
        {},
        h("td", {}, place.text),
        h("td", { class: "tight muted" }, place.weight > 0 ? "for it" : "against it"),
        h("td", { class: "right numeric" }, place.weight.toFixed(2)),
      ),
    ),
  );
}
