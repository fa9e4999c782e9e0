// The generated interfaces against the schemas: not stale, and the same types, both ways.
import { assertEquals } from "@std/assert";
import { generated } from "../../scripts/gen/gen_wire_types.ts";
import { repositoryRoot } from "../../scripts/build/bundle.ts";
import type { CommandName, CommandOf } from "../../src/protocol/schema/commands.ts";
import type {
  SessionInfo as Inferred,
  Settled as InferredSettled,
} from "../../src/protocol/schema/responses.ts";
import type { CommandMap, SessionInfo, Settled } from "../../src/protocol/generated/mod.ts";

type Same<A, B> = [A] extends [B] ? [B] extends [A] ? true : false : false;
type AllSame = { [N in CommandName]: Same<CommandMap[N], CommandOf<N>> }[CommandName];

// These lines do not compile when a generated type differs from the one that the schema stands for.
const COMMANDS_ARE_SAME: AllSame = true;
const RESULTS_ARE_SAME: Same<SessionInfo, Inferred> & Same<Settled, InferredSettled> = true;

Deno.test("wire types: the generated files are up to date", async () => {
  for (const [file, text] of await generated()) {
    const found = await Deno.readTextFile(`${repositoryRoot()}/${file}`);
    assertEquals(found === text, true, `${file} is stale; run: deno task gen`);
  }
  assertEquals([COMMANDS_ARE_SAME, RESULTS_ARE_SAME], [true, true]);
});
