// How numbers, times and states read. Nothing here touches the page.

const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const COUNT = new Intl.NumberFormat();
const LANGUAGES = new Intl.DisplayNames(undefined, { type: "language" });

/** "just now", "14:05", "3 Nov" or the full date, whichever says enough. */
export function ago(iso) {
  if (!iso) return "";
  const then = new Date(iso);
  const seconds = (Date.now() - then) / 1000;
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (then.toDateString() === new Date().toDateString()) return CLOCK.format(then);
  return seconds < 300 * 86400 ? DAY.format(then) : WHEN.format(then);
}

export const when = (iso) => (iso ? WHEN.format(new Date(iso)) : "");
export const count = (number) => COUNT.format(number ?? 0);
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** 0.973 as "97 %"; full certainty is never rounded up to. */
export function percent(share, digits = 0) {
  if (share === null || share === undefined) return "–";
  const factor = 10 ** digits;
  const rounded = share < 1 ? Math.min(Math.round(share * 100 * factor), 100 * factor - 1) : 100 * factor;
  return `${(rounded / factor).toFixed(digits)} %`;
}

export function size(bytes) {
  if (bytes === null || bytes === undefined) return "";
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${Math.round(bytes / 1024)} KB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

export function language(code) {
  if (!code) return "";
  try {
    return LANGUAGES.of(code);
  } catch {
    return code;
  }
}

/** "policy_number" as "Policy number", "iban" as "IBAN". */
export function title(name) {
  const words = String(name)
    .replaceAll("_", " ")
    .trim()
    .replace(/\b(iban|bic|vat|id|url)\b/g, (found) => found.toUpperCase());
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** `words` as a sentence would begin. */
export const sentence = (words) => words.charAt(0).toUpperCase() + words.slice(1);

/** A state as [words, tone]; tones are the badge classes of the style sheet. */
export function stateWords(state) {
  return (
    {
      pending: ["Waiting", ""],
      running: ["Working", "accent busy"],
      succeeded: ["Done", "good"],
      partially_succeeded: ["Done, some failed", "doubt"],
      failed: ["Failed", "bad"],
      canceled: ["Canceled", ""],
      skipped: ["Duplicate", ""],
      refused: ["Not promoted", "doubt"],
    }[state] ?? [title(state ?? "unknown"), ""]
  );
}

/** A review decision as [words, tone]. */
export function decisionWords(decision) {
  return (
    {
      accepted: ["Accepted", "good"],
      reviewed: ["Reviewed", "good"],
      needs_review: ["Needs a look", "doubt"],
    }[decision] ?? ["", ""]
  );
}
