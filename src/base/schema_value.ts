// Does: the type of the values that a schema of typebox stands for. Types alone; nothing of it runs.
// Used by: the schemas of the protocol, in the place of typebox's `Static`, which takes the compiler many times as long.
// Invariant: it knows the kinds that the schemas use; any other kind is `never`, which no value satisfies.

interface Optional {
  "~optional": true;
}

/** The keys of the properties that may be missing. */
type OptionalKeys<P> = { [K in keyof P]: P[K] extends Optional ? K : never }[keyof P];

/** One object type instead of two that are joined. */
type Flat<T> = { [K in keyof T]: T[K] };

type ObjectValue<P> = Flat<
  & { [K in Exclude<keyof P, OptionalKeys<P>>]: ValueOf<P[K]> }
  & { [K in OptionalKeys<P>]?: ValueOf<P[K]> }
>;

/** The values of a schema. */
export type ValueOf<S> = S extends { "~kind": "Object"; properties: infer P } ? ObjectValue<P>
  : S extends { "~kind": "String" } ? string
  : S extends { "~kind": "Integer" | "Number" } ? number
  : S extends { "~kind": "Boolean" } ? boolean
  : S extends { "~kind": "Null" } ? null
  : S extends { "~kind": "Literal"; const: infer V } ? V
  : S extends { "~kind": "Enum"; enum: readonly (infer V)[] } ? V
  : S extends { "~kind": "Array"; items: infer I } ? ValueOf<I>[]
  : S extends { "~kind": "Union"; anyOf: readonly (infer U)[] } ? ValueOf<U>
  : S extends { "~kind": "Record"; patternProperties: infer P } ? Record<string, ValueOf<P[keyof P]>>
  : never;
