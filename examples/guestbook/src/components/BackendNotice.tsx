import { isSimulator, readableMessage } from "../lib/backend-error";

export function BackendNotice({ error }: { error: Error }) {
  return isSimulator(error) ? (
    <aside className="notice" role="status">
      <h3>Connected, and quiet</h3>
      <p>
        The backend is the simulator, here without the packages that it runs functions with. It took the push of this
        app's functions and keeps their settings, and there is nothing to read. With those packages, or a real convex
        backend, the entries appear in this place, live.
      </p>
    </aside>
  ) : (
    <aside className="notice" role="status">
      <h3>The entries cannot be read</h3>
      <p>{readableMessage(error)}</p>
    </aside>
  );
}
