// Preloaded into a web server, has it use 5 ms of a processor for each page: what a heavier app's server does.
const pageMicroseconds = 5000;

function burn() {
  const before = process.cpuUsage();
  for (;;) {
    const used = process.cpuUsage(before);
    if (used.user + used.system >= pageMicroseconds) return;
  }
}

const serve = Bun.serve;
Bun.serve = (options) =>
  serve({
    ...options,
    fetch(request, server) {
      if (new URL(request.url).pathname === "/") burn();
      return options.fetch.call(server, request, server);
    },
  });
