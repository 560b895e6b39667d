import { httpActionGeneric, httpRouter, makeFunctionReference } from "convex/server";

const http = httpRouter();
http.route({
  path: "/entries",
  method: "GET",
  handler: httpActionGeneric(async (ctx, request) => {
    const entries = await ctx.runQuery(makeFunctionReference<"query">("entries:list") as never, {} as never);
    return Response.json({ url: request.url, entries }, { status: 201, headers: { "X-From": request.headers.get("X-To") ?? "" } });
  }),
});
http.route({
  pathPrefix: "/sign/",
  method: "POST",
  handler: httpActionGeneric(async (ctx, request) => {
    const author = new URL(request.url).pathname.slice("/sign/".length);
    await ctx.runMutation(makeFunctionReference<"mutation">("entries:sign") as never, { author, text: await request.text() } as never);
    return new Response(null, { status: 204 });
  }),
});
http.route({
  path: "/broken",
  method: "GET",
  handler: httpActionGeneric(async () => {
    throw new Error("no answer");
  }),
});
export default http;
