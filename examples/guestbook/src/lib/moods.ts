import type { Doc } from "../../convex/_generated/dataModel";

export type Mood = Doc<"entries">["mood"];

export const moods: readonly { value: Mood; label: string; glyph: string }[] = [
  { value: "delighted", label: "Delighted", glyph: "☀" },
  { value: "curious", label: "Curious", glyph: "✦" },
  { value: "thoughtful", label: "Thoughtful", glyph: "☾" },
];

export function moodOf(value: Mood) {
  return moods.find((mood) => mood.value === value)!;
}
