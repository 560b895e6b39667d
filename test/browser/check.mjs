// A real browser at the proxy: loads the guestbook over https, keeps the app's
// sync socket through a change of colours, sees the maintenance page when no
// colour is left, and the app again, by itself, when one is back. A second browser
// sees live what the first one writes, before and after the switch and a restart of
// convex.
//
//   node check.mjs [FOLDER for screenshots]
import { join } from "node:path";
import { chromium } from "playwright-core";
import { Stack, until } from "./stack.mjs";

const BLUE = "127.0.0.1";
const GREEN = "127.0.0.2";
const screenshots = process.argv[2];

const stack = new Stack();
const browsers = [];
try {
  await stack.start();
  const signer = await stack.signer();
  for (const profile of ["writer", "reader"]) browsers.push(await open(profile, signer));
  await check(...(await Promise.all(browsers.map((browser) => browser.newPage()))));
} catch (error) {
  console.error(`${error.stack}\n\n${stack.log}`);
  process.exitCode = 1;
} finally {
  for (const browser of browsers) await browser.close();
  await stack.stop();
}

function open(profile, signer) {
  return chromium.launchPersistentContext(join(stack.folder, profile), {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", `--ignore-certificate-errors-spki-list=${signer}`],
    viewport: { width: 1000, height: 640 },
  });
}

async function check(page, other) {
  const sockets = watchSockets(page);
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));

  const first = await page.goto(`${stack.site}/`);
  expect("the app is loaded over https", first.status() === 200 && first.url().startsWith("https:"));
  await page.waitForSelector('[data-connection="connected"]');
  expect("its socket is open", sockets.length === 1 && sockets[0].url.startsWith(`wss://localhost:${stack.https}/ws_api/api/`));
  await page.waitForSelector('[data-live="true"]');
  expect("it says Live", (await page.textContent(".badge")).trim() === "Live");

  await other.goto(`${stack.site}/`);
  await other.waitForSelector('[data-live="true"]');
  await sign(page, "Ada", "The first line in the book");
  await sees(other, "The first line in the book");
  expect("what one browser signs, the other sees live", (await other.locator(".card:not(.blank .card)").count()) === 1);
  await other.getByRole("button", { name: /cheer/i }).first().click();
  for (const browser of [page, other]) await browser.locator(".cheer", { hasText: "♥ 1" }).waitFor();
  expect("a cheer is counted in both", (await page.locator(".cheer").count()) === 1);

  await stack.startColour(GREEN);
  await until("the proxy uses the new colour", async () => (await stack.serving()) === GREEN);
  await stack.stopColour(BLUE, "SIGTERM");
  const facts = await page.evaluate(async () => (await fetch("/about.json")).status);
  expect("the page asks the new colour", facts === 200);
  expect("the socket has lived through the switch", sockets.length === 1 && !sockets[0].closed && (await isConnected(page)));
  await sign(other, "Grace", "Across the colours");
  await sees(page, "Across the colours");
  expect("through the switch it stays live", sockets.length === 1 && !sockets[0].closed);
  await shoot(page, "guestbook.png");

  await page.fill('input[type="search"]', "colours");
  await until("the search has found one", async () => (await page.locator(".cards:not(.blank) .card").count()) === 1);
  await sees(page, "Across the colours");
  expect("the search finds by a word", !(await page.locator(".cards").textContent()).includes("The first line"));
  await page.fill('input[type="search"]', "");

  await stack.restartConvex();
  await until("both are live again", async () => (await page.locator('[data-live="true"]').count()) + (await other.locator('[data-live="true"]').count()) === 2);
  await sees(page, "The first line in the book");
  await sign(page, "Ada", "After the restart");
  // Each page hears of the third entry on a socket of its own: the signer's may be the later one.
  for (const browser of [page, other]) await until("a page shows all entries", async () => (await browser.locator(".cards:not(.blank) .card").count()) === 3);
  await sees(other, "After the restart");
  expect("after a restart of convex the entries are there, and live", await isConnected(page));
  const before = sockets.length;

  await stack.stopColour(GREEN, "SIGKILL");
  await until("the proxy has noticed", async () => (await stack.serving()) === undefined);
  const away = await reload(page);
  expect("without a colour there is the maintenance page", away.status() === 503 && (await page.textContent("h1")) === "Back in a moment");
  expect("it tells when to come again, and is not kept", away.headers()["retry-after"] !== undefined && away.headers()["cache-control"] === "no-store");
  await shoot(page, "maintenance.png");

  await stack.startColour(BLUE);
  await page.waitForSelector('[data-connection="connected"]');
  expect("the app came back by itself, with a socket", sockets.length === before + 1 && !sockets.at(-1).closed);
  expect("no script failed on the way", errors.length === 0, errors.join("\n"));
}

async function sign(page, author, message) {
  await page.fill('input[name="author"]', author);
  await page.fill('textarea[name="message"]', message);
  await page.getByRole("button", { name: "Sign the book" }).click();
}

async function sees(page, message) {
  await page.locator(".card", { hasText: message }).waitFor();
}

// Where alone.sh cannot keep the machine's network away, Chromium gives a page load up when an
// interface comes or goes, and may load the page again by itself: then there is no answer to look at.
async function reload(page) {
  for (;;) {
    try {
      const answer = await page.reload();
      if (answer) return answer;
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
  await page.evaluate(() => scrollTo(0, 0));
  if (screenshots) await page.screenshot({ path: join(screenshots, name), animations: "disabled" });
}

function expect(what, holds, detail = "") {
  if (!holds) throw new Error(`not so: ${what} ${detail}`);
  console.log(`ok  ${what}`);
}
