// Does: finds variables that look like settings of the server and mean nothing, each with the right one nearest to it.
// Used by: the command line, which warns of them.
import { nearest } from "./nearest.ts";
import { FLAGS, variableOf } from "./flags.ts";

const PREFIX = "PI_SERVER_";

/** Variables of the server beside those of flags: its token, the marks of its children, its faults, its installers. */
const OTHERS: readonly string[] = [
  ...["PI_SERVER_TOKEN", "PI_SERVER_TOKEN_FILE"],
  ...["PI_SERVER_CHILD_OF", "PI_SERVER_CHILD_OF_WORKER"],
  ...["PI_SERVER_FAULTS"],
  ...["PI_SERVER_CLUSTER_USER", "PI_SERVER_CLUSTER_PASSWORD"],
  ...["PI_SERVER_VERSION", "PI_SERVER_INSTALL_DIR", "PI_SERVER_BASE_URL"],
];

/** Flags that have no variable. */
const WITHOUT_VARIABLE: ReadonlySet<string> = new Set(["help", "version", "licenses"]);

/**
 * A sentence for each variable that means nothing.
 *
 * @param names of all variables that are set
 */
export function unknownVariables(names: readonly string[]): string[] {
  const flags = FLAGS.filter(({ name }) => !WITHOUT_VARIABLE.has(name)).map(({ name }) => variableOf(name));
  const known = new Set([...flags, ...OTHERS]);
  return names.filter((name) => name.startsWith(PREFIX) && !known.has(name)).map((name) => {
    const best = nearest(name.slice(PREFIX.length), flags.map((flag) => flag.slice(PREFIX.length)));
    return `pi-server has no variable ${name}; ` +
      (best === undefined ? "see --help" : `did you mean ${PREFIX}${best}?`);
  });
}
