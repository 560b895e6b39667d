// Stands in for the Convex dashboard: a server in the shape of a Next.js
// standalone build, with the configuration that patch-dashboard looks for. It
// answers below its base path only, as the real one does.
const http = require("http");

const port = parseInt(process.env.PORT, 10) || 3000;
const hostname = process.env.HOSTNAME || "0.0.0.0";
const nextConfig = {"env":{},"distDir":"./.next","assetPrefix":"","basePath":"","trailingSlash":false,"output":"standalone"};

const server = http.createServer((request, response) => {
  const { pathname } = new URL(request.url, "http://dashboard");
  const below = pathname === nextConfig.basePath || pathname.startsWith(nextConfig.basePath + "/");
  response.writeHead(below ? 200 : 404, { "Content-Type": "text/html" });
  response.end(`<!doctype html><title>dashboard stand-in</title><script src="${nextConfig.assetPrefix}/_next/main.js"></script>` +
    `<p data-deployment="${process.env.NEXT_PUBLIC_DEPLOYMENT_URL || ""}">stand-in</p>`);
});
server.listen(port, hostname, () => console.log(`Ready on http://${hostname}:${port}${nextConfig.basePath}`));
process.on("SIGTERM", () => server.close(() => process.exit(0)));
process.on("SIGINT", () => server.close(() => process.exit(0)));
