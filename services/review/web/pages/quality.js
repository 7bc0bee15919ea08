// How good the machine is, measured on what people said: shares with their intervals and counts, never bare figures.
import { get } from "/web/api.js";
import { h, show, svg } from "/web/dom.js";
import { count, percent, plural, title } from "/web/format.js";
import { bar, empty, pageHead, pathView, table } from "/web/widgets.js";

export async function open(root, { signal }) {
  document.title = "Quality · Dossier";
  const [quality, taxonomy] = await Promise.all([get("/v1/quality", { signal }), get("/v1/taxonomy", { signal })]);
  const { target, probability, measured_from: enough } = quality;
  const head = pageHead(
    "Quality",
    `What people corrected, against what the machine had said before. A value passes by itself only where a precision of ${percent(target)} holds with a probability of ${percent(probability)}.`,
  );
  if (!quality.classes.judged && !quality.fields.length) {
    return show(
      root,
      h(
        "div",
        { class: "page" },
        head,
        outcome(quality.documents),
        h(
          "div",
          { class: "table-box" },
          empty(
            "quality",
            "Nothing is measured yet",
            `Review some documents: each decision also measures the machine. From ${quality.wanted} reviewed examples on, automatic acceptance can begin.`,
            h("a", { class: "button primary", href: "/review" }, "Start reviewing"),
          ),
        ),
      ),
    );
  }
  const levels = quality.classes.levels.map((share, place) => ({
    share,
    name: taxonomy.levels[place] ?? `level ${place + 1}`,
  }));
  return show(
    root,
    h(
      "div",
      { class: "page" },
      head,
      outcome(quality.documents),
      h(
        "section",
        { class: "section" },
        h(
          "div",
          { class: "section-head" },
          h("h2", {}, "Classes"),
          h("span", { class: "faint" }, `${plural(quality.classes.judged, "document")} judged`),
        ),
        h(
          "div",
          { class: "cards" },
          levels.map(({ name, share }, place) =>
            figure(
              place === levels.length - 1 ? `Whole path right (${title(name)})` : `${title(name)} right`,
              share,
              enough,
            ),
          ),
          thresholdCard("Accepting a class", quality.classes.threshold, quality.classes.coverage),
        ),
      ),
      h(
        "section",
        { class: "section two" },
        h(
          "div",
          {},
          h("div", { class: "section-head" }, h("h2", {}, "As right as it is sure?")),
          calibrationCard(quality.classes),
        ),
        h(
          "div",
          {},
          h("div", { class: "section-head" }, h("h2", {}, "Most frequent mistakes")),
          confusions(quality.classes.confusions),
        ),
      ),
      quality.fields.length > 0 &&
        h(
          "section",
          { class: "section" },
          h("div", { class: "section-head" }, h("h2", {}, "Fields")),
          fieldTable(quality.fields, target, enough),
        ),
      quality.classes.items.length > 0 &&
        h(
          "section",
          { class: "section" },
          h("div", { class: "section-head" }, h("h2", {}, "Each class")),
          classTable(quality.classes.items, target, enough),
        ),
    ),
  );
}

function outcome(documents) {
  const total = documents.accepted + documents.reviewed + documents.needs_review;
  const parts = [
    [documents.accepted, "good", "accepted by the machine"],
    [documents.reviewed, "accent", "reviewed by people"],
    [documents.needs_review, "doubt", "waiting for a person"],
  ];
  return h(
    "div",
    { class: "card" },
    h(
      "div",
      { class: "row spread", style: { marginBottom: "10px" } },
      h("h2", {}, "Documents"),
      h("span", { class: "muted numeric" }, `${count(total)} decided or waiting`),
    ),
    bar(parts, total, true),
    h(
      "div",
      { class: "legend" },
      parts.map(([amount, tone, words]) => h("span", { class: tone }, `${count(amount)} ${words}`)),
    ),
  );
}

function figure(words, share, enough) {
  return h(
    "div",
    { class: "card" },
    h("div", { class: "figure-label" }, words),
    h(
      "div",
      { class: "figure-value" },
      share.of < enough ? h("span", { class: "faint" }, `${share.right} of ${share.of}`) : percent(share.value, 1),
    ),
    h(
      "div",
      { class: "figure-note" },
      share.of < enough
        ? `too few to be a figure, ${enough} are needed`
        : `${percent(share.low)} to ${percent(share.high)}, ${count(share.right)} of ${count(share.of)}`,
    ),
  );
}

function thresholdCard(words, threshold, coverage) {
  const value = threshold.value;
  const note =
    value === null
      ? threshold.judged < threshold.wanted
        ? `${threshold.judged} of ${threshold.wanted} judged examples it takes`
        : "not right often enough yet"
      : `from ${percent(value, 1)} certainty on`;
  return h(
    "div",
    { class: "card" },
    h("div", { class: "figure-label" }, words),
    h(
      "div",
      { class: "figure-value" },
      value === null ? h("span", { class: "faint" }, "Not yet") : percent(coverage.value, 0),
    ),
    h("div", { class: "figure-note" }, value === null ? note : `need no person, ${note}`),
  );
}

