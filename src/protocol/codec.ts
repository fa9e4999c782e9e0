// Does: decodes a text into a typed command, or into a refusal that names the fault. Pure.
// Used by: the router. See docs/PROTOCOL.md#commands-and-responses.
// Invariant: the schema is chosen by `type` first, so an error is about that command and not about a union of all.
import { uiAnswerHint } from "./ui_answer_hint.ts";
import { Compile, type Validator } from "typebox/compile";
import { type Command, COMMANDS, type CommandSpec } from "./schema/commands.ts";
import { type Failure, failure } from "./errors.ts";
import { isRecord } from "../base/json.ts";
import { valuesOf } from "../base/json_shape.ts";
import { cut, mend } from "../base/text.ts";

/** The configurable lengths that schemas refer to by `x-limit`; in UTF-16 code units. */
export interface LengthLimits {
  readonly messageChars: number;
  readonly commandChars: number;
  readonly pathChars: number;
}

/** A valid command, or a failure with the fields that the response repeats. */
export type Decoded =
  | { readonly ok: true; readonly command: Command; readonly spec: CommandSpec }
  | {
    readonly ok: false;
    readonly id?: string;
    readonly command: string;
    readonly sessionId?: string;
    readonly failure: Failure;
  };

interface SchemaError {
  readonly keyword: string;
  readonly schemaPath: string;
  readonly instancePath: string;
  readonly params: Readonly<Record<string, unknown>>;
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  if (typeof value === "string") return `the string ${JSON.stringify(clip(value))}`;
  return `${typeof value} ${String(value)}`;
}

function clip(text: string): string {
  return text.length > 60 ? `${cut(text, 60)}…` : text;
}

/** Walks a JSON pointer through own properties only. */
function at(root: unknown, pointer: string): unknown {
  let value = root;
  for (const part of pointer.split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (Array.isArray(value)) value = value[Number(key)];
    else if (isRecord(value) && Object.hasOwn(value, key)) value = value[key];
    else return undefined;
  }
  return value;
}

function names(value: unknown): string {
  return Array.isArray(value) ? value.map((name) => JSON.stringify(clip(String(name)))).join(", ") : "";
}

function expectation(error: SchemaError): string {
  const { keyword, params } = error;
  switch (keyword) {
    case "type":
      return String(params["type"]) === "integer" ? "an integer" : `a value of type ${params["type"]}`;
    case "enum":
      return `one of ${names(params["allowedValues"])}`;
    case "const":
      return JSON.stringify(params["allowedValue"]);
    case "pattern":
      return `a string that matches ${params["pattern"]}`;
    case "minLength":
      return `at least ${params["limit"]} character(s)`;
    case "maxLength":
      return `at most ${params["limit"]} characters`;
    case "minItems":
      return `at least ${params["limit"]} item(s)`;
    case "maxItems":
      return `at most ${params["limit"]} items`;
    case "minimum":
      return `at least ${params["limit"]}`;
    case "maximum":
      return `at most ${params["limit"]}`;
    default:
      return `a value that satisfies "${keyword}"`;
  }
}

/** The distance of a message from a schema error: another kind of value, another shape, or a slip. */
function distance({ keyword }: SchemaError): number {
  if (keyword === "const" || keyword === "enum") return 100;
  return keyword === "additionalProperties" || keyword === "required" ? 10 : 1;
}

/** Errors of the union's branch that is closest to the message. */
function ofClosestBranch(errors: readonly SchemaError[]): readonly SchemaError[] {
  const branches = new Map<string, SchemaError[]>();
  const others: SchemaError[] = [];
  for (const error of errors) {
    // The `additionalProperties` of a branch and the branches of a union report these errors.
    if (error.keyword === "boolean" || error.keyword === "anyOf") continue;
    const branch = /^.*?\/anyOf\/\d+/.exec(error.schemaPath)?.[0];
    if (branch === undefined) others.push(error);
    else branches.set(branch, [...branches.get(branch) ?? [], error]);
  }
  const far = (branch: readonly SchemaError[]): number =>
    branch.reduce((sum, error) => sum + distance(error), 0);
  const [closest = []] = [...branches.values()].sort((a, b) => far(a) - far(b));
  return [...others, ...closest];
}

/** The most values of a message, unless cursors of all sessions need more. */
const MOST_VALUES = 50_000;

/** Values that a subscription to all sessions names for one of them, and those of the command itself. */
const [VALUES_A_SESSION, VALUES_BESIDE] = [3, 100];

/** The deepest list or object of a message. */
const MOST_DEEP = 64;

/** The address of a message that is refused unread, when it comes first. A client that waits for the answer hears of it. */
const FIRST_FIELDS = /^\{"id":"([^"\\]{1,128})"(?:,"type":"([a-z_]{1,64})")?/;

/** Values up to which a fault is looked for. That takes ten times as long as to find that there is one. */
const MOST_EXPLAINED = 2_000;

const UNEXPLAINED = "The command does not match its schema; see get_schema";

