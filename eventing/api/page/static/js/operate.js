// The operator's view at #/operate. The shell uses this interface:
//   mount(element) → unmount   draw into the empty <section>; `unmount()` stops what runs, when the page leaves
export function mount(element) {
  element.textContent = "";
  return () => {};
}
