import { noteText } from "@workspace/shared";
import { ConvexClient } from "convex/browser";
import { anyApi } from "convex/server";

const client = new ConvexClient(`${location.origin}/ws_api`);
const form = document.querySelector("form")!;
const list = document.querySelector("ul")!;

client.onUpdate(anyApi.notes!.list!, {}, (notes: { text: string }[]) => {
  list.replaceChildren(...notes.map(({ text }) => Object.assign(document.createElement("li"), { textContent: text })));
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = noteText.safeParse(new FormData(form).get("text"));
  if (text.success) {
    await client.mutation(anyApi.notes!.leave!, { text: text.data });
    form.reset();
  }
});
