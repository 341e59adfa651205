// What did not arrive: deliveries that failed for good, and events that a Broker could not deliver. Each can go again.
//   deliveries() / letters() → { element, expect(number) }    the list is read when the number has changed;
//   null: read it each time
import { json, post } from "./api.js";
import { announce } from "./announce.js";
import { h, icon } from "./dom.js";
import { panel, redraw, table } from "./tables.js";
import { ago } from "./words.js";

export const deliveries = () => list({
  title: "Dead deliveries", path: "v1/operate/deliveries", empty: "Every delivery has arrived or is still tried.",
  heads: ["Event", "Owner", "To", "Tries", "Last error", "Made", "Again"],
  row: (each) => [each.event_type.split(".").at(-2) ?? each.event_type, each.owner, h("span", { class: "address" }, each.target ?? each.destination), String(each.tries), h("span", { class: "address" }, each.last_error ?? "–"), ago(each.created_at)],
});

export const letters = () => list({
  title: "Dead letters", path: "v1/operate/dead-letters", empty: "No Broker has returned an event.",
  heads: ["Event", "Owner", "Source", "Not delivered to", "Code", "Received", "Again"],
  row: (each) => [h("span", { class: "address" }, each.event_type), each.owner, h("span", { class: "address" }, each.source), h("span", { class: "address" }, each.destination ?? "–"), each.code ?? "–", ago(each.received_at)],
});

function list(kind) {
  const body = h("div", {});
  const state = { items: [], next: null, number: -1, body, kind };
  return { element: panel(kind.title, body), expect: (number) => { if (number === null || number !== state.number) { state.number = number; read(state, null); } } };
}

async function read(state, after) {
  try {
    const page = await json(`${state.kind.path}?limit=20${after ? `&after=${encodeURIComponent(after)}` : ""}`);
    state.items = after ? [...state.items, ...page.data] : page.data;
    state.next = page.next;
    draw(state);
  } catch (problem) {
    redraw(state.body, h("div", { class: "notice bad" }, icon("failed"), h("p", {}, problem.message)));
  }
}

function draw(state) {
  const { kind, items, next } = state;
  if (!items.length) return redraw(state.body, h("p", { class: "soft" }, kind.empty));
  const rows = items.map((each) => [...kind.row(each), again(state, each)]);
  const more = next && h("button", { class: "button small", type: "button", onclick: () => read(state, next) }, "Show more");
  return redraw(state.body, table(kind.title, kind.heads, rows), h("p", { class: "wrong", role: "alert" }), more);
}

function again(state, each) {
  const button = h("button", { class: "button small", type: "button", id: `again-${each.id}` }, icon("again"), "Send again");
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await post(`${state.kind.path}/${each.id}/replay`);
      announce("It is sent again");
      state.items = state.items.filter((other) => other.id !== each.id);
      draw(state);
    } catch (problem) {
      button.disabled = false;
      state.body.querySelector(".wrong").textContent = problem.message;
    }
  });
  return button;
}
