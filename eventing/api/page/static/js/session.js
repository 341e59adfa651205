// Who is signed in. The shell uses this interface:
//   headers()          the headers that each API call carries
//   mount(element)     draw "sign in" or "sign out" into the page's header; called once
//   refused(problem)   the server answered 401 to a call: offer to sign in
//   onChange(listener) call the listener after signing in or out; the shell then loads models and jobs again
let key = "";
const listeners = [];

export const headers = () => (key ? { Authorization: `Bearer ${key}` } : {});
export const onChange = (listener) => listeners.push(listener);
export function mount(_element) {}
export function refused(_problem) {}
