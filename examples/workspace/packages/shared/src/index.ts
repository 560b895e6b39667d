import { z } from "zod";

/** What a visitor may leave; the page, the server and the functions agree on it. */
export const noteText = z.string().trim().min(1).max(200);
