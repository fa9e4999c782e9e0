// Does: refuses a configuration that would open the server to unauthenticated clients, and warns of an open one.
// Used by: the composition root, for every configuration, from a file or from a program.
import { BASE_PATH_RULE, basePathOf } from "../../base/base_path.ts";
import type { Log } from "../../base/log.ts";
import { isLoopback } from "../../base/loopback.ts";
import { type Config, openToOthers } from "../../config/config.ts";
import { isUsableToken, TOKEN_RULE } from "./token_rule.ts";

/** Thrown when the configuration would open the server to unauthenticated clients. */
export class AccessError extends Error {
  override name = "AccessError";
}

/** Checks who could connect. Throws `AccessError`. */
export function checkAccess(config: Config, token: string | undefined, log: Log): void {
  const open = openToOthers(config);
  if (open !== undefined) throw new AccessError(`auth: false ${open}`);
  if (basePathOf(config.basePath) !== config.basePath) {
    throw new AccessError(
      `basePath: "${config.basePath}" ends with a slash, or is not a path; it ${BASE_PATH_RULE}`,
    );
  }
  if (token !== undefined && !isUsableToken(token)) throw new AccessError(`token: ${TOKEN_RULE}`);
  if (!config.ws || isLoopback(config.host)) return;
  const how = "without encryption; put a TLS proxy in front, and --allow-host its name";
  log.warn(`OPEN TO THE NETWORK: other machines reach ${config.host}, port ${config.port}, ${how}`);
}
