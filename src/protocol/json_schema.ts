// Does: describes the protocol as one JSON Schema 2020-12 document, from the TypeBox schemas that validate. Pure.
// Used by: `get_schema`, `/schema.json` and the docs. server.ts makes `schemaHash` from it.
import { COMMANDS } from "./schema/commands.ts";
import { ERRORS } from "./errors.ts";
import { EVENT_SCHEMAS, PI_EVENTS, SERVER_EVENTS } from "./events.ts";
import { GreetingSchema } from "./schema/responses.ts";
import { PROTOCOL_VERSION } from "./version.ts";

const DRAFT = "https://json-schema.org/draft/2020-12/schema";

/** The whole protocol. A valid instance is a command; `commands`, `events` and `errors` hold the rest. */
export function protocolSchema(): Record<string, unknown> {
  const names = [...COMMANDS.keys()];
  const defs = Object.fromEntries([...COMMANDS].map(([name, spec]) => [name, spec.schema]));
  const results = Object.fromEntries([...COMMANDS].map(([name, spec]) => [`${name}.data`, spec.result]));
  const events = Object.fromEntries(Object.entries(EVENT_SCHEMAS).map(([name, s]) => [`event.${name}`, s]));
  return {
    $schema: DRAFT,
    title: `pi-server wire protocol ${PROTOCOL_VERSION}`,
    oneOf: names.map((name) => ({ $ref: `#/$defs/${name}` })),
    commands: names,
    events: [...PI_EVENTS, ...Object.keys(EVENT_SCHEMAS)],
    serverEvents: SERVER_EVENTS,
    roles: Object.fromEntries([...COMMANDS].map(([name, { role }]) => [name, role])),
    errors: ERRORS,
    $defs: { ...defs, ...results, ...events, greeting: GreetingSchema },
  };
}

/** The schema of one command. Undefined for an unknown name. */
export function commandSchema(name: string): Record<string, unknown> | undefined {
  const spec = COMMANDS.get(name);
  if (spec === undefined) return undefined;
  return { $schema: DRAFT, title: name, ...spec.schema, $defs: { [`${name}.data`]: spec.result } };
}
