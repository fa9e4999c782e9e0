// Does: copies the fields of a model that clients may see: never headers, keys or a base URL. Pure.
// Used by: factory.ts, settings.ts and agent.ts.
import type { WireModel } from "../../../protocol/schema/responses.ts";

/** The fields of pi's model that clients get. */
export interface ModelLike {
  readonly provider: string;
  readonly id: string;
  readonly name: string;
  readonly api: string;
  readonly reasoning: boolean;
  readonly input: readonly string[];
  readonly contextWindow: number;
  readonly maxTokens: number;
  readonly cost: WireModel["cost"];
}

/** Copies the public fields, one by one. */
export function toWireModel(model: ModelLike): WireModel {
  const { provider, id, name, api, reasoning, input, contextWindow, maxTokens, cost } = model;
  return {
    provider,
    id,
    name,
    api,
    reasoning,
    input: [...input],
    contextWindow,
    maxTokens,
    cost: { input: cost.input, output: cost.output, cacheRead: cost.cacheRead, cacheWrite: cost.cacheWrite },
  };
}
