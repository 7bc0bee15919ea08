// Build elements. Content is only ever text: nothing that came from a document can become markup.

/**
 * An element. `attributes`: `class`, `on: {event: handler}`, `style: {property: value}` (custom properties too),
 * any attribute by name (false, null and undefined leave it out; true sets it empty). Children: nodes, text, or
 * nothing (null, undefined, false), also nested in arrays.
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    else if (name === "style")
      for (const [property, given] of Object.entries(value)) setStyle(element, property, given);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...flat(children));
  return element;
}

/** Replace what `parent` shows. */
export function show(parent, ...children) {
  parent.replaceChildren(...flat(children));
  return parent;
}

/** An SVG element; used for icons, evidence boxes and plots. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  element.append(...flat(children));
  return element;
}

/** Whether keys belong to this element as text. */
export function typing(element) {
  return element.matches?.("input:not([type=checkbox]), textarea, select, [contenteditable]") ?? false;
}

function flat(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

function setStyle(element, property, value) {
  if (property.startsWith("--")) element.style.setProperty(property, value);
  else element.style[property] = value;
}
