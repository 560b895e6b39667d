// HTTP actions: a request is looked up in the app's router and run as the backend would.
import { mended } from "./builtins.mjs";
import { describe } from "./errors.mjs";

/** Returns { status, headers, body } with the body in base64; null where no route matches. */
export async function answer(runtime, router, { method, url, headers, body }) {
  const found = router.lookup(new URL(url).pathname, method === "HEAD" ? "GET" : method);
  if (!found) {
    return null;
  }
  const bare = method === "GET" || method === "HEAD";
  const request = new Request(url, { method, headers, body: bare ? undefined : Buffer.from(body, "base64"), duplex: "half" });
  try {
    return await encoded(await run(runtime, found[0], request));
  } catch (error) {
    const { message, data } = describe(error, runtime.root);
    const code = `Server Error: ${message.split("\n")[0]}`;
    return encoded(Response.json({ code, trace: message, ...(data === undefined ? {} : { data }) }, { status: 500 }));
  }
}

// convex-test's own fetch gives every request the same origin; an action of ours has the context that it needs.
async function run(runtime, action, request) {
  let response;
  await runtime.test.action(async (ctx) => {
    response = await mended(() => (action._handler ?? action)(ctx, request));
    return null;
  });
  return response;
}

async function encoded(response) {
  return {
    status: response.status,
    headers: [...response.headers],
    body: Buffer.from(await response.arrayBuffer()).toString("base64"),
  };
}
