// Models: what is in use, what was learned from what, learn again, promote, roll back.
import { get, post } from "/web/api.js";
import { h, show } from "/web/dom.js";
import { ago, percent, title, when } from "/web/format.js";
import { icon } from "/web/icons.js";
import { showComparison } from "/web/pages/comparison.js";
import { attempt, badge, button, confirmed, dialog, empty, pageHead, say, stateBadge, table } from "/web/widgets.js";

const ROLES = {
  classifier: "Says what a document is.",
  extractor: "Picks the values of fields.",
  generator: "Writes answers, where a generation server is set up.",
};
const BUILT_IN = {
  classifier: "Nothing learned is in use yet; classes are told by their descriptions.",
  extractor: "Nothing learned is in use yet; values are found by type and by the words beside them.",
  generator: "None is in use; answers quote the documents directly. Fine-tuning runs on the machine with the GPU.",
};
const POLL_MS = 2000;

export async function open(root, { signal, me }) {
  document.title = "Models · Dossier";
  const mayTrain = me.role === "admin";
  const place = h("div");
  show(
    root,
    h(
      "div",
      { class: "page" },
      pageHead(
        "Models",
        "Corrections become better models. Each version keeps which labels it learned from; any earlier one can be put back.",
      ),
      place,
    ),
  );
  await load();

  async function load() {
    const [registry, runs] = await Promise.all([get("/v1/registry", { signal }), get("/v1/runs?limit=50", { signal })]);
    if (signal.aborted) return;
    show(
      place,
      h("div", { class: "cards" }, registryRoles(registry).map(roleCard)),
      h(
        "section",
        { class: "section" },
        h("div", { class: "section-head" }, h("h2", {}, "Runs")),
        runs.items.length
          ? runTable(runs.items)
          : h(
              "div",
              { class: "table-box" },
              empty(
                "models",
                "Nothing was trained yet",
                "Review some documents first; then learn from the corrections with “Learn from labels”.",
              ),
            ),
      ),
    );
    if (runs.items.some((run) => ["pending", "running"].includes(run.state))) {
      const timer = setTimeout(() => load().catch(() => {}), POLL_MS);
      signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
    }
  }

  function roleCard({ role, promoted, versions }) {
    const current = versions.find((one) => one.id === promoted);
    return h(
      "div",
      { class: "card stack" },
      h(
        "div",
        {},
        h(
          "div",
          { class: "row spread" },
          h("h2", {}, title(role)),
          current ? badge("In use", "good") : badge("Built-in", "plain"),
        ),
        h("p", { class: "muted" }, ROLES[role] ?? ""),
      ),
      current
        ? h(
            "div",
            {},
            h("div", { class: "mono truncate", title: current.id }, current.id),
            h(
              "div",
              { class: "figure-note" },
              [`learned ${ago(current.created_at)}`, ...metricWords(current.metrics)].join(", "),
            ),
          )
        : h("p", { class: "faint" }, BUILT_IN[role]),
      h(
        "div",
        { class: "row wrap" },
        mayTrain &&
          role !== "generator" &&
          button("Learn from labels", () => train(role), { small: true, tone: "primary" }),
        versions.length > 0 &&
          button(
            `${versions.length} ${versions.length === 1 ? "version" : "versions"}`,
            () => showVersions(role, versions, promoted),
            { small: true },
          ),
        mayTrain &&
          promoted &&
          versions.length > 1 &&
          button("Roll back", () => rollback(role), { small: true, tone: "quiet", icon: "retry" }),
      ),
    );
  }

  function runTable(items) {
    return table(
      "Runs",
      [["Run"], ["State"], ["Result"], ["By"], ["Started", "right"]],
      items.map((run) =>
        h(
          "tr",
          {},
          h(
            "td",
            { class: "tight" },
            h(
              "button",
              { class: "cell-name plain", type: "button", title: run.id, on: { click: () => showRun(run.id) } },
              icon("models"),
              title(run.role),
            ),
          ),
          h("td", { class: "tight" }, stateBadge(run.state)),
          h("td", { class: "muted" }, run.reason?.message ?? metricWords(run.metrics).join(", ")),
          h("td", { class: "tight muted" }, run.created_by),
          h("td", { class: "right tight faint", title: when(run.created_at) }, ago(run.created_at)),
        ),
      ),
    );
  }

  function train(role) {
    return attempt(async () => {
      await post("/v1/runs", { role, promote: true });
      say("Learning has begun.", "The new version is put to use if it is at least as good as the present one.");
      await load();
    });
  }

  async function rollback(role) {
    if (
      !(await confirmed(
        "Go back to the version before?",
        `The ${role} in use now is replaced by the one before it. Documents already done keep their results.`,
        "Roll back",
      ))
    )
      return;
    await attempt(async () => {
      await post(`/v1/registry/${role}/rollback`);
      say("The version before is in use again.");
      await load();
    });
  }

  function showVersions(role, versions, promoted) {
    dialog(`Versions of the ${role}`, (close) =>
      h(
        "div",
        { class: "stack" },
        versions.map((one) =>
          h(
            "div",
            { class: "row spread" },
            h(
              "div",
              { class: "grow" },
              h("div", { class: "mono truncate" }, one.id),
              h("div", { class: "figure-note" }, [when(one.created_at), ...metricWords(one.metrics)].join(", ")),
            ),
            one.metrics.comparison_key &&
              button(
                "Compare",
                () => {
                  close();
                  showComparison(role, one.id, mayTrain && one.id !== promoted && (() => promote(role, one.id)));
                },
                { small: true, tone: "quiet" },
              ),
            one.id === promoted
              ? badge("In use", "good")
              : mayTrain &&
                  button(
                    "Promote",
                    () => {
                      close();
                      promote(role, one.id);
                    },
                    { small: true },
                  ),
          ),
        ),
      ),
    );
  }

  function promote(role, version) {
    return attempt(async () => {
      await post(`/v1/registry/${role}/promote`, { version });
      say("Promoted.", "It is used for documents from now on.");
      await load();
    });
  }

  function showRun(id) {
    return attempt(async () => {
      const run = await get(`/v1/runs/${id}`, { signal });
      dialog(`${title(run.role)} run`, () =>
        h(
          "div",
          { class: "stack" },
          h("div", { class: "row" }, stateBadge(run.state), h("span", { class: "muted" }, when(run.created_at))),
          run.reason &&
            h("div", { class: "callout bad" }, icon("alert"), h("div", {}, run.reason.message, " ", run.reason.action)),
          h("p", { class: "mono faint" }, run.id),
          run.metrics?.gate && h("p", {}, run.metrics.gate.why),
          run.metrics?.comparison_key &&
            h(
              "div",
              { class: "row" },
              button("Compare with before", () => showComparison(run.role, run.version), { small: true }),
            ),
          run.snapshot &&
            h(
              "p",
              { class: "muted" },
              `Learned from ${run.snapshot.counts.labels} labels on ${run.snapshot.counts.documents} documents, ${run.snapshot.counts.held_out} of them held out to measure.`,
            ),
          h(
            "dl",
            { class: "shortcuts" },
            Object.entries(run.metrics ?? {})
              .filter(([, value]) => typeof value !== "object")
              .map(([name, value]) => [
                h("dt", {}, title(name)),
                h(
                  "dd",
                  { class: "numeric" },
                  typeof value === "number" ? String(Math.round(value * 1e4) / 1e4) : String(value),
                ),
              ]),
          ),
          run.log?.length > 0 &&
            h(
              "pre",
              { class: "mono muted", style: { whiteSpace: "pre-wrap", margin: 0 } },
              Array.isArray(run.log) ? run.log.map((line) => line.message ?? String(line)).join("\n") : String(run.log),
            ),
        ),
      );
    });
  }
}

/** The shares among the metrics that say how good a version is, the first two in words. */
function metricWords(metrics) {
  const good = Object.entries(metrics ?? {}).filter(
    ([name, value]) => typeof value === "number" && /accuracy|precision|recall|f1|right/.test(name),
  );
  return good.slice(0, 2).map(([name, value]) => `${title(name).toLowerCase()} ${percent(value, 1)}`);
}

/** The registry as [{role, promoted, versions}]. */
function registryRoles(registry) {
  const items = registry.items ?? registry.roles ?? registry;
  return items.map((one) => ({
    ...one,
    promoted: one.promoted?.id ?? one.promoted ?? null,
    versions: one.versions ?? [],
  }));
}
