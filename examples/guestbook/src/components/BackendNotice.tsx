import { isSimulator, readableMessage } from "../lib/backend-error";

export function BackendNotice({ error }: { error: Error }) {
  return isSimulator(error) ? (
    <aside className="notice" role="status">
      <h3>Connected, and quiet</h3>
      <p>
        The backend is the simulator. It took the push of this app's functions and keeps their settings, but it does
        not run functions, so there is nothing to read here. With a real convex backend the entries appear in this
        place, live.
      </p>
    </aside>
  ) : (
    <aside className="notice" role="status">
      <h3>The entries cannot be read</h3>
      <p>{readableMessage(error)}</p>
    </aside>
  );
}
