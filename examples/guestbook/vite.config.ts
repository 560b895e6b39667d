import { tanstackStart } from "@tanstack/react-start/plugin/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { convexProxy } from "./scripts/convex-proxy.ts";

export default defineConfig(({ command }) => ({
  plugins: [tanstackStart(), react()],
  // BASE_PATH is known only at run time: built files refer to each other by relative paths, and the server puts the
  // prefix in front of those it names in the page (src/server.ts).
  experimental: {
    renderBuiltUrl: (_file, { hostType }) => (hostType === "html" ? undefined : { relative: true }),
  },
  // The built server needs no node_modules, which keeps images small.
  ssr: command === "build" ? { noExternal: true } : {},
  build: { reportCompressedSize: false },
  server: {
    port: Number(process.env.PORT ?? 3000),
    proxy: convexProxy(process.env),
  },
}));
