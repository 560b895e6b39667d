import { createStartHandler, defaultStreamHandler } from "@tanstack/react-start/server";
import { createServerEntry } from "@tanstack/react-start/server-entry";
import { basePath } from "./lib/base-path";

const handler = createStartHandler({
  handler: defaultStreamHandler,
  transformAssets: { prefix: basePath },
});

export default createServerEntry({ fetch: (request) => handler(request) });