/** A share with its interval drawn, the target as a thin line; counts where there are too few. */
function measured(share, target, enough) {
  if (!share.of) return h("span", { class: "faint" }, "–");
  const counts = h("span", { class: "faint numeric" }, `${share.right}/${share.of}`);
  if (share.of < enough) return h("span", { class: "row", title: `${enough} are needed for a figure` }, counts);
  const style = {
    "--low": `${share.low * 100}%`,
    "--high": `${share.high * 100}%`,
    "--value": `${share.value * 100}%`,
    "--target": `${target * 100}%`,
  };
  return h(
    "span",
    { class: "row", title: `95 % interval: ${percent(share.low, 1)} to ${percent(share.high, 1)}` },
    h("span", { class: "numeric strong", style: { minWidth: "52px" } }, percent(share.value, 1)),
    h("span", { class: "interval", style }, h("i"), h("b"), h("u")),
    counts,
  );
}

function accepts(threshold, coverage) {
  if (threshold.value !== null)
    return h("span", { class: "numeric" }, `${percent(coverage.value)} of values, from ${percent(threshold.value, 1)}`);
  return h(
    "span",
    { class: "faint numeric" },
    threshold.judged < threshold.wanted
      ? `not yet, ${threshold.judged} of ${threshold.wanted} examples`
      : "not right often enough",
  );
}

function fieldTable(fields, target, enough) {
  return table(
    "Fields",
    [["Field"], ["Right when stated"], ["Found when there"], ["Passes by itself"]],
    fields.map((field) =>
      h(
        "tr",
        {},
        h("td", { class: "strong" }, title(field.name)),
        h("td", {}, measured(field.precision, target, enough)),
        h("td", {}, measured(field.recall, target, enough)),
        h("td", {}, accepts(field.threshold, field.coverage)),
      ),
    ),
  );
}

function classTable(items, target, enough) {
  return table(
    "Classes",
    [["Class"], ["Right when stated"], ["Found when there"]],
    items.map((item) =>
      h(
        "tr",
        {},
        h("td", { style: { maxWidth: "420px" } }, pathView(item.path)),
        h("td", {}, measured(item.precision, target, enough)),
        h("td", {}, measured(item.recall, target, enough)),
      ),
    ),
  );
}

function confusions(items) {
  if (!items.length) return h("div", { class: "card muted" }, "None so far.");
  return table(
    "Mistakes",
    [["The machine said"], ["It was"], ["Times", "right"]],
    items.map((item) =>
      h(
        "tr",
        {},
        h(
          "td",
          {},
          h(
            "span",
            { class: "truncate", title: item.stated.join(" › ") },
            item.stated.at(-1) ?? "Outside the taxonomy",
          ),
        ),
        h(
          "td",
          {},
          h(
            "span",
            { class: "truncate", title: item.expected.join(" › ") },
            item.expected.at(-1) ?? "Outside the taxonomy",
          ),
        ),
        h("td", { class: "right numeric tight" }, count(item.count)),
      ),
    ),
  );
}

function calibrationCard({ calibration, calibration_error: distance }) {
  if (distance === null) {
    const words = "The class in use has no measured confidence yet. Learn from labels under Models; then it has one.";
    return h("div", { class: "card muted" }, words);
  }
  const words = `On the dashed line, confidence can be believed. Mean distance ${percent(distance, 1)}.`;
  return h("div", { class: "card" }, calibrationPlot(calibration), h("p", { class: "figure-note" }, words));
}

function calibrationPlot(bins) {
  const [left, bottom, size] = [34, 190, 170];
  const x = (share) => left + share * 320;
  const y = (share) => bottom - share * size;
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  const words = bins
    .map((bin) => `${percent(bin.mean_confidence)} sure, ${percent(bin.share.value)} right of ${bin.share.of}`)
    .join("; ");
  return svg(
    "svg",
    { class: "plot", viewBox: "0 0 380 220", role: "img", "aria-label": `Calibration: ${words || "no data"}` },
    ticks.map((tick) => [
      svg("line", { class: "grid", x1: left, x2: x(1), y1: y(tick), y2: y(tick) }),
      svg("text", { x: left - 6, y: y(tick) + 3, "text-anchor": "end" }, `${tick * 100}`),
      svg("text", { x: x(tick), y: bottom + 16, "text-anchor": "middle" }, `${tick * 100}`),
    ]),
    svg("line", { class: "ideal", x1: x(0), y1: y(0), x2: x(1), y2: y(1) }),
    bins.map((bin) => [
      svg("line", {
        class: "whisker",
        x1: x(bin.mean_confidence),
        x2: x(bin.mean_confidence),
        y1: y(bin.share.low),
        y2: y(bin.share.high),
      }),
      svg(
        "circle",
        { class: "dot", cx: x(bin.mean_confidence), cy: y(bin.share.value), r: 4 },
        svg(
          "title",
          {},
          `${percent(bin.mean_confidence)} sure, ${percent(bin.share.value)} right (${bin.share.right} of ${bin.share.of})`,
        ),
      ),
    ]),
    svg("text", { x: x(0.5), y: bottom + 30, "text-anchor": "middle" }, "how sure, %"),
  );
}
