// Loaded before the web server: gives the application what the guestbook lacks, an upload
// that it reads and a download that takes its time.
const serve = Bun.serve;
const part = new Uint8Array(64 << 10);
const partsPerSecond = 4;

function download(seconds: number): Response {
  let left = seconds * partsPerSecond;
  return new Response(
    new ReadableStream({
      async pull(controller) {
        if (left-- === 0) return controller.close();
        await Bun.sleep(1000 / partsPerSecond);
        controller.enqueue(part);
      },
    }),
  );
}

Bun.serve = ((options: any) =>
  serve({
    ...options,
    async fetch(request: Request, server: any) {
      const { pathname, searchParams } = new URL(request.url);
      switch (pathname) {
        case "/soak/upload":
          return new Response(String((await request.arrayBuffer()).byteLength));
        case "/soak/download":
          return download(Number(searchParams.get("seconds")));
      }
      if (process.env.SOAK_LOG && pathname !== "/api/health" && pathname !== "/metrics") console.log(`visitor asks for ${pathname}`);
      return options.fetch.call(this, request, server);
    },
  })) as typeof serve;
