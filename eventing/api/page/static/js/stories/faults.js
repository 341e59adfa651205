// Show a fault beside the field that its path names, else above the button. The words are the server's.
//   create({ cardOf(at), settings }) → { element, show(problem), clear() }
import { fill, h, icon } from "../dom.js";
import { place } from "./places.js";

export function create({ cardOf, settings }) {
  const element = h("div", { role: "alert", id: "story-problem" });
  let marked = null;
  const clear = () => {
    fill(element);
    marked?.words.remove();
    marked?.control?.removeAttribute("aria-invalid");
    marked?.control?.removeAttribute("aria-describedby");
    marked = null;
  };
  const show = (problem, { isFocused = false } = {}) => {
    clear();
    if (!problem) return;
    const where = place(problem.field);
    const box = where && (where.scene === null ? settings : cardOf(where.scene));
    const field = where?.field && box?.querySelector(`[data-field="${CSS.escape(where.field)}"]`);
    if (!box || (!field && where.scene === null)) return void fill(element, h("div", { class: "notice bad" }, icon("failed"), h("p", {}, problem.message)));
    marked = mark(field ?? box.querySelector(".scene-words") ?? box, problem.message);
    if (isFocused) (marked.control ?? box).focus();
  };
  return { element, show, clear };
}

function mark(field, message) {
  field.closest("details")?.setAttribute("open", "");
  const control = field.querySelector("input:not([type=file]), select, textarea");
  const words = h("p", { class: "wrong", role: "alert", id: "story-fault" }, message);
  control?.setAttribute("aria-invalid", "true");
  control?.setAttribute("aria-describedby", words.id);
  field.append(words);
  return { control, words };
}
