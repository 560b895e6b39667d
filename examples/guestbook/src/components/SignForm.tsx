import { useMutation } from "convex/react";
import { type FormEvent, useState } from "react";
import { api } from "../../convex/_generated/api";
import { isSimulator, readableMessage } from "../lib/backend-error";
import { useEntries } from "../lib/entries";
import { type Mood, moods } from "../lib/moods";
import { visitorId } from "../lib/visitor";

export function SignForm() {
  const sign = useMutation(api.entries.sign);
  const [mood, setMood] = useState<Mood>("delighted");
  const [busy, setBusy] = useState(false);
  const entries = useEntries("");
  const mute = entries instanceof Error && isSimulator(entries); // nothing that could take an entry
  const [problem, setProblem] = useState<string>();

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const fields = new FormData(form);
    setBusy(true);
    setProblem(undefined);
    try {
      await sign({
        author: String(fields.get("author")),
        message: String(fields.get("message")),
        mood,
        visitor: visitorId(),
      });
      form.reset();
    } catch (error) {
      setProblem(readableMessage(error));
    } finally {
      setBusy(false);
    }
  }

  return (
    <form className="sign" onSubmit={submit} aria-label="Sign the guestbook">
      <label className="field">
        <span>Your name</span>
        <input name="author" required maxLength={60} autoComplete="name" placeholder="Ada" />
      </label>
      <label className="field">
        <span>Your line</span>
        <textarea name="message" required maxLength={500} rows={5} placeholder="What brought you here?" />
      </label>
      <fieldset className="moods">
        <legend>Mood</legend>
        {moods.map(({ value, label, glyph }) => (
          <label key={value}>
            <input type="radio" name="mood" checked={mood === value} onChange={() => setMood(value)} />
            <span>
              <span aria-hidden="true">{glyph}</span> {label}
            </span>
          </label>
        ))}
      </fieldset>
      <button type="submit" disabled={busy || mute}>
        {busy ? "Signing…" : "Sign the book"}
      </button>
      {problem && (
        <p className="problem" role="alert">
          Not signed: {problem}
        </p>
      )}
    </form>
  );
}
