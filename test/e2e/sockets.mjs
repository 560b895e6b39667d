// Holds sync sockets open through the proxy until SIGTERM, then prints how many
// were opened and how many still are: sockets.mjs SITE ADDRESS COUNT ROOT-FILE.
import https from "node:https";
import { readFileSync } from "node:fs";

const [site, address, count, rootFile] = process.argv.slice(2);
const [host, port] = address.split(":");
const ca = readFileSync(rootFile);
const { host: hostHeader, hostname } = new URL(site);
const sockets = [];
const closed = [];

const open = (number) =>
  new Promise((resolve, reject) => {
    const began = Date.now();
    const request = https.get({
      host, port, servername: hostname, ca, agent: false, path: "/api/1.48.0/sync",
      headers: { Host: hostHeader, Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": Buffer.from("end-to-end-tests").toString("base64") },
    });
    request.on("upgrade", (response, socket) => {
      socket.on("error", () => {});
      socket.on("close", () => closed.push(`socket ${number} after ${Date.now() - began} ms`));
      socket.resume();
      sockets.push(socket);
      resolve();
    });
    request.on("response", (response) => reject(new Error(`status ${response.statusCode} instead of an upgrade`)));
    request.on("error", reject);
  });

await Promise.all(Array.from({ length: Number(count) }, (_, number) => open(number)));
console.error("open");
process.on("SIGTERM", () => {
  console.log(JSON.stringify({ opened: sockets.length, closed }));
  process.exit();
});
setInterval(() => {}, 1 << 30);
