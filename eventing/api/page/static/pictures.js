// The pictures of the form: chosen, dropped or pasted files, shown where the model takes them.
"use strict";
const pictures = (() => {
  const FIELDS = ["image", "last_image"];
  const TYPES = ["image/png", "image/jpeg", "image/webp"];
  const files = {}; // by field
  const box = (field) => document.getElementById(`${field}-box`);

  function set(field, file) {
    files[field] = file;
    const preview = box(field).querySelector("img");
    if (preview.src) URL.revokeObjectURL(preview.src);
    preview.hidden = !file;
    if (file) preview.src = URL.createObjectURL(file); else preview.removeAttribute("src");
    box(field).querySelector("button").hidden = !file;
    if (!file) box(field).querySelector("input").value = "";
  }

  function take(list) { // dropped or pasted files: the first free place that the model has
    const file = [...list].find((each) => TYPES.includes(each.type));
    const open = FIELDS.filter((field) => !box(field).hidden);
    const field = open.find((each) => !files[each]) || open[0];
    if (!file || !field) return false;
    set(field, file);
    return true;
  }

  function offer(inputs) { // what the chosen model takes
    for (const field of FIELDS) {
      box(field).hidden = !(field in inputs);
      if (box(field).hidden) set(field, null);
    }
  }

  function body(fields) { // a form if there are pictures, else null
    const chosen = FIELDS.filter((field) => files[field]);
    if (!chosen.length) return null;
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) if (value !== undefined) form.append(name, value);
    for (const field of chosen) form.append(field, files[field]);
    return form;
  }

  for (const field of FIELDS) {
    box(field).querySelector("input").onchange = (event) => set(field, event.target.files[0] || null);
    box(field).querySelector("button").onclick = () => set(field, null);
  }
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => { event.preventDefault(); take(event.dataTransfer.files); });
  document.addEventListener("paste", (event) => { if (take(event.clipboardData.files)) event.preventDefault(); });
  return { offer, body };
})();
