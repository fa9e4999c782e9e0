// Does: drops tools and commands of extensions without a name or with a field of a wrong type, and reports them.
// Used by: factory.ts at every load. pi accepts anything, and providers then refuse every request.
// Invariant: a reload ends the listeners of `pi.events` that the last load added.
import type { EventBusController } from "@mariozechner/pi-coding-agent";
import { isRecord } from "../../../base/json.ts";
import type { LoadProblem } from "../../../protocol/schema/responses.ts";
import type { Services } from "./sdk.ts";

type Loader = Services["resourceLoader"];
type Report = (problem: LoadProblem) => void;

function isName(value: unknown): boolean {
  return typeof value === "string" && /^\S+$/.test(value);
}

/** The fault of a tool. Undefined for a good one. */
export function toolFault(tool: unknown): string | undefined {
  if (!isRecord(tool)) return "a tool must be an object";
  if (!isName(tool["name"])) return "a tool needs a name without blanks";
  const name = String(tool["name"]);
  if (typeof tool["description"] !== "string") return `the tool ${name} needs a description`;
  if (!isRecord(tool["parameters"]) || Array.isArray(tool["parameters"])) {
    return `the tool ${name} needs parameters, a JSON schema of an object`;
  }
  return typeof tool["execute"] === "function" ? undefined : `the tool ${name} needs a function execute`;
}

/** The fault of a slash command. Undefined for a good one. */
export function commandFault(command: unknown): string | undefined {
  if (!isRecord(command) || !isName(command["name"])) return "a command needs a name without blanks";
  const name = String(command["name"]);
  const { description, handler } = command;
  if (description !== undefined && typeof description !== "string") {
    return `the description of the command ${name} must be a text`;
  }
  return typeof handler === "function" ? undefined : `the command ${name} needs a function handler`;
}

/** Drops faulty entries of one of pi's tables, now and at each later registration. */
function sift(
  table: Map<string, unknown>,
  fault: (value: unknown) => string | undefined,
  report: (why: string) => void,
) {
  const check = (value: unknown): boolean => {
    const why = fault(value);
    if (why !== undefined) report(why);
    return why === undefined;
  };
  for (const [key, value] of [...table]) if (!check(value)) table.delete(key);
  const set = table.set.bind(table);
  table.set = (key, value) => check(value) ? set(key, value) : table;
}

function siftAll(loader: Loader, report: Report): void {
  for (const { path, tools, commands } of loader.getExtensions().extensions) {
    const told = (event: string) => (error: string): void =>
      report({ extensionPath: path, event, error: `Not registered: ${error}` });
    const definition = (value: unknown): unknown => isRecord(value) ? value["definition"] : undefined;
    sift(tools, (value) => toolFault(definition(value)), told("register_tool"));
    sift(commands, commandFault, told("register_command"));
  }
}

/**
 * Watches all loads of a loader that has loaded once.
 *
 * @param begin called before each later load
 */
export function watchRegistrations(
  loader: Loader,
  bus: EventBusController,
  begin: () => void,
  report: Report,
): void {
  siftAll(loader, report);
  const reload = loader.reload.bind(loader);
  loader.reload = async (...args) => {
    // The extensions that listened are gone, and the new ones listen again.
    bus.clear();
    begin();
    await reload(...args);
    siftAll(loader, report);
  };
}
