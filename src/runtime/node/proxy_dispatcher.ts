// Does: makes fetch of this thread go the way that pi's own command line goes: through the proxies of the
// environment, and without undici's limit of 300 s on a silent answer.
// Used by: outgoing_requests.ts, which loads this file, and undici with it, only in a thread that holds sessions.
// Invariant: pi's command line installs the same dispatcher with the same settings (dist/cli.js of pi 0.73.1).
import { Agent, EnvHttpProxyAgent, setGlobalDispatcher } from "undici";
import { errorMessage } from "../../base/error_message.ts";

const PATIENT = { bodyTimeout: 0, headersTimeout: 0 };

/** Installs the dispatcher for every later fetch of this thread; `warn` gets a sentence for the operator. */
export function installDispatcher(warn: (text: string) => void): void {
  try {
    setGlobalDispatcher(new EnvHttpProxyAgent(PATIENT));
  } catch (error) {
    warn(`HTTP_PROXY or HTTPS_PROXY cannot be used, and requests go without a proxy: ${errorMessage(error)}`);
    setGlobalDispatcher(new Agent(PATIENT));
  }
}
