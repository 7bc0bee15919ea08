// Choose a class: search over every path of the taxonomy, the machine's other guesses first.
import { h, show } from "/web/dom.js";
import { percent } from "/web/format.js";
import { icon } from "/web/icons.js";
import { dialog, empty, pathView } from "/web/widgets.js";

/** Every path that ends at a leaf, with its description. */
export function leaves(nodes, before = []) {
  return nodes.flatMap((node) => {
    const path = [...before, node.name];
    return node.children?.length ? leaves(node.children, path) : [{ path, description: node.description ?? "" }];
  });
}

/** Open the picker; `onChoose(path)`, with [] for "outside the taxonomy". */
export function pickClass({ taxonomy, alternatives, current }, onChoose) {
  const every = leaves(taxonomy.nodes);
  const guesses = (alternatives ?? []).map(({ path, confidence }) => ({ path, confidence, guess: true }));
  const guessed = new Set(guesses.map(({ path }) => path.join("\u0000")));
  const choices = [
    ...guesses,
    ...every.filter(({ path }) => !guessed.has(path.join("\u0000"))),
    { path: [], description: "None of the classes fits" },
  ];
  let found = choices;
  let place = 0;

  dialog(
    "Change the class",
    (close) => {
      const list = h("div", { role: "listbox", id: "classes", "aria-label": "Classes" });
      const search = h("input", {
        class: "input",
        type: "text",
        placeholder: "Search classes",
        role: "combobox",
        "aria-label": "Search classes",
        "aria-expanded": "true",
        "aria-controls": "classes",
        "aria-autocomplete": "list",
        autofocus: true,
        autocomplete: "off",
        on: {
          input: () => {
            narrow(search.value);
          },
          keydown: (event) => steer(event),
        },
      });
      draw();
      return [search, list];

      function narrow(words) {
        const wanted = fold(words).split(/\s+/).filter(Boolean);
        found = choices.filter(({ path, description }) => {
          const text = fold(`${path.length ? path.join(" ") : "outside the taxonomy"} ${description ?? ""}`);
          return wanted.every((word) => text.includes(word));
        });
        place = 0;
        draw();
      }

      function steer(event) {
        const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (step) {
          event.preventDefault();
          place = (place + step + found.length) % Math.max(found.length, 1);
          draw();
        } else if (event.key === "Enter" && found[place]) {
          event.preventDefault();
          choose(found[place]);
        }
      }

      function draw() {
        show(
          list,
          found.length
            ? found.map((choice, at) =>
                h(
                  "div",
                  {
                    class: "option",
                    role: "option",
                    id: `class-${at}`,
                    "aria-selected": String(at === place),
                    on: {
                      click: () => choose(choice),
                      mousemove: () => {
                        if (place !== at) {
                          place = at;
                          mark();
                        }
                      },
                    },
                  },
                  pathView(choice.path),
                  choice.guess &&
                    choice.confidence !== null &&
                    h("span", { class: "faint numeric" }, percent(choice.confidence)),
                  current && choice.path.join("\u0000") === current.join("\u0000") && icon("check"),
                ),
              )
            : empty("search", "No class is called that", "Try fewer letters, or choose “Outside the taxonomy”."),
        );
        mark();
      }

      function mark() {
        [...list.children].forEach((option, at) => option.setAttribute?.("aria-selected", String(at === place)));
        search.setAttribute("aria-activedescendant", `class-${place}`);
        list.children[place]?.scrollIntoView({ block: "nearest" });
      }

      function choose(choice) {
        close();
        onChoose(choice.path);
      }
    },
    "picker",
  );
}

const fold = (words) => words.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
