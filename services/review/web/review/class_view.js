// The class of a document, level by level, with how sure the machine is of each.
import { h } from "/web/dom.js";
import { title } from "/web/format.js";
import { icon } from "/web/icons.js";
import { button, certainty } from "/web/widgets.js";

/** The class that counts: a person's word, else the machine's; [] outside of the taxonomy, null unknown. */
export function classOf(classes, label) {
  if (label) return label.path;
  return classes?.in_scope === false ? [] : (classes?.path ?? null);
}

/** The view; `levels` names them, `doubted` marks the last one. `onAccept`, `onChange`, `onWhy`: null leaves the button out. */
export function classView({ path, classes, label, levels, doubted, onAccept, onChange, onWhy }) {
  const rows = (path ?? []).map((name, place) => {
    const last = place === path.length - 1;
    const said = last && h("span", { class: "field-mark" }, icon("check"));
    return h(
      "div",
      { class: "level" },
      h("span", { class: "muted" }, title(levels[place] ?? `level ${place + 1}`)),
      h("span", { class: "strong" }, name),
      label ? said : certainty(classes?.confidence?.[place], doubted && last),
    );
  });
  const words = path === null ? "Not classified yet" : "Outside the taxonomy";
  return [
    h(
      "div",
      { class: "group-head" },
      h("h2", { class: "grow" }, "Class"),
      onWhy && button("Why?", onWhy, { small: true, tone: "quiet", label: "Why this class" }),
      onAccept && button("Accept", onAccept, { small: true, tone: "quiet", icon: "check", label: "Accept the class" }),
      onChange && button("Change", onChange, { small: true, tone: "quiet", key: "C" }),
    ),
    h(
      "div",
      { class: "class-box" },
      rows.length ? h("div", { class: "levels" }, rows) : h("p", { class: "muted" }, words),
    ),
  ];
}
