// Build elements. Text goes in as text nodes only, so a prompt with markup is shown as it was typed.
const SVG = "http://www.w3.org/2000/svg";

// h("button", { class: "primary", onclick: run, disabled: true }, "Make it")
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) assign(element, name, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function assign(element, name, value) {
  if (value === undefined || value === null) return;
  if (name === "class") element.className = value;
  else if (name === "dataset") Object.assign(element.dataset, value);
  else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name in element && name !== "list" && name !== "form") element[name] = value;
  else element.setAttribute(name, value === true ? "" : value);
}

// 24 x 24 pictures, drawn with strokes in the colour of the text.
const PATHS = {
  play: "M8 5.5v13l10.5-6.5z",
  pause: "M8.5 6v12M15.5 6v12",
  done: "M5 12.5l4.5 4.5L19 7.5",
  failed: "M12 7v6M12 16.5v.5M12 3l9.5 17h-19z",
  cancelled: "M6 6l12 12M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
  queued: "M12 7v5l3 2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
  running: "M12 3a9 9 0 1 1-9 9",
  close: "M6 6l12 12M18 6L6 18",
  download: "M12 4v11m0 0l-4.5-4.5M12 15l4.5-4.5M5 20h14",
  copy: "M9 9h11v11H9zM5.5 15H4V4h11v1.5",
  pause: "M8 5v14M16 5v14",
  key: "M8 12a4 4 0 1 0 0 .01M12 12h9M18 12v4",
  link: "M10 14a4 4 0 0 0 5.7 0l3.6-3.6a4 4 0 0 0-5.7-5.7L12 6.3M14 10a4 4 0 0 0-5.7 0l-3.6 3.6a4 4 0 0 0 5.7 5.7L12 17.7",
  again: "M4 12a8 8 0 0 1 13.7-5.7L20 8.5M20 4v4.5h-4.5M20 12a8 8 0 0 1-13.7 5.7L4 15.5M4 20v-4.5h4.5",
  dice: "M5 4h14a1 1 0 0 1 1 1v14a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1M8.5 8.5v.01M15.5 8.5v.01M12 12v.01M8.5 15.5v.01M15.5 15.5v.01",
  four: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
  pair: "M3.5 5h7.5v14H3.5zM13 5h7.5v14H13z",
  bin: "M4 7h16M9 7V4h6v3M6.5 7l1 13h9l1-13M10 11v5M14 11v5",
  picture: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9v.01",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14M16 16l4.5 4.5",
  back: "M14.5 5l-7 7 7 7",
  stop: "M7 7h10v10H7z",
  plus: "M12 5v14M5 12h14",
  up: "M6 14.5l6-6 6 6",
  down: "M6 9.5l6 6 6-6",
  grip: "M9 6v.01M15 6v.01M9 12v.01M15 12v.01M9 18v.01M15 18v.01",
  words: "M5 7V5h14v2M12 5v14M9.5 19h5",
  chevron: "M6 9.5l6 6 6-6",
  cloud: "M7 18a4.5 4.5 0 0 1-.5-9A6 6 0 0 1 18 10a4 4 0 0 1 .5 8z",
  sound: "M4 9.5v5h3.5L12 19V5L7.5 9.5zM15.5 9a4 4 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11",
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.append(path);
  return svg;
}

export const $ = (id) => document.getElementById(id);

// Replace the children of an element only if the focus is not inside it, or `force` is set.
export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const prefersLessMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
