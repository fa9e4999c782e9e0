// Does: makes pi's bash tool on a shell of this server, with an output and a log of this server.
// Used by: tools.ts. Uses: shell.ts. pi still does the prefix, the environment, hooks and the status.
// Invariant: the output survives a long last line, and only the user can read the log (docs/PI.md#tools-and-shells).
import type * as Pi from "@mariozechner/pi-coding-agent";
import { isRecord } from "../../../base/json.ts";
import { pi } from "../engines/packages.ts";
import type { Timer } from "../../../runtime/runtime.ts";
import { localShell, type ShellOperations, type ShellParts, TOOL_BYTES_PER_SECOND } from "./shell.ts";
import { ShellOutput } from "./shell_output.ts";

type BashTool = ReturnType<typeof pi.createBashToolDefinition>;
type BashOptions = Pick<
  NonNullable<Parameters<typeof pi.createBashToolDefinition>[1]>,
  "commandPrefix" | "shellPath"
>;
type Update = NonNullable<Parameters<BashTool["execute"]>[3]>;

/** Milliseconds between two updates of a command that runs. */
const UPDATE_MS = 100;

/** The text that pi adds after a failed command. pi has seen no output. */
const STATUS = /^(?:\(no output\)\n\n)?(Command [^]*)$/;

/** Makes the tool of one session. */
export function shellTool(cwd: string, options: BashOptions, parts: ShellParts): BashTool {
  const shell = localShell(parts.clock, options.shellPath, TOOL_BYTES_PER_SECOND);
  return {
    ...pi.createBashToolDefinition(cwd, options),
    async execute(id, params, signal, onUpdate, ctx) {
      const output = new ShellOutput(parts.logs, false);
      const updates = new Updates(output, parts, onUpdate);
      const operations: ShellOperations = {
        async exec(command, folder, run) {
          const onData = (piece: Uint8Array): Promise<void> => {
            const { taken } = output.push(piece);
            // An update names the log, so the log must already hold the output of the update.
            return taken.then(() => updates.due());
          };
          try {
            return await shell.exec(command, folder, { ...run, onData });
          } finally {
            await output.end();
            updates.end();
          }
        },
      };
      onUpdate?.({ content: [], details: undefined });
      try {
        const tool = pi.createBashToolDefinition(cwd, { ...options, operations });
        const result = await tool.execute(id, params, signal, undefined, ctx);
        return await withOutput(result, output);
      } catch (error) {
        const status = error instanceof Error ? STATUS.exec(error.message)?.[1] : undefined;
        const { text } = textOf(output);
        throw status === undefined || text === "" ? error : new Error(`${text}\n\n${status}`);
      }
    },
  };
}

type Result = Awaited<ReturnType<BashTool["execute"]>>;

/** pi's result, which knows only the end of the command, with the output. */
async function withOutput(result: Result, output: ShellOutput): Promise<Result> {
  const { text, details } = textOf(output);
  // For scripts of codemode; only a newer pi has it.
  const structured: unknown = Reflect.get(result, "structuredContent");
  const whole = isRecord(structured) ? { structuredContent: await structuredOf(structured, output) } : {};
  if (text === "") return { ...result, ...whole };
  // A newer pi returns the status of a failed command, which the older one throws.
  const [first] = result.content;
  const status = first?.type === "text" ? STATUS.exec(first.text)?.[1] : undefined;
  const shown = status === undefined ? text : `${text}\n\n${status}`;
  return { ...result, ...whole, content: [{ type: "text", text: shown }], details };
}

/** The most bytes of an output that a script gets, as in pi. */
const SCRIPT_BYTES = 1024 * 1024;

/** A command's result for a script, in pi's words. */
type Structured = Record<string, string | number | boolean>;

async function structuredOf(given: Record<string, unknown>, output: ShellOutput): Promise<Structured> {
  const { content, truncated } = await output.whole(SCRIPT_BYTES);
  const { fullOutputPath } = output.show();
  return {
    output: content,
    truncated,
    ...(truncated && fullOutputPath !== undefined ? { full_output_path: fullOutputPath } : {}),
    exit_code: Number(given["exit_code"]),
    wall_time_seconds: Number(given["wall_time_seconds"]),
  };
}

/** The output for the model, in pi's words. */
function textOf(output: ShellOutput): { text: string; details: Pi.BashToolDetails | undefined } {
  const { content, truncation, lastLine, fullOutputPath } = output.show();
  if (!truncation.truncated) return { text: content, details: undefined };
  const { outputBytes, outputLines, totalLines, lastLinePartial, truncatedBy } = truncation;
  const shown = lastLinePartial
    ? `Showing last ${pi.formatSize(outputBytes)} of line ${lastLine} (line is ${
      pi.formatSize(output.lastLineBytes)
    })`
    : `Showing lines ${lastLine - outputLines + 1}-${lastLine} of ${totalLines}` +
      (truncatedBy === "bytes" ? ` (${pi.formatSize(pi.DEFAULT_MAX_BYTES)} limit)` : "");
  const where = fullOutputPath === undefined
    ? "The full output could not be kept"
    : `Full output: ${fullOutputPath}`;
  return {
    text: `${content}\n\n[${shown}. ${where}]`,
    details: { truncation, ...(fullOutputPath === undefined ? {} : { fullOutputPath }) },
  };
}

/** Reports the output so far, at a bounded rate. */
class Updates {
  readonly #output: ShellOutput;
  readonly #parts: ShellParts;
  readonly #tell: Update | undefined;
  #timer: Timer | undefined;
  #sentAt = -Infinity;
  #state: "sent" | "due" | "ended" = "sent";

  constructor(output: ShellOutput, parts: ShellParts, tell: Update | undefined) {
    this.#output = output;
    this.#parts = parts;
    this.#tell = tell;
  }

  /** Called for new output. */
  due(): void {
    if (this.#tell === undefined || this.#state !== "sent") return;
    this.#state = "due";
    const ms = UPDATE_MS - (this.#parts.clock.monotonic() - this.#sentAt);
    if (ms <= 0) this.#now();
    else this.#timer = this.#parts.clock.after(ms, () => this.#now());
  }

  /** Called at the end of the output. */
  end(): void {
    this.#timer?.clear();
    if (this.#state === "due") this.#now();
    this.#state = "ended";
  }

  #now(): void {
    this.#state = "sent";
    this.#sentAt = this.#parts.clock.monotonic();
    const { content, truncation, fullOutputPath } = this.#output.show();
    this.#tell?.({
      content: [{ type: "text", text: content }],
      details: {
        ...(truncation.truncated ? { truncation } : {}),
        ...(fullOutputPath === undefined ? {} : { fullOutputPath }),
      },
    });
  }
}
