// The addresses of the page: `#/` makes videos, `#/jobs/ID` shows one beside the form, `#/operate` is the
// operator's view. `#/jobs/ID/with/OTHER` shows two videos side by side. `#/stories` lists stories, `#/stories/new`
// and `#/stories/ID` are the editor of one.
//   route()        → { name: "home" | "job" | "operate" | "stories" | "story", id, other }
//   go(address)      such as go("#/jobs/vid_1")
//   onRoute(listener)  call the listener now and after each change
const JOB = /^#\/jobs\/([A-Za-z0-9_-]{1,64})(?:\/with\/([A-Za-z0-9_-]{1,64}))?$/;
const STORY = /^#\/stories\/([A-Za-z0-9_.~-]{1,128})$/;

export function route() {
  const match = JOB.exec(location.hash);
  if (match) return { name: "job", id: match[1], other: match[2] ?? null };
  const story = STORY.exec(location.hash);
  if (story) return { name: "story", id: story[1], other: null };
  if (location.hash === "#/stories") return { name: "stories", id: null, other: null };
  return { name: location.hash === "#/operate" ? "operate" : "home", id: null, other: null };
}

export const jobAddress = (id) => `#/jobs/${id}`;
export const storyAddress = (id) => `#/stories/${id}`;

export function go(address) {
  if (location.hash !== address) location.hash = address;
}

export function onRoute(listener) {
  addEventListener("hashchange", () => listener(route()));
  listener(route());
}
