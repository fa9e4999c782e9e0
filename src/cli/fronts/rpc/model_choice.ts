// Does: finds the model that `--model` means, as pi does: an id, provider/id, or a part of one, with a level. Pure.
// Used by: rpc_session.ts.
import { UsageError } from "../../subcommand.ts";

/** A model that can be had. */
export interface Known {
  readonly provider: string;
  readonly id: string;
}

/** A chosen model, and the level behind its colon. */
export interface ModelChoice {
  readonly provider: string;
  readonly modelId: string;
  readonly level?: string;
}

const LEVELS: ReadonlySet<string> = new Set(["off", "minimal", "low", "medium", "high", "xhigh", "max"]);

/**
 * The model that the words mean.
 *
 * @param pattern the value of `--model`
 * @param provider the value of `--provider`
 * @throws {UsageError} when there is none
 */
export function chooseModel(
  pattern: string,
  provider: string | undefined,
  models: readonly Known[],
): ModelChoice {
  const own = models.filter((model) => provider === undefined || same(model.provider, provider));
  const colon = pattern.lastIndexOf(":");
  const level = colon > 0 ? pattern.slice(colon + 1) : "";
  // The whole first: an id may hold a colon itself.
  const tries: [name: string, level?: string][] = [[pattern]];
  if (LEVELS.has(level)) tries.push([pattern.slice(0, colon), level]);
  for (const [name, asked] of tries) {
    const [best] = matching(name, own).toSorted(preferred);
    if (best === undefined) continue;
    const { provider, id: modelId } = best;
    return asked === undefined ? { provider, modelId } : { provider, modelId, level: asked };
  }
  const of = provider === undefined ? "" : ` of ${provider}`;
  throw new UsageError(`--model: no model${of} that has credentials fits "${pattern}"`);
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** Names without a date come before those with one, and later ones before earlier ones. */
function preferred(a: Known, b: Known): number {
  const dated = ({ id }: Known): number => /-\d{8}$/.test(id) ? 1 : 0;
  return dated(a) - dated(b) || b.id.localeCompare(a.id);
}

/** The models of the best kind of match: the exact name, the exact id, a part. */
function matching(name: string, models: readonly Known[]): readonly Known[] {
  const part = name.toLowerCase();
  const kinds: ((model: Known) => boolean)[] = [
    (model) => same(`${model.provider}/${model.id}`, name),
    (model) => same(model.id, name),
    (model) => `${model.provider}/${model.id}`.toLowerCase().includes(part),
  ];
  return kinds.map((fits) => models.filter(fits)).find((found) => found.length > 0) ?? [];
}
