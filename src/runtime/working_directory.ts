// Does: moves the process to the root of the file system, because a thread cannot start in a folder that is gone.
// Used by: common.ts, and the code that starts threads.
// Invariant: relative paths in the environment are made absolute first.
import { homedir } from "node:os";
import * as path from "node:path";
import process from "node:process";

/** Variables that name a file or a folder, for pi, the libraries of providers and the runtimes. */
const PATH_VARIABLES = [
  ...["PI_CODING_AGENT_DIR", "PI_CODING_AGENT_SESSION_DIR", "PI_PACKAGE_DIR"],
  ...["HOME", "TMPDIR", "TMP", "TEMP", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"],
  ...["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR", "DENO_CERT"],
  ...["GOOGLE_APPLICATION_CREDENTIALS", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"],
];

/** A session's thread replaces these functions by ones that throw. */
const chdir = process.chdir.bind(process);

let standing: string | undefined;

/** The absolute form of a path. Throws for a relative one when the process's folder is gone. */
export function absolute(file: string): string {
  return path.resolve(file);
}

function makeAbsolute(variable: string): void {
  const value = process.env[variable];
  if (value === undefined || value === "" || value.startsWith("~") || path.isAbsolute(value)) return;
  process.env[variable] = path.resolve(value);
}

/** Moves the process to the root of the file system. False where that is denied. */
export function stand(): boolean {
  try {
    for (const variable of PATH_VARIABLES) makeAbsolute(variable);
    const root = path.parse(homedir()).root || "/";
    chdir(root);
    standing = root;
    return true;
  } catch {
    return false;
  }
}

/** Moves the process back before a thread starts. Native code of an extension may have moved it. */
export function standAgain(): void {
  if (standing !== undefined) chdir(standing);
}
