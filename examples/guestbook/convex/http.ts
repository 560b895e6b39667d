import { httpRouter } from "convex/server";
import { api } from "./_generated/api";
import { httpAction } from "./_generated/server";

const http = httpRouter();

http.route({
  path: "/api/guestbook",
  method: "GET",
  handler: httpAction(async (ctx, request) => {
    const entries = await ctx.runQuery(api.entries.list, {});
    return Response.json({ url: request.url, entries });
  }),
});

export default http;
