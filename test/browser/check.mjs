// A real browser at the proxy: loads the guestbook over https, keeps the app's
// sync socket through a change of colours, sees the maintenance page when no
// colour is left, and the app again, by itself, when one is back.
//
//   node check.mjs [FOLDER for screenshots]
import { join } from "node:path";
import { chromium } from "playwright-core";
import { Stack, until } from "./stack.mjs";

const BLUE = "127.0.0.1";
const GREEN = "127.0.0.2";
const screenshots = process.argv[2];

const stack = new Stack();
let browser;
try {
  await stack.start();
  browser = await open(await stack.signer());
  await check(await browser.newPage());
} catch (error) {
  console.error(`${error.stack}\n\n${stack.log}`);
  process.exitCode = 1;
} finally {
  await browser?.close();
  await stack.stop();
}

function open(signer) {
  return chromium.launchPersistentContext(join(stack.folder, "profile"), {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", `--ignore-certificate-errors-spki-list=${signer}`],
    viewport: { width: 1000, height: 640 },
  });
}

async function check(page) {
  const sockets = watchSockets(page);
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));

  const first = await page.goto(`${stack.site}/`);
  expect("the app is loaded over https", first.status() === 200 && first.url().startsWith("https:"));
  await page.waitForSelector('[data-connection="connected"]');
  expect("its socket is open", sockets.length === 1 && sockets[0].url.startsWith(`wss://localhost:${stack.https}/ws_api/api/`));
  await page.waitForSelector(".notice");
  await shoot(page, "guestbook.png");

  await stack.startColour(GREEN);
  await until("the proxy uses the new colour", async () => (await stack.serving()) === GREEN);
  await stack.stopColour(BLUE, "SIGTERM");
  const facts = await page.evaluate(async () => (await fetch("/about.json")).status);
  expect("the page asks the new colour", facts === 200);
  expect("the socket has lived through the switch", sockets.length === 1 && !sockets[0].closed && (await isConnected(page)));

  await stack.stopColour(GREEN, "SIGKILL");
  await until("the proxy has noticed", async () => (await stack.serving()) === undefined);
  const away = await reload(page);
  expect("without a colour there is the maintenance page", away.status() === 503 && (await page.textContent("h1")) === "Back in a moment");
  expect("it tells when to come again, and is not kept", away.headers()["retry-after"] !== undefined && away.headers()["cache-control"] === "no-store");
  await shoot(page, "maintenance.png");

  await stack.startColour(BLUE);
  await page.waitForSelector('[data-connection="connected"]');
  expect("the app came back by itself, with a socket", sockets.length === 2 && !sockets[1].closed);
  expect("no script failed on the way", errors.length === 0, errors.join("\n"));
}

// Chromium gives a page load up when a network interface of the machine comes or goes.
async function reload(page) {
  for (;;) {
    try {
      return await page.reload();
    } catch (error) {
      if (!error.message.includes("ERR_NETWORK_CHANGED")) throw error;
    }
  }
}

function watchSockets(page) {
  const sockets = [];
  page.on("websocket", (socket) => {
    const seen = { url: socket.url(), closed: false };
    sockets.push(seen);
    socket.on("close", () => (seen.closed = true));
  });
  return sockets;
}

async function isConnected(page) {
  return (await page.getAttribute("[data-connection]", "data-connection")) === "connected";
}

async function shoot(page, name) {
  if (screenshots) await page.screenshot({ path: join(screenshots, name), animations: "disabled" });
}

function expect(what, holds, detail = "") {
  if (!holds) throw new Error(`not so: ${what} ${detail}`);
  console.log(`ok  ${what}`);
}
