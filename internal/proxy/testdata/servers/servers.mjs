// Serves the paths of `closed` and everything else, in the ways that applications choose
// between, each on a port of its own. An answer's header X-Handler names a closed path.
// Prints the ports as JSON. Runs on Node.js and on Bun, which serves in more ways.
import fs from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import url from "node:url";
import { getRequestListener } from "@hono/node-server";
import Fastify from "fastify";
import { H3, toNodeHandler as h3Handler } from "h3/node";
import { Hono } from "hono";
import { createRequestHandler } from "react-router";
import sirv from "sirv";
import { toNodeHandler } from "srvx/node";

const require = createRequire(import.meta.url);
const closed = ["/metrics", "/metrics/convex", "/metrics/platform"];
const ports = {};

// Static files: one for each closed path, in the folder that is named.
const files = process.argv[2] + "/";
for (const c of closed) {
  fs.mkdirSync(path.dirname(files + c), { recursive: true });
  fs.writeFileSync(`${files}${c}.html`, c);
}
const fileOptions = { extensions: ["html"], redirect: false, setHeaders: (res) => res.setHeader("X-Handler", "a file") };

const attempt = (f) => {
  try {
    return f();
  } catch {
    return "";
  }
};
const mark = (p) => (closed.includes(p) ? { "X-Handler": p } : {});
const respond = (p) => new Response("", { headers: mark(p) });
const answer = (res, p) => res.writeHead(200, mark(p)).end();

async function listen(name, handler) {
  const server = http.createServer({ keepAliveTimeout: 0, requestTimeout: 0 }, handler);
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  ports[name] = server.address().port;
}

// What applications without a framework make of request.url.
const readers = {
  "as it is": (u) => u.split("?")[0],
  "decoded": (u) => decodeURIComponent(u.split("?")[0]),
  "new URL": (u) => new URL(u, "http://site.test").pathname,
  "new URL, put together": (u) => new URL("http://site.test" + u).pathname,
  "new URL, decoded": (u) => decodeURIComponent(new URL(u, "http://site.test").pathname),
  "url.parse": (u) => url.parse(u).pathname,
  "url.parse, decoded": (u) => decodeURIComponent(url.parse(u).pathname),
  "normalized": (u) => path.posix.normalize(decodeURI(u.split("?")[0])),
};
for (const [name, read] of Object.entries(readers)) await listen(name, (req, res) => answer(res, attempt(() => read(req.url))));

for (const version of ["express", "express4"]) {
  const express = require(version);
  const routed = express();
  const mounted = express();
  for (const c of closed) {
    routed.all(c, (req, res) => answer(res, c));
    mounted.use(c, (req, res) => answer(res, c));
  }
  await listen(version, routed);
  await listen(`${version}, mounted`, mounted);
}
await listen("express, files", require("express")().use(require("express").static(files, fileOptions)));
await listen("sirv", sirv(files, { setHeaders: fileOptions.setHeaders }));
await listen("sirv, dev", sirv(files, { dev: true, setHeaders: fileOptions.setHeaders }));

for (const lenient of [false, true]) {
  const router = lenient ? { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, caseSensitive: false, useSemicolonDelimiter: true } : {};
  const fastify = Fastify({ routerOptions: router });
  for (const c of closed) fastify.all(c, (request, reply) => reply.headers(mark(c)).send(""));
  await fastify.ready();
  await listen(lenient ? "fastify, lenient" : "fastify", (req, res) => fastify.routing(req, res));
}

const hono = new Hono();
const h3 = new H3();
for (const c of closed) {
  hono.all(c, () => respond(c));
  h3.all(c, () => respond(c));
}
await listen("hono", getRequestListener(hono.fetch, { overrideGlobalObjects: false }));
await listen("h3", h3Handler(h3));
await listen("srvx", toNodeHandler((request) => respond(new URL(request.url).pathname)));

// React Router answers with the text of a route that was asked for its data.
const route = (id, p) => ({ id, parentId: "root", path: p, hasLoader: true, module: { loader: () => new Response(id, { headers: mark(id) }) } });
const routes = { root: { id: "root", path: "", module: { default: () => null } } };
for (const c of closed) routes[c] = route(c, c.slice(1));
routes.rest = route("rest", "*");
const reactRouter = createRequestHandler({
  entry: { module: { default: (request, status, headers) => new Response("", { status, headers }) } },
  assets: { entry: { imports: [], module: "" }, routes, url: "", version: "1" },
  assetsBuildDirectory: "", basename: "/", future: {}, isSpaMode: false, prerender: [], publicPath: "/",
  routeDiscovery: { mode: "lazy", manifestPath: "/__manifest" }, routes, ssr: true,
}, "production");
await listen("react router", toNodeHandler(async (request) => {
  const response = await reactRouter(request);
  const text = await response.clone().text();
  return closed.some((c) => text.includes(`"${c}"`)) ? respond(closed[0]) : response;
}));

if (process.versions.bun) {
  const serve = (name, options) => {
    ports[`Bun.serve, ${name}`] = Bun.serve({ port: 0, hostname: "127.0.0.1", idleTimeout: 255, development: false, fetch: () => respond(""), ...options }).port;
  };
  const reading = (read) => ({ fetch: (request) => respond(attempt(() => read(request.url))) });
  serve("new URL", reading((u) => new URL(u).pathname));
  serve("new URL, decoded", reading((u) => decodeURIComponent(new URL(u).pathname)));
  serve("new URL, decoded, again", reading((u) => new URL("http://site.test" + decodeURIComponent(new URL(u).pathname)).pathname));
  serve("routes", { routes: Object.fromEntries(closed.map((c) => [c, () => respond(c)])) });
  serve("parameters", { routes: { "/:a": (request) => respond("/" + request.params.a), "/:a/:b": (request) => respond(`/${request.params.a}/${request.params.b}`) } });
  serve("files", {
    async fetch(request) {
      const file = path.join(files, attempt(() => decodeURIComponent(new URL(request.url).pathname)) + ".html");
      return respond(attempt(() => fs.readFileSync(file, "utf8")));
    },
  });
  serve("hono", { fetch: hono.fetch });
  serve("h3", { fetch: (request) => h3.fetch(request) });
}
console.log(JSON.stringify(ports));
