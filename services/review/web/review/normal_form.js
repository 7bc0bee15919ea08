// What a person typed or selected, in the normal form of its field type. What does not fit comes back unchanged:
// the reviewer sees the result before it is saved, and has the last word.

const MONTHS = [
  ["jan", "janv", "januar", "january", "janvier", "jänner"],
  ["feb", "fév", "fev", "février", "februar", "february"],
  ["mar", "mär", "mars", "märz", "march"],
  ["apr", "avr", "avril", "april"],
  ["mai", "may"],
  ["jun", "juin", "juni", "june"],
  ["jul", "juil", "juillet", "juli", "july"],
  ["aug", "août", "aout", "august"],
  ["sep", "sept", "septembre", "september"],
  ["oct", "okt", "octobre", "oktober", "october"],
  ["nov", "novembre", "november"],
  ["dec", "déc", "dez", "décembre", "dezember", "december"],
];
const IBAN = /^[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}$/;
const SYMBOLS = { "€": "EUR", $: "USD", "£": "GBP", chf: "CHF", "fr.": "CHF" };

/** The normal form of `text` for a field of that `type`; trimmed text where the type has none. */
export function normalForm(type, text) {
  const words = text.replace(/\s+/g, " ").trim();
  if (type === "date") return isoDate(words) ?? words;
  if (type === "amount" || type === "number") return decimal(words) ?? words;
  if (type === "currency")
    return SYMBOLS[words.toLowerCase()] ?? (/^[a-z]{3}$/i.test(words) ? words.toUpperCase() : words);
  if (type === "identifier" && IBAN.test(words)) return words.replaceAll(" ", "");
  return words;
}

/** Days before months, as in every language we read. */
function isoDate(words) {
  const iso = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(words);
  if (iso) return stamp(iso[1], iso[2], iso[3]);
  const digits = /^(\d{1,2})\s?[./-]\s?(\d{1,2})\s?[./-]\s?(\d{2}|\d{4})$/.exec(words);
  if (digits) return stamp(year(digits[3]), digits[2], digits[1]);
  const named =
    /^(\d{1,2})(?:\.|er|st|nd|rd|th)?\s+([\p{L}]+)\.?,?\s+(\d{4})$/u.exec(words) ??
    swap(/^([\p{L}]+)\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})$/u.exec(words));
  if (!named) return null;
  const month = MONTHS.findIndex((names) => names.includes(named[2].toLowerCase()));
  return month < 0 ? null : stamp(named[3], month + 1, named[1]);
}

const swap = (found) => found && [found[0], found[2], found[1], found[3]];
const year = (digits) => (digits.length === 2 ? (Number(digits) < 70 ? `20${digits}` : `19${digits}`) : digits);

function stamp(years, months, days) {
  const iso = `${years}-${String(months).padStart(2, "0")}-${String(days).padStart(2, "0")}`;
  const date = new Date(`${iso}T00:00:00Z`);
  return !Number.isNaN(date.valueOf()) && date.toISOString().startsWith(iso) ? iso : null;
}

/** 1.234,56 and 1,234.56 and 1'234.56 as 1234.56; the last separator with one or two digits behind is the decimal one. */
function decimal(words) {
  const found = /-?\d[\d.,'’\s\u00a0\u202f]*/.exec(words);
  if (!found) return null;
  let digits = found[0].replace(/[\s\u00a0\u202f'’]/g, "").replace(/[.,]+$/, "");
  const last = Math.max(digits.lastIndexOf(","), digits.lastIndexOf("."));
  if (last >= 0) {
    const behind = digits.length - last - 1;
    const both = digits.includes(",") && digits.includes(".");
    const single = (digits.match(/[.,]/g) ?? []).length === 1;
    const isDecimal = both || (single && behind !== 3);
    const whole = digits.slice(0, last).replace(/[.,]/g, "");
    digits = isDecimal ? `${whole}.${digits.slice(last + 1)}` : whole + digits.slice(last + 1);
  }
  return /^-?\d+(\.\d+)?$/.test(digits) ? digits : null;
}
