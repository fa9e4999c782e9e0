// Does: finds out whether a program still reads standard output, without a write.
// Used by: common.ts. JavaScript cannot poll a descriptor, but bash can: without a reader, a pipe is readable.
import { spawn } from "node:child_process";
import { fstatSync } from "node:fs";
import process from "node:process";

const FILE_KIND = 0o170000;
const PIPE = 0o010000;
const SOCKET = 0o140000;

/** Milliseconds that bash may take. Without an answer the reader counts as alive. */
const ANSWER_MS = 2_000;

/** Version 3 takes `-t 0` for no timeout. */
const LOOK = "(( BASH_VERSINFO[0] >= 4 )) || exit 2; read -t 0 -u 1";

function isPipe(): boolean {
  try {
    const kind = fstatSync(1).mode & FILE_KIND;
    return kind === PIPE || kind === SOCKET;
  } catch {
    return false;
  }
}

/** Resolves with false only when it is certain that no program reads standard output. */
export function outputIsRead(): Promise<boolean> {
  if (process.platform === "win32" || !isPipe()) return Promise.resolve(true);
  return new Promise((resolve) => {
    const bash = spawn("bash", ["-c", LOOK], { stdio: ["ignore", "inherit", "ignore"] });
    const stuck = setTimeout(() => {
      bash.kill("SIGKILL");
      said(true);
    }, ANSWER_MS);
    const said = (isRead: boolean): void => {
      clearTimeout(stuck);
      resolve(isRead);
    };
    bash.on("error", () => said(true));
    bash.on("exit", (code) => said(code !== 0));
  });
}
