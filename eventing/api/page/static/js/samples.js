// A request as code that runs as it is: curl, Python, the OpenAI SDK, a CloudEvent. Pure functions.
//   SAMPLES: [{ id, name, language, write(request) → text }]     request = { fields, files, server, hasKey, id }
// A key is never written into a sample: it reads REELZERO_API_KEY. `id` makes the event's id.
const FIELD_ORDER = ["prompt", "model", "quality", "seed", "width", "height", "num_frames"];
const OPENAI_OWN = new Set(["prompt", "model", "width", "height"]);

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`; // for a POSIX shell
const inOrder = (fields) => Object.fromEntries([
  ...FIELD_ORDER.filter((name) => name in fields).map((name) => [name, fields[name]]),
  ...Object.entries(fields).filter(([name]) => !FIELD_ORDER.includes(name)),
]);

function curl({ fields, files, server, hasKey }) {
  const lines = [`curl -sS ${quoted(`${server}/v1/jobs`)}`, ...authorization(hasKey)];
  if (Object.keys(files).length) lines.push(...form(inOrder(fields), files));
  else lines.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(inOrder(fields), null, 2))}`);
  return lines.join(" \\\n  ");
}

const authorization = (hasKey) => (hasKey ? ['-H "Authorization: Bearer $REELZERO_API_KEY"'] : []);

function form(fields, files) {
  const parts = Object.entries(fields).flatMap(([name, value]) => (name === "metadata"
    ? Object.entries(value).map(([key, text]) => [`metadata[${key}]`, text])
    : [[name, typeof value === "object" ? JSON.stringify(value) : String(value)]]));
  return [
    ...parts.map(([name, text]) => `--form-string ${quoted(`${name}=${text}`)}`),
    ...Object.entries(files).map(([name, file]) => `-F ${quoted(`${name}=@${file.name};type=${file.type}`)}`),
  ];
}

function python(value, depth = 0) {
  const inner = "    ".repeat(depth + 1);
  const outer = "    ".repeat(depth);
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null) return "None";
  if (Array.isArray(value)) return `[${value.map((each) => python(each, depth)).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value); // the escapes of JSON are those of Python
  const lines = Object.entries(value).map(([name, each]) => `${inner}${JSON.stringify(name)}: ${python(each, depth + 1)},`);
  return `{\n${lines.join("\n")}\n${outer}}`;
}

const named = (files) => Object.fromEntries(Object.entries(files).map(([name, file]) => [name, file.name]));

function client({ fields, files, server, hasKey }) {
  const key = hasKey ? ', api_key=os.environ["REELZERO_API_KEY"]' : "";
  const isGroup = (fields.n ?? 1) > 1;
  return [
    ...(hasKey ? ["import os", ""] : []),
    "from eventing.client import Client", "",
    `request = ${python({ ...inOrder(fields), ...named(files) })}`, "",
    `with Client(${JSON.stringify(server)}${key}) as client:`,
    ...(isGroup ? [
      "    for video in client.submit(request).jobs:",
      "        client.wait(video.id)",
      '        print(client.download(video.id, "./"))',
    ] : [
      "    video = client.submit(request)",
      "    client.wait(video.id)",
      '    print(client.download(video.id, "./"))',
    ]), "",
  ].join("\n");
}

function openai({ fields, files, server, hasKey }) {
  const extra = Object.entries(inOrder(fields)).filter(([name]) => !OPENAI_OWN.has(name) || sizeless(fields, name));
  const own = [`prompt=${JSON.stringify(fields.prompt ?? "")}`];
  if (fields.model) own.push(`model=${JSON.stringify(fields.model)}`);
  if (hasSize(fields)) own.push(`size="${fields.width}x${fields.height}"`);
  if (files.image) own.push(`input_reference=open(${JSON.stringify(files.image.name)}, "rb")`);
  if (extra.length) own.push(`extra_body=${python(Object.fromEntries(extra), 1)}`);
  return [
    ...(hasKey ? ["import os", ""] : []),
    "from openai import OpenAI", "",
    `client = OpenAI(base_url=${JSON.stringify(`${server}/v1`)}, api_key=${hasKey ? 'os.environ["REELZERO_API_KEY"]' : '"none"'})`,
    "video = client.videos.create_and_poll(", ...own.map((line) => `    ${line},`), ")",
    'client.videos.download_content(video.id).write_to_file(f"{video.id}.mp4")', "",
    ...(files.last_image ? ["# The SDK sends one picture: use curl or the Python client for the last one.", ""] : []),
  ].join("\n");
}

const hasSize = (fields) => Boolean(fields.width && fields.height);
const sizeless = (fields, name) => (name === "width" || name === "height") && !hasSize(fields);

function cloudEvent({ fields, files, server, hasKey, id }) {
  const pictures = Object.fromEntries(Object.keys(files).map((name) => [name, `data:${files[name].type};base64,@${name}@`]));
  let body = quoted(JSON.stringify({ ...inOrder(fields), ...pictures }, null, 2));
  for (const [name, file] of Object.entries(files)) body = body.replace(`@${name}@`, `'"$(base64 -w0 ${quoted(file.name)})"'`);
  return [
    `curl -sSi ${quoted(`${server}/events`)}`, ...authorization(hasKey),
    "-H 'Content-Type: application/json'", "-H 'ce-specversion: 1.0'", "-H 'ce-type: dev.reelzero.video.requested.v1'",
    "-H 'ce-source: /page'", `-H ${quoted(`ce-id: ${id}`)}`, `-d ${body}`,
  ].join(" \\\n  ");
}

export const SAMPLES = [
  { id: "curl", name: "curl", write: (request) => `${curl(request)}\n` },
  { id: "python", name: "Python", write: client },
  { id: "openai", name: "OpenAI SDK", write: openai },
  { id: "event", name: "CloudEvent", write: (request) => `${cloudEvent(request)}\n` },
];
