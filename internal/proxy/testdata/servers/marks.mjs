// Answers each request with its own X-Mark and with the length of its body, in the ways in
// which applications treat bodies, each on a port of its own. It counts what comes without
// an X-Request-Id, which the proxy gives to each request that it has seen: /strays answers
// with those requests. Prints the ports as JSON. Runs on Node.js and on Bun.
import http from "node:http";

const ports = {};
const strays = [];

const known = (method, url, header) => {
  if (url === "/api/health" || url === "/version" || url === "/strays") return true;
  if (header("x-request-id")) return true;
  strays.push(`${method} ${url}`);
  return false;
};

async function onNode(name, respond) {
  const server = http.createServer({ keepAliveTimeout: 0, requestTimeout: 0 }, (req, res) => {
    const header = (field) => req.headers[field] ?? "";
    known(req.method, req.url, header);
    res.setHeader("X-Mark", header("x-mark"));
    if (req.url === "/strays") return res.end(JSON.stringify(strays));
    respond(req, res);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  ports[name] = server.address().port;
}

await onNode("reads", (req, res) => {
  let length = 0;
  req.on("data", (piece) => (length += piece.length));
  req.on("end", () => res.end(String(length)));
  req.on("error", () => res.destroy());
});
await onNode("answers first", (req, res) => res.end("-"));
await onNode("reads a little", (req, res) => req.once("readable", () => res.end("-")));
await onNode("answers in pieces", (req, res) => {
  res.write("a");
  setImmediate(() => res.end("b"));
});

if (process.versions.bun) {
  const onBun = (name, respond) => {
    const fetch = async (request) => {
      const header = (field) => request.headers.get(field) ?? "";
      const url = request.url.replace(/^[a-z]+:\/\/[^/]*/, "");
      known(request.method, url, header);
      const headers = { "X-Mark": header("x-mark") };
      if (url === "/strays") return Response.json(strays);
      return new Response(await respond(request), { headers });
    };
    ports[`Bun.serve, ${name}`] = Bun.serve({ port: 0, hostname: "127.0.0.1", idleTimeout: 255, development: false, fetch }).port;
  };
  onBun("reads", async (request) => String((await request.arrayBuffer()).byteLength));
  onBun("answers first", () => "-");
  onBun("reads a little", async (request) => {
    await request.body?.getReader().read();
    return "-";
  });
}
console.log(JSON.stringify(ports));
