// The request of the form, or of a job, as code in several languages. The shell uses this interface:
//   show(element, request)  draw into the element; called again whenever the request changes.
//     request = { fields: {prompt: …, …}, files: {image: File, …} }: what POST /v1/jobs gets
export function show(_element, _request) {}
