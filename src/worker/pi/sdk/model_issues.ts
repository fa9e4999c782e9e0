// Does: finds what the models of this user lack: no credentials at all, or a default model that
// is missing or has no credentials.
// Used by: factory.ts, once pi is loaded and when sessions are built while something is missing. Pure.
// Invariant: where extensions may bring models of their own, an unknown model does not count as an issue.

/** What is known of the models. */
export interface ModelFacts {
  /** How many models have credentials. */
  readonly usable: number;
  /** Of the user's settings. */
  readonly provider: string | undefined;
  readonly modelId: string | undefined;
  /** The default model; `unknown` where no provider has it. */
  readonly standard: "usable" | "without credentials" | "unknown";
  /** Extensions of the user's, which may register providers, are there. */
  readonly extensible: boolean;
}

const WAYS_OUT = "set a key such as ANTHROPIC_API_KEY in the server's environment and start it again, " +
  "or log in: run pi, then /login";

/** A sentence for each issue, with the next step. */
export function modelIssues({ usable, provider, modelId, standard, extensible }: ModelFacts): string[] {
  if (usable === 0) {
    return extensible ? [] : [`No model can be used, because no provider has credentials: ${WAYS_OUT}`];
  }
  if (provider === undefined || modelId === undefined || standard === "usable") return [];
  const which = `The default model ${provider}/${modelId} of pi's settings`;
  if (standard === "without credentials") return [`${which} has no credentials: ${WAYS_OUT}`];
  if (extensible) return [];
  return [`${which} does not exist; set defaultProvider and defaultModel in settings.json to one that does`];
}
