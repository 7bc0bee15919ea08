// A version beside the one that was in use when it was learned: what each got right, and what was mixed up.
import { get } from "/web/api.js";
import { h } from "/web/dom.js";
import { percent, plural, title } from "/web/format.js";
import { attempt, button, dialog, table } from "/web/widgets.js";

const MOST_LINES = 40;

/** Open the comparison; `onUse`, where it is given, puts the version in use. */
export function showComparison(role, version, onUse) {
  return attempt(async () => {
    const found = await get(`/v1/registry/${role}/versions/${version}/comparison`);
    dialog(
      `Before and after: ${title(role).toLowerCase()}`,
      (close) =>
        h(
          "div",
          { class: "stack" },
          h(
            "p",
            {},
            `On ${plural(found.questions, "label")} that neither learned from: `,
            h("strong", {}, `before ${share(found.right_before, found.questions)} right`),
            ", ",
            h("strong", {}, `after ${share(found.right_after, found.questions)}`),
            found.compared_with ? "." : ". Before, nothing learned was in use: classes were told by their descriptions.",
          ),
          confusion(found.confusion),
          changes(found.changed),
          onUse &&
            h(
              "div",
              { class: "row" },
              button(
                "Use this version",
                () => {
                  close();
                  onUse();
                },
                { tone: "primary", small: true },
              ),
            ),
        ),
      "wide",
    );
  });
}

const share = (right, all) => (all ? `${right} (${percent(right / all)})` : "none");

function confusion(lines) {
  if (!lines.length) return h("p", { class: "muted" }, "Neither made a mistake.");
  return table(
    "Mistakes",
    [["It is"], ["It was taken for"], ["Before", "right"], ["After", "right"]],
    lines
      .slice(0, MOST_LINES)
      .map((line) =>
        h(
          "tr",
          {},
          h("td", {}, line.truth),
          h("td", {}, line.answer || "nothing"),
          h("td", { class: "right numeric" }, line.before),
          h("td", { class: "right numeric" }, line.after),
        ),
      ),
  );
}

function changes(changed) {
  if (!changed.length) return null;
  return table(
    "Documents answered differently",
    [["Document"], ["It is"], ["Before"], ["After"]],
    changed
      .slice(0, MOST_LINES)
      .map((line) =>
        h(
          "tr",
          {},
          h("td", { class: "tight" }, h("a", { href: `/documents/${line.document}` }, "Open")),
          h("td", {}, line.truth),
          h("td", {}, line.before || "nothing"),
          h("td", {}, line.after || "nothing"),
        ),
      ),
  );
}
