const STORAGE_KEY = "guestbook.visitor";

/** A random name for this browser, kept in its storage: limits and cheers are counted by it. */
export function visitorId(): string {
  const known = localStorage.getItem(STORAGE_KEY);
  if (known) {
    return known;
  }
  const fresh = crypto.randomUUID();
  localStorage.setItem(STORAGE_KEY, fresh);
  return fresh;
}
