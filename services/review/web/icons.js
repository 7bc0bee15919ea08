// Line icons on a 24-unit grid, drawn with the current text colour; hidden from screen readers.
import { svg } from "/web/dom.js";

const PATHS = {
  batches: ["M12 3 3 7.5l9 4.5 9-4.5L12 3Z", "m3 12 9 4.5 9-4.5", "m3 16.5 9 4.5 9-4.5"],
  documents: ["M14 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8l-5-5Z", "M14 3v5h5", "M9 13h6M9 17h4"],
  review: ["M4 6h9M4 12h6M4 18h5", "m13.5 16 2.5 2.5 5-6"],
  ask: ["M21 12a8 8 0 0 1-8 8H4l2.2-3.1A8 8 0 1 1 21 12Z", "M9.5 11h7M9.5 14h4"],
  taxonomy: ["M4 5h6v4H4zM14 10h6v4h-6zM14 17h6v4h-6z", "M7 9v10h7M7 12h7"],
  schemas: ["M4 5h16v14H4z", "M4 10h16M10 10v9"],
  quality: ["M4 20V4", "M4 20h16", "M8 16l4-5 3 3 5-7"],
  models: ["M12 3 4 7v10l8 4 8-4V7l-8-4Z", "M4 7l8 4 8-4M12 11v10"],
  keys: ["M15 8a4 4 0 1 1-3.5 5.9L4 21H2v-3l7.1-6.5A4 4 0 0 1 15 8Z", "M16 11h.01"],
  search: ["M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14Z", "m20 20-4-4"],
  upload: ["M12 16V4", "m7 9 5-5 5 5", "M4 16v3a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1v-3"],
  download: ["M12 4v12", "m7 11 5 5 5-5", "M4 20h16"],
  check: ["m5 12.5 4.5 4.5L19 7.5"],
  checkCircle: ["M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z", "m8.5 12.5 2.5 2.5 4.5-5"],
  eye: ["M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12Z", "M12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6Z"],
  cross: ["M6 6l12 12M18 6 6 18"],
  ban: ["M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z", "m6 6 12 12"],
  alert: ["M12 8v5", "M12 16.5h.01", "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z"],
  pencil: ["M4 20h4L19 9l-4-4L4 16v4Z", "m13 7 4 4"],
  chevron: ["m9 6 6 6-6 6"],
  left: ["m15 6-6 6 6 6"],
  plus: ["M12 5v14M5 12h14"],
  minus: ["M5 12h14"],
  trash: ["M4 7h16", "M9 7V4h6v3", "M6 7l1 13h10l1-13"],
  retry: ["M20 11a8 8 0 1 0-2 6", "M20 5v6h-6"],
  copy: ["M9 9h11v11H9z", "M5 15H4V4h11v1"],
  sun: [
    "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8Z",
    "M12 2v2M12 20v2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M2 12h2M20 12h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4",
  ],
  moon: ["M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5Z"],
  system: ["M3 5h18v11H3z", "M8 20h8M12 16v4"],
  help: ["M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z", "M9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .8-1 1.7", "M12 16.5h.01"],
  leave: ["M15 4h4v16h-4", "M10 8l-4 4 4 4M6 12h10"],
  send: ["M12 19V5", "m6 11 6-6 6 6"],
  target: ["M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z", "M12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6Z"],
  mail: ["M3 6h18v12H3z", "m3 7 9 7 9-7"],
  image: ["M4 5h16v14H4z", "m4 16 5-5 4 4 3-3 4 4", "M15.5 9.5h.01"],
};

/** The icon called `name`. */
export function icon(name, extra = "") {
  const paths = (PATHS[name] ?? []).map((d) => svg("path", { d }));
  return svg("svg", { class: `icon ${extra}`.trim(), viewBox: "0 0 24 24", "aria-hidden": "true" }, paths);
}

/** The icon for a document of that media type. */
export function typeIcon(mediaType) {
  if (mediaType?.startsWith("image/")) return icon("image");
  if (mediaType === "message/rfc822" || mediaType === "application/vnd.ms-outlook") return icon("mail");
  return icon("documents");
}
