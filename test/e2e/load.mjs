// Asks for the web application again and again until SIGTERM, then prints what it saw as
// JSON: load.mjs SITE ADDRESS WORKERS ROOT-FILE [PATH…]. A new connection for every fourth
// request, so that keep-alive and fresh connections are both under load. All paths must be
// the web application's: /api is the backend's, which no switch of colours touches.
import https from "node:https";
import { readFileSync } from "node:fs";

const [site, address, workers, rootFile, ...paths] = process.argv.slice(2);
const [host, port] = address.split(":");
const ca = readFileSync(rootFile);
const { host: hostHeader, hostname } = new URL(site);
const seen = { asked: 0, failed: 0, slowest_ms: 0, first_failures: [] };
let stop = false;

const fail = (why) => {
  seen.failed++;
  if (seen.first_failures.length < 5) seen.first_failures.push(`${new Date().toISOString()} ${why}`);
};

const ask = (agent, path) =>
  new Promise((resolve) => {
    const began = Date.now();
    const request = https.get(
      { host, port, servername: hostname, ca, agent, path, headers: { Host: hostHeader }, timeout: 15000 },
      (response) => {
        response.on("error", (error) => resolve(fail(String(error))));
        response.resume().on("end", () => {
          seen.slowest_ms = Math.max(seen.slowest_ms, Date.now() - began);
          resolve(response.statusCode === 200 || fail(`status ${response.statusCode}`));
        });
      },
    );
    request.on("timeout", () => request.destroy(new Error("no answer in 15 s")));
    request.on("error", (error) => resolve(fail(String(error))));
  });

const work = async () => {
  const kept = new https.Agent({ keepAlive: true, maxSockets: 1 });
  for (let turn = 0; !stop; turn++) {
    seen.asked++;
    await ask(turn % 4 === 3 ? false : kept, paths[Math.floor(turn / 4) % paths.length]);
    await new Promise((resume) => setTimeout(resume, 10)); // load, not saturation
  }
  kept.destroy();
};

process.on("SIGTERM", () => (stop = true));
await Promise.all(Array.from({ length: Number(workers) }, work));
console.log(JSON.stringify(seen));
