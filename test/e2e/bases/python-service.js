// Stands in for the Python services rag and crawler: healthy while it can read
// the folder that convex shares with it.
const http = require("http");
const fs = require("fs");

const server = http.createServer((request, response) => {
  const shared = fs.existsSync("/app/platform-config/convex");
  response.writeHead(request.url === "/health" && shared ? 200 : 503);
  response.end(JSON.stringify({ shared }));
});
server.listen(8001, "0.0.0.0");
process.on("SIGTERM", () => server.close(() => process.exit(0)));
