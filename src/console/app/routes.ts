// The pages' addresses: the part behind `#`. The one place that reads and writes it.
import { Cell } from "./cell.ts";

/** A page, and of which session. */
export type Route =
  | { readonly page: "sessions" | "inbox" | "server" }
  | { readonly page: "session"; readonly sessionId: string };

/** The page that a fragment names; the list of sessions for everything else. */
export function routeOf(hash: string): Route {
  const [page, id] = hash.replace(/^#\/?/, "").split("/");
  if (page === "inbox" || page === "server") return { page };
  if (page === "session" && id !== undefined && id !== "") {
    try {
      return { page, sessionId: decodeURIComponent(id) };
    } catch {
      return { page: "sessions" };
    }
  }
  return { page: "sessions" };
}

/** Address of a session's page. */
export const sessionHref = (sessionId: string): string => `#/session/${encodeURIComponent(sessionId)}`;

/** The page that is shown; follows the address. */
export function followRoute(): Cell<Route> {
  const cell = new Cell(routeOf(location.hash));
  addEventListener("hashchange", () => cell.set(routeOf(location.hash)));
  return cell;
}
