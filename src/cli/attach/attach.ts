// `pi-server attach`: a full-screen client in the terminal. It connects, shows the sessions until the person detaches
// or the terminal is gone, and gives the terminal back in every case. The server and its sessions go on.
import type { Client, ClientOptions } from "../../client/mod.ts";
import type { Io, TerminalEnd } from "../../runtime/terminal/io.ts";
import { App } from "./app.ts";
import { setCapabilities } from "@mariozechner/pi-tui";
import { loadKeys } from "./key_bindings.ts";
import { sentenceOf } from "./session/session_tab.ts";
import { ScreenTerminal } from "./terminal/screen_terminal.ts";
import { tooSmall } from "./view/screen.ts";
import { themeOf } from "./view/theme.ts";

/** What the client needs. */
export interface AttachOptions {
  /** Connects to the server; its callbacks are the client's own. */
  connect(callbacks: Pick<ClientOptions, "onConnection" | "reconnectTimeoutMs">): Promise<Client>;
  /** Id or name of the session to show; the list of all where it is left out. */
  readonly session?: string;
  readonly io: Io;
  /** pi's keybindings.json. */
  readonly keysFile: string;
}

/** How it ended: the exit code, and a line for the person where there is something to say. */
export interface AttachEnd {
  readonly code: number;
  readonly line?: string;
}

/** A server that is restarted may take its time; the person can detach whenever they want. */
const RECONNECT_MS = 7 * 24 * 3_600_000;
const SIGNAL_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** Whether colours are wanted (NO_COLOR) and there. */
function hasColours(io: Io): boolean {
  return io.env("NO_COLOR") === undefined && io.env("TERM") !== "dumb";
}

function endOf(reason: TerminalEnd): AttachEnd {
  if (reason.kind === "signal") return { code: SIGNAL_CODES[reason.name] };
  if (reason.kind === "gone") return { code: SIGNAL_CODES.SIGHUP };
  return { code: 1, line: `a defect of pi-server attach: ${sentenceOf(reason.error)}` };
}

/** Runs the client until it ends. */
export async function attach(options: AttachOptions): Promise<AttachEnd> {
  const { io } = options;
  const device = io.terminal();
  if (device === undefined) {
    return {
      code: 2,
      line: "attach needs a terminal for its input and output; in a script use pi-server run",
    };
  }
  const small = tooSmall(device.columns, device.rows);
  if (small !== undefined) return { code: 2, line: small };
  // Links are shown with their address, images as a word: what a terminal makes of more cannot be known.
  setCapabilities({ images: null, trueColor: false, hyperlinks: false });
  const readKeys = (): Promise<void> => loadKeys(io, options.keysFile);
  await readKeys();
  let end: (end: AttachEnd) => void = () => {};
  const ended = new Promise<AttachEnd>((resolve) => end = resolve);
  let app: App | undefined;
  let client: Client;
  try {
    client = await options.connect({
      reconnectTimeoutMs: RECONNECT_MS,
      onConnection: (state, reason) => {
        app?.connection(state);
        if (state === "closed" && app !== undefined) {
          end({ code: 1, line: reason ?? "the connection is closed" });
        }
      },
    });
  } catch (error) {
    return { code: 1, line: sentenceOf(error) };
  }
  const terminal = new ScreenTerminal(device, io, (reason) => end(endOf(reason)));
  try {
    app = new App({
      client,
      terminal,
      theme: themeOf(hasColours(io)),
      io,
      readKeys,
      detach: () => end({ code: 0, line: "detached; the sessions go on" }),
    });
    app.start();
    void app.begin(options.session).catch((error: unknown) => end({ code: 1, line: sentenceOf(error) }));
    const result = await ended;
    app.stop();
    return result;
  } finally {
    terminal.stop();
    await client.close();
  }
}