function explain(errors: readonly SchemaError[], message: unknown): string {
  const hint = uiAnswerHint(message);
  if (hint !== undefined) return hint;
  const telling = ofClosestBranch(errors);
  const where = ({ instancePath }: SchemaError): string => instancePath === "" ? "" : ` at ${instancePath}`;
  const unknown = telling.find((error) => error.keyword === "additionalProperties");
  if (unknown !== undefined) {
    return `Unknown field ${names(unknown.params["additionalProperties"])}${where(unknown)}; see get_schema`;
  }
  const missing = telling.find((error) => error.keyword === "required");
  if (missing !== undefined) {
    return `Missing field ${names(missing.params["requiredProperties"])}${where(missing)}`;
  }
  const first = telling[0];
  if (first === undefined) return UNEXPLAINED;
  const same = errors.filter((error) =>
    error.instancePath === first.instancePath && error.keyword !== "anyOf" && error.keyword !== "boolean"
  );
  const expected = [...new Set(same.map(expectation))].join(" or ");
  return `${first.instancePath}: expected ${expected}, got ${kindOf(at(message, first.instancePath))}`;
}

/** Decoder with the validators of all commands, compiled on first use. */
export class Codec {
  readonly #limits: LengthLimits;
  readonly #mostValues: number;
  readonly #validators = new Map<string, Validator>();
  /** The fields of each type with a configured length, found on first use. */
  readonly #bounded = new Map<CommandSpec, readonly (readonly [string, keyof LengthLimits])[]>();

  /** @param mostSessions sessions that a subscription to all of them may name */
  constructor(limits: LengthLimits, mostSessions = 0) {
    this.#limits = limits;
    this.#mostValues = Math.max(MOST_VALUES, VALUES_A_SESSION * mostSessions + VALUES_BESIDE);
  }

  /** Decodes one frame. Never throws. */
  decode(text: string): Decoded {
    const values = valuesOf(text, this.#mostValues, MOST_DEEP);
    if (values === undefined) {
      const most = `${this.#mostValues} values, or lists and objects more than ${MOST_DEEP} deep`;
      const sentence = `The message has more than ${most}; send less`;
      const [, id, type = ""] = FIRST_FIELDS.exec(text) ?? [];
      const command = COMMANDS.has(type) ? type : "unknown";
      return refuse(command, id === undefined ? {} : { id }, failure("invalid_params", sentence));
    }
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch {
      return refuse("unknown", {}, failure("invalid_json", "The message is not valid JSON"));
    }
    if (!isRecord(message)) {
      const got = kindOf(message);
      return refuse("unknown", {}, failure("invalid_json", `The message must be a JSON object, got ${got}`));
    }
    // Only an escape can hold half of a character, because the bytes of a frame are decoded as UTF-8.
    if (text.includes("\\ud") || text.includes("\\uD")) mend(message);
    return this.#check(message, values);
  }

  #check(message: Record<string, unknown>, values: number): Decoded {
    const id = Object.hasOwn(message, "id") ? message["id"] : undefined;
    const echo = typeof id === "string" && id.length >= 1 && id.length <= 128 ? { id } : {};
    const type = Object.hasOwn(message, "type") ? message["type"] : undefined;
    if (typeof type !== "string") {
      const wrong = type === undefined
        ? 'Missing field "type"; get_schema lists the commands'
        : `/type: expected a string, got ${kindOf(type)}`;
      return refuse("unknown", echo, failure("invalid_params", wrong));
    }
    const spec = COMMANDS.get(type);
    if (spec === undefined) {
      const known = "get_schema lists the commands";
      return refuse("unknown", echo, failure("unknown_command", `Unknown command "${clip(type)}"; ${known}`));
    }
    const validator = this.#validator(type, spec);
    if (!validator.Check(message)) {
      const why = values > MOST_EXPLAINED ? UNEXPLAINED : explain(validator.Errors(message), message);
      return refuse(type, echo, failure("invalid_params", why));
    }
    const long = this.#tooLong(message, spec);
    if (long !== undefined) return refuse(type, echo, long);
    // The schema has accepted the message, so bytes become types here.
    return { ok: true, command: message as unknown as Command, spec };
  }

  #validator(type: string, spec: CommandSpec): Validator {
    const known = this.#validators.get(type);
    if (known !== undefined) return known;
    const compiled = Compile(spec.schema);
    this.#validators.set(type, compiled);
    return compiled;
  }

  #tooLong(message: Record<string, unknown>, spec: CommandSpec): Failure | undefined {
    const bounded = this.#bounded.get(spec) ?? boundedFields(spec);
    this.#bounded.set(spec, bounded);
    for (const [field, limit] of bounded) {
      const value = message[field];
      if (typeof value !== "string") continue;
      const most = this.#limits[limit];
      if (value.length <= most) continue;
      const sentence = `/${field}: expected at most ${most} characters, got ${value.length}`;
      return failure("invalid_params", sentence, { data: { limit } });
    }
    return undefined;
  }
}

function boundedFields(spec: CommandSpec): (readonly [string, keyof LengthLimits])[] {
  return Object.entries(spec.schema.properties).flatMap(([field, schema]) => {
    const limit: unknown = Reflect.get(schema, "x-limit");
    return isLimit(limit) ? [[field, limit] as const] : [];
  });
}

function isLimit(name: unknown): name is keyof LengthLimits {
  return name === "messageChars" || name === "commandChars" || name === "pathChars";
}

function refuse(command: string, echo: { id?: string }, failed: Failure): Decoded {
  return { ok: false, command, ...echo, failure: failed };
}

/**
 * Whether `text` has more than `frameBytes` bytes in UTF-8. Encodes it only when the length does not decide.
 */
export function exceeds(text: string, frameBytes: number): boolean {
  if (text.length > frameBytes) return true;
  if (text.length * 3 <= frameBytes) return false;
  return new TextEncoder().encode(text).length > frameBytes;
}
