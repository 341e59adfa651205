// Change the order of cards: by a handle that is dragged with a pointer, and in the document without losing the focus.
//   handle(card, { onMove(by) }) → element      onMove(-1 | 1) once the pointer has passed the middle of a neighbour
//   arrange(list, cards, still)                 put the cards into this order; `still` is never taken out of the document
import { h, icon } from "../dom.js";

const EDGE = 70; // pixels at the top and the bottom of the window, where it scrolls while a card is dragged
const SCROLL = 14; // pixels for each movement there

export function handle(card, { onMove }) {
  const element = h("span", { class: "handle", title: "Drag to another place", "aria-hidden": "true" }, icon("grip"));
  element.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    element.setPointerCapture(event.pointerId);
    card.dataset.dragging = "true";
  });
  element.addEventListener("pointermove", (event) => {
    if (!card.dataset.dragging) return;
    scroll(event.clientY);
    const by = passed(card, event.clientY);
    if (by) onMove(by);
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) element.addEventListener(name, () => delete card.dataset.dragging);
  return element;
}

export function arrange(list, cards, still) {
  const place = cards.indexOf(still);
  cards.forEach((card, at) => {
    if (card === still) return;
    if (place < 0 || at > place) list.append(card); else list.insertBefore(card, still);
  });
}

function passed(card, y) {
  const middle = (other) => { const box = other.getBoundingClientRect(); return box.top + box.height / 2; };
  if (card.previousElementSibling && y < middle(card.previousElementSibling)) return -1;
  return card.nextElementSibling && y > middle(card.nextElementSibling) ? 1 : 0;
}

function scroll(y) {
  if (y < EDGE) scrollBy(0, -SCROLL);
  if (y > innerHeight - EDGE) scrollBy(0, SCROLL);
}
