// Does: names the source of a message whose `input` handlers have run. Pure.
// Used by: hooks.ts, which recognises it, and sdk/sdk_1_6.ts, which passes it to pi.

/** Source of a message that the `input` handlers have seen. pi does not call them again. */
export const SEEN = "pi-server:seen" as "rpc";
