// npm run dev: with CONVEX_EXTERNAL=true only Vite, in front of a convex that runs elsewhere (see convex-proxy.ts);
// without it, `convex dev` with a local deployment on 127.0.0.1:3210, and Vite beside it.
const vite = ["bun", "--bun", "vite", "dev"];
const external = process.env.CONVEX_EXTERNAL === "true";
const command = external ? vite : ["convex", "dev", "--start", vite.join(" ")];

const child = Bun.spawn(command, { stdio: ["inherit", "inherit", "inherit"] });
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => child.kill(signal));
}
process.exit(await child.exited);

export {};
