// Does: reports that a session continues with another model, because pi cannot use the one that it had.
// Used by: factory.ts, when pi has built a session. The report stays until a client chooses a model.
import type { LoadProblem } from "../../../protocol/schema/responses.ts";

/** A model by its names. */
export interface ModelName {
  readonly provider: string;
  readonly id: string;
}

/** The model that a session had, and the one that pi gave it. */
export interface ModelChange {
  readonly wanted: ModelName | undefined;
  /** Whether pi still knows the model. It then lacks credentials. */
  readonly known: boolean;
  /** Absent: pi has none. */
  readonly given: ModelName | undefined;
  /** Path of models.json. */
  readonly file: string;
}

/** The problem in one sentence, with both models. Undefined when the session keeps its model. */
export function goneModel({ wanted, known, given, file }: ModelChange): LoadProblem | undefined {
  if (wanted === undefined || (given?.provider === wanted.provider && given.id === wanted.id)) {
    return undefined;
  }
  const why = known ? `has no credentials for ${wanted.provider}` : "does not know it";
  const now = given === undefined ? "has no model" : `continues with ${given.provider}/${given.id}`;
  const cure = known ? "log in with pi" : `correct ${file}`;
  return {
    extensionPath: file,
    event: "model",
    error: `The session used the model ${wanted.provider}/${wanted.id}, but pi ${why}; ` +
      `the session ${now}; choose a model with set_model, or ${cure}`,
  };
}
