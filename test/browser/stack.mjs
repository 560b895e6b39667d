// The processes that the browser's check needs: the simulator, the guestbook's
// web server in two colours, and the proxy in front.
import { execFileSync, spawn } from "node:child_process";
import { createHash, randomBytes, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import tls from "node:tls";
import { NameServer } from "./nameserver.mjs";

const ALIAS = "platform.browser.test";
const ROOT = resolve(import.meta.dirname, "../..");
const APP = join(ROOT, "examples/guestbook");
const RUNNER = process.env.RUNNER;
const INSTANCE = { INSTANCE_NAME: "browser", INSTANCE_SECRET: randomBytes(32).toString("hex") };

export class Stack {
  folder = mkdtempSync(join(tmpdir(), "browser-check-"));
  log = "";
  #names = new NameServer(ALIAS);
  #children = new Set();
  #colours = new Map(); // address → process

  async start() {
    const [backend, actions, http, https, health, web] = await freePorts(6);
    Object.assign(this, { backend, actions, web, https, health, site: `https://localhost:${https}` });
    await this.startConvex();
    await this.#push();
    await this.startColour("127.0.0.1");
    this.#run("proxy", [join(ROOT, "bin/proxy"), "run"], {
      SITE_URL: this.site, PROXY_BIND_ADDRESS: "127.0.0.1", HTTP_PORT: http, HTTPS_PORT: https, PROXY_HEALTH_ADDR: `127.0.0.1:${health}`,
      PROXY_DATA_DIR: join(this.folder, "certificates"), PROXY_CA_EXPORT_DIR: this.folder, PROXY_SITE_DIR: "", SHUTDOWN_GRACE_SECONDS: "2",
      UPSTREAM_RESOLVER: await this.#names.listen(), PLATFORM_UPSTREAM: `${ALIAS}:${web}`,
      CONVEX_UPSTREAM: `127.0.0.1:${backend}`, DASHBOARD_UPSTREAM: `127.0.0.1:${backend}`,
    });
    await until("the proxy is ready", () => this.log.includes("proxy ready"));
  }

  /** Starts the simulator, with what an earlier one has stored. */
  async startConvex() {
    const flags = ["-i", "127.0.0.1", "-p", this.backend, "--site-proxy-port", this.actions, "--local-storage", join(this.folder, "storage"), "--runner", RUNNER];
    const instance = ["--instance-name", INSTANCE.INSTANCE_NAME, "--instance-secret", INSTANCE.INSTANCE_SECRET];
    this.convex = this.#run("convex-sim", [join(ROOT, "bin/convex-sim"), ...flags, ...instance]);
    await until("the backend answers", () => answers(`http://127.0.0.1:${this.backend}/version`));
  }

  async restartConvex() {
    await end(this.convex, "SIGINT");
    await this.startConvex();
  }

  // The app's functions, as a deploy brings them.
  async #push() {
    const adminKey = execFileSync(join(ROOT, "bin/convex-entrypoint"), ["admin-key"], { env: INSTANCE, encoding: "utf8" }).trim();
    const post = async (path, body) => {
      const response = await fetch(`http://127.0.0.1:${this.backend}/api/${path}`, {
        method: "POST",
        headers: { "Content-Type": "application/json", Authorization: `Convex ${adminKey}` },
        body: JSON.stringify({ adminKey, dryRun: false, ...body }),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${path} was answered ${response.status}: ${text}`);
      return text && JSON.parse(text);
    };
    await post("update_environment_variables", { changes: [{ name: "SITE_URL", value: this.site }] });
    const startPush = await post("deploy2/start_push", { ...JSON.parse(readFileSync(join(APP, "dist/push-request.json"), "utf8")), adminKey });
    await post("deploy2/wait_for_schema", { schemaChange: startPush.schemaChange });
    await post("deploy2/finish_push", { startPush });
  }

  /** Starts a colour; its address is in the name before it listens. */
  async startColour(address) {
    const { PATH } = process.env;
    const env = { HOSTNAME: address, PORT: this.web, CONVEX_URL: `http://127.0.0.1:${this.backend}`, TALE_RUN_DIR: this.folder, NODE_ENV: "production", PATH: `${join(APP, "node_modules/.bin")}:${PATH}` };
    this.#colours.set(address, this.#run(`web ${address}`, ["bun", "server.ts"], env, APP));
    this.#names.addresses = [...this.#colours.keys()];
    await until(`${address} is healthy`, () => answers(`http://${address}:${this.web}/api/health`));
  }

  async stopColour(address, signal) {
    const child = this.#colours.get(address);
    this.#colours.delete(address);
    await end(child, signal);
    this.#names.addresses = [...this.#colours.keys()];
  }

  /** Where the proxy sends requests for pages; undefined when there is nowhere. */
  async serving() {
    const state = await (await fetch(`http://127.0.0.1:${this.health}/health?deep`)).json();
    const platform = state.upstreams.find((upstream) => upstream.upstream.startsWith(ALIAS));
    return platform.addresses?.find((address) => address.first)?.address.split(":")[0];
  }

  /**
   * Greets the proxy with nothing trusted but its own root certificate, and returns the hash of the key that
   * signed the site's certificate, for a browser that cannot be given a root on its command line.
   */
  async signer() {
    const ca = readFileSync(join(this.folder, "root.crt"));
    const socket = tls.connect({ host: "127.0.0.1", port: this.https, servername: "localhost", ca });
    await new Promise((done, fail) => socket.once("secureConnect", done).once("error", fail));
    const signer = socket.getPeerCertificate(true).issuerCertificate;
    socket.end();
    const key = new X509Certificate(signer.raw).publicKey.export({ type: "spki", format: "der" });
    return createHash("sha256").update(key).digest("base64");
  }

  async stop() {
    for (const child of [...this.#children].reverse()) await end(child, "SIGINT");
    this.#names.close();
    rmSync(this.folder, { recursive: true });
  }

  #run(name, argv, env = {}, cwd = this.folder) {
    const child = spawn(argv[0], argv.slice(1).map(String), { cwd, env: { PATH: process.env.PATH, HOME: this.folder, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (data) => (this.log += `${name}: ${data}`));
    }
    child.on("error", (error) => (this.log += `${name}: ${error.message}\n`));
    this.#children.add(child);
    child.on("exit", () => this.#children.delete(child));
    return child;
  }
}

async function end(child, signal) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((done) => child.once("exit", done));
  child.kill(signal);
  const late = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await ended;
  clearTimeout(late);
}

/** Waits until a condition holds, for half a minute at most. */
export async function until(what, condition) {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; ) {
    if (await condition()) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`waited in vain until ${what}`);
}

async function answers(url) {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, () => new Promise((done) => {
      const server = net.createServer().listen(0, "127.0.0.1", () => done(server));
    })),
  );
  return Promise.all(servers.map((server) => new Promise((done) => {
    const { port } = server.address();
    server.close(() => done(String(port)));
  })));
}
