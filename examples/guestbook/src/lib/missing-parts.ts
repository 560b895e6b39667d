const RELOADED = "reloaded-for-missing-parts";
const PATIENCE_MS = 60_000;

/**
 * Reloads a page whose version is gone. The proxy keeps the files of old versions for a day or more, so this is for
 * tabs that are older, or that lost a file on the way. A page that misses a part again right after it was loaded is
 * broken: then the error goes on to where it would have gone.
 */
export function reloadOnMissingParts(window: Window): void {
  window.addEventListener("vite:preloadError", (event) => {
    const last = Number(window.sessionStorage.getItem(RELOADED) ?? 0);
    if (Date.now() - last < PATIENCE_MS) {
      return;
    }
    window.sessionStorage.setItem(RELOADED, String(Date.now()));
    event.preventDefault();
    window.location.reload();
  });
}
