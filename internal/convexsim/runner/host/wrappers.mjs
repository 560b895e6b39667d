// What queries that come with their source build themselves with.
export { internalQueryGeneric as internalQuery, queryGeneric as query } from "convex/server";
