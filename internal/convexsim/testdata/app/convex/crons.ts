import { cronJobs, makeFunctionReference } from "convex/server";

const crons = cronJobs();
crons.interval("sweep", { hours: 1 }, makeFunctionReference<"mutation">("notes:sweep") as never);
export default crons;
