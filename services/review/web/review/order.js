// The order in which documents are looked at: the list they were opened from.
const KEY = "dossier.order";

/** Keep the ids of the list just shown, and its address to go back to. */
export function remember(ids, from) {
  sessionStorage.setItem(KEY, JSON.stringify({ ids, from }));
}

/** {before, after, place, of, from} of `id` in that list; before and after are ids or null. */
export function neighbours(id) {
  const { ids = [], from = "/documents" } = JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
  const place = ids.indexOf(id);
  if (place < 0) return { before: null, after: null, place: null, of: 0, from };
  return { before: ids[place - 1] ?? null, after: ids[place + 1] ?? null, place: place + 1, of: ids.length, from };
}
