// Does: speaks the protocol over stdin and stdout, and decides what the server does when one of them ends.
// Used by: the composition root. Uses: the stdio transport and the shutdown.
// Invariant: without a WebSocket the end of stdin ends the server, once the commands from there are finished.
import { deadline } from "../base/async/deadline.ts";
import type { Log } from "../base/log.ts";
import type { Config } from "../config/config.ts";
import type { ByteSink, Runtime } from "../runtime/runtime.ts";
import type { SessionManager } from "./manager/session_manager.ts";
import type { Connection } from "./router/connection.ts";
import type { Router } from "./router/router.ts";
import type { Shutdown } from "./shutdown.ts";
import { StdioTransport } from "./transports/stdio.ts";

/** The two ends of the pipe to the parent. */
export interface Stdio {
  readonly input: ReadableStream<Uint8Array>;
  readonly output: ByteSink;
}

/** The parts of the server that stdin and stdout concern. */
export interface StdioSessionParts {
  readonly config: Config;
  readonly runtime: Runtime;
  readonly log: Log;
  readonly router: Router;
  readonly sessions: SessionManager;
  readonly shutdown: Shutdown;
}

/** Connects the parent of this process. */
export function openStdio({ input, output }: Stdio, parts: StdioSessionParts): StdioTransport {
  const { config, runtime, log, router, sessions, shutdown } = parts;
  return new StdioTransport({
    clock: runtime,
    router,
    frameBytes: config.limits.frameBytes,
    input,
    output,
    isRead: () => runtime.outputIsRead(),
    ended: (connection, hasSentCommand) => {
      // Next to a WebSocket, a parent that never sent a command has merely closed a pipe that it did not need.
      if (config.ws && config.stdio === "auto" && !hasSentCommand) return;
      log.info("stdin closed; waiting for running commands before shutting down");
      if (!config.ws) sessions.disableDialogs();
      void finish(connection, parts);
    },
    broken: () => {
      log.warn("stdout was closed by its reader; stopping");
      void shutdown.hurry("stdout was closed");
    },
    givenUp: () => {
      log.warn("stdout has not been read for too long; stopping");
      // A pipe carries no close code. Its end informs the parent that nothing more will come.
      void shutdown.begin("stdout is not read", config.shutdownTimeoutMs);
    },
  });
}

/** Waits for the commands of the parent, as long as `--eof-timeout` allows, then shuts down. */
async function finish(connection: Connection, parts: StdioSessionParts): Promise<void> {
  const { config: { eofTimeoutMs, shutdownTimeoutMs }, runtime, sessions, shutdown } = parts;
  const idle = connection.drained().then(() => sessions.whenIdle([...connection.usedSessions])).then(() =>
    true
  );
  const finished = await (eofTimeoutMs === undefined ? idle : deadline(runtime, eofTimeoutMs, idle, false));
  if (finished) await shutdown.begin("end of input", shutdownTimeoutMs);
  else await shutdown.hurry("end of input");
}
