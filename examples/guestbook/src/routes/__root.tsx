import { createRootRoute, HeadContent, Outlet, Scripts } from "@tanstack/react-router";
import { basePath } from "../lib/base-path";
import "../styles.css";

export const Route = createRootRoute({
  head: () => ({
    meta: [
      { charSet: "utf-8" },
      { name: "viewport", content: "width=device-width, initial-scale=1" },
      { name: "color-scheme", content: "light dark" },
      { name: "description", content: "A guestbook on convex, served by bun behind the Tale proxy" },
      { title: "Guestbook" },
    ],
    links: [{ rel: "icon", type: "image/svg+xml", href: `${basePath}/favicon.svg` }],
  }),
  component: Page,
  notFoundComponent: () => (
    <main className="missing">
      <h1>This page is blank.</h1>
      <p>
        <a href={`${basePath}/`}>Back to the guestbook</a>
      </p>
    </main>
  ),
});

function Page() {
  return (
    <html lang="en" data-base-path={basePath}>
      <head>
        <HeadContent />
      </head>
      <body>
        <Outlet />
        <Scripts />
      </body>
    </html>
  );
}
