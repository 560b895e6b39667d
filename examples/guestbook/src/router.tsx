import { createRouter } from "@tanstack/react-router";
import { ConvexProvider, ConvexReactClient } from "convex/react";
import { withoutBasePath } from "../server/base-path";
import { basePath } from "./lib/base-path";
import { reloadOnMissingParts } from "./lib/missing-parts";
import { routeTree } from "./routeTree.gen";

export function getRouter() {
  if (typeof window !== "undefined") {
    reloadOnMissingParts(window);
  }
  const convex = new ConvexReactClient(backendAddress(), {
    skipConvexDeploymentUrlCheck: true,
    unsavedChangesWarning: false,
  });
  return createRouter({
    routeTree,
    rewrite: {
      input: ({ url }) => {
        url.pathname = withoutBasePath(basePath, url.pathname);
        return url;
      },
      output: ({ url }) => {
        url.pathname = basePath + url.pathname;
        return url;
      },
    },
    scrollRestoration: true,
    Wrap: ({ children }) => <ConvexProvider client={convex}>{children}</ConvexProvider>,
  });
}

// The browser reaches convex through the site's own origin. On the server the client renders without data and never
// connects, so its address does not matter there.
function backendAddress() {
  const origin = typeof window === "undefined" ? "http://localhost" : window.location.origin;
  return `${origin}${basePath}/ws_api`;
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof getRouter>;
  }
}
