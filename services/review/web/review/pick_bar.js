// What to do with words that were selected on a page: make them the value of a field.
import { h } from "/web/dom.js";
import { title } from "/web/format.js";
import { button, select } from "/web/widgets.js";

/** The bar; `names` are the fields, `first` the one proposed. `onSet(name)` and `onForget()` close it themselves. */
export function pickBar(names, first, onSet, onForget) {
  let name = first;
  const choices = names.map((one) => [one, title(one)]);
  const choose = select(choices, first, (chosen) => (name = chosen), { "aria-label": "Field", class: "select small" });
  const keys = {
    Escape: onForget,
    Enter: (event) => event.target === choose && onSet(name),
  };
  const listeners = {
    pointerdown: (event) => event.stopPropagation(),
    keydown: (event) => {
      keys[event.key]?.(event);
      event.stopPropagation();
    },
  };
  return h(
    "div",
    { class: "pick-bar", role: "dialog", "aria-label": "Use the selected words", on: listeners },
    h("span", { class: "muted" }, "Set"),
    choose,
    button("Set", () => onSet(name), { small: true, tone: "primary", key: "↵" }),
    button("", onForget, { small: true, tone: "quiet", icon: "cross", label: "Forget the selection" }),
  );
}
