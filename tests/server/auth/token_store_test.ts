// Minted tokens: what they open and for how long, that the file keeps hashes alone, that they survive a restart, and
// that none outlives the token that it was minted from.
import { assert, assertEquals } from "@std/assert";
import { ADMIN } from "../../../src/server/auth/access.ts";
import { MINTED_TOKENS } from "../../../src/governor/limits.ts";
import type { Log } from "../../../src/base/log.ts";
import { type Minted, type Minting, TokenStore } from "../../../src/server/auth/token_store.ts";
import { common } from "../../../src/runtime/common.ts";
import { keptLog } from "../manager/fakes.ts";
import { fakeRuntime } from "../../worker/support/fake_runtime.ts";
import { FakeClock } from "../../support/base/fake_clock.ts";

const { log: quietLog } = keptLog();

const OWN = "the-server-s-own-token";

interface Place {
  readonly clock: FakeClock;
  readonly file: string;
  open(own?: string, log?: Log): Promise<TokenStore>;
}

async function inPlace(fn: (place: Place) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pi-server-tokens-" });
  const clock = new FakeClock();
  const file = `${folder}/tokens.json`;
  const runtime = fakeRuntime(clock, { files: common.files, uuid: common.uuid });
  try {
    await fn({
      clock,
      file,
      open: (own, log = quietLog) => TokenStore.open({ runtime, log, file, ...(own ? { own } : {}) }),
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function minted(book: TokenStore, minting: Partial<Minting>): Promise<Minted> {
  const made = await book.mint({ parent: ADMIN.id, role: "observe", ...minting });
  if ("code" in made) throw new Error(made.message);
  return made;
}

Deno.test("token store: the server's own token may do everything, any other nothing", async () => {
  await inPlace(async ({ open }) => {
    const book = await open(OWN);
    assertEquals(book.accessOf(OWN), ADMIN);
    for (const wrong of ["", OWN.slice(1), `${OWN}x`, OWN.toUpperCase(), "__proto__", "constructor"]) {
      assertEquals(book.accessOf(wrong), undefined, wrong);
    }
    assertEquals((await open()).accessOf(""), undefined, "no own token: the empty one is none");
  });
});

Deno.test("token store: a minted token is good for what it was made for, until it expires", async () => {
  await inPlace(async ({ open, clock }) => {
    const book = await open(OWN);
    const { token, tokenId, expiresAt } = await minted(book, {
      role: "answer",
      sessions: ["a"],
      ttlMs: 1_000,
    });
    assert(/^[0-9a-f]{64}$/.test(token));
    assert(expiresAt !== undefined);
    const access = { id: tokenId, role: "answer" as const, sessions: new Set(["a"]), expiresAt };
    assertEquals([book.accessOf(token), expiresAt], [access, clock.now() + 1_000]);
    await clock.advance(999);
    assertEquals(book.accessOf(token), access);
    await clock.advance(1);
    assertEquals(book.accessOf(token), undefined);
  });
});

Deno.test("token store: tokens outlive a restart, and the file tells none of them", async () => {
  await inPlace(async ({ open, file, clock }) => {
    const book = await open(OWN);
    const made = [];
    for (const role of ["observe", "drive"] as const) made.push(await minted(book, { role, ttlMs: 5_000 }));
    const text = await Deno.readTextFile(file);
    for (const { token } of made) assert(!text.includes(token));
    assert(!text.includes(OWN));
    assertEquals((Deno.statSync(file).mode ?? 0) & 0o777, 0o600);
    const again = await open(OWN);
    assertEquals(made.map(({ token }) => again.accessOf(token)?.role), ["observe", "drive"]);
    await clock.advance(5_000);
    assertEquals(made.map(({ token }) => again.accessOf(token)), [undefined, undefined]);
  });
});

Deno.test("token store: a revoked token opens nothing, also after a restart, and its end is reported", async () => {
  await inPlace(async ({ open }) => {
    const book = await open(OWN);
    const ended: string[] = [];
    book.revoked = (id) => ended.push(id);
    const { token, tokenId } = await minted(book, { role: "drive", ttlMs: 60_000 });
    assertEquals([await book.revoke("other"), await book.revoke(tokenId), await book.revoke(tokenId)], [
      false,
      true,
      false,
    ]);
    assertEquals([book.accessOf(token), (await open(OWN)).accessOf(token), ended], [undefined, undefined, [
      tokenId,
    ]]);
  });
});

Deno.test("token store: there is a most of tokens, and those that expired make room", async () => {
  await inPlace(async ({ open, clock }) => {
    const book = await open(OWN);
    for (let n = 0; n < MINTED_TOKENS; n++) void minted(book, { ttlMs: 1_000 });
    const more = await book.mint({ parent: ADMIN.id, role: "observe", ttlMs: 1_000 });
    assertEquals("code" in more && more.code, "overloaded");
    await clock.advance(1_000);
    await minted(book, { role: "observe", ttlMs: 1_000 });
  });
});

Deno.test("token store: a file that is damaged opens nothing to anybody", async () => {
  await inPlace(async ({ open, file }) => {
    const { token } = await minted(await open(OWN), { role: "observe", sessions: ["a"], ttlMs: 60_000 });
    const text = await Deno.readTextFile(file);
    assertEquals((await open(OWN)).accessOf(token)?.role, "observe");
    const broken = [
      text.slice(0, -9),
      text.replace('"observe"', '"root"'),
      text.replace(/"sessions": \[[^\]]*\]/, '"sessions": "a"'),
      text.replace(/"sessions": \[[^\]]*\]/, '"sessions": null'),
      text.replace(/"expiresAt": \d+/, '"expiresAt": null'),
      text.replace(/,\s*"expiresAt": \d+/, ""),
      text.replace('"mintedAt"', '"scrape": true, "mintedAt"'),
      text.replace(/"id": "[^"]*"/, '"id": "admin"'),
      text.replace(/"root": "[^"]*"/, '"root": "another"'),
      text.replace('"mintedAt"', '"parent": "gone", "mintedAt"'),
      "{}",
      "null",
      "",
    ];
    for (const one of broken) {
      await Deno.writeTextFile(file, one);
      assertEquals((await open(OWN)).accessOf(token), undefined, one);
    }
  });
});

Deno.test("token store: another own token ends what was minted from the one before, and says so", async () => {
  await inPlace(async ({ open, file }) => {
    const book = await open(OWN);
    const admin = await minted(book, { role: "admin", ttlMs: 60_000 });
    const scrape = await minted(book, {});
    assertEquals((await open(OWN)).list().length, 2);
    const warnings: string[] = [];
    const log = { ...quietLog, warn: (line: string) => warnings.push(line) };
    const next = await open("another-token-of-the-server", log);
    assertEquals([admin, scrape].map(({ token }) => next.accessOf(token)), [undefined, undefined]);
    assertEquals([next.list(), next.holds(admin.tokenId), warnings.length], [[], false, 1]);
    // The old own token brings none of them back.
    assert(!(await Deno.readTextFile(file)).includes(admin.tokenId));
    assertEquals((await open(OWN)).accessOf(admin.token), undefined);
  });
});

Deno.test("token store: a server that asks for no token keeps the minted ones for one that does", async () => {
  await inPlace(async ({ open }) => {
    const { token } = await minted(await open(OWN), { ttlMs: 60_000 });
    const without = await open();
    const ofNone = await minted(without, { ttlMs: 60_000 });
    assertEquals(without.list().length, 2);
    const again = await open(OWN);
    assertEquals([again.accessOf(token)?.role, again.accessOf(ofNone.token)], ["observe", undefined]);
  });
});

Deno.test("token store: a minted token ends no later than its parent, and the parent's parent", async () => {
  await inPlace(async ({ open, clock }) => {
    const book = await open(OWN);
    const first = await minted(book, { role: "admin", ttlMs: 1_000 });
    const second = await minted(book, { parent: first.tokenId, role: "admin", ttlMs: 24 * 3_600_000 });
    const third = await minted(book, { parent: second.tokenId, role: "drive", ttlMs: 24 * 3_600_000 });
    const scrape = await minted(book, { parent: second.tokenId });
    const brief = await minted(book, { parent: first.tokenId, ttlMs: 500 });
    const end = clock.now() + 1_000;
    assertEquals([first, second, third, scrape].map(({ expiresAt }) => expiresAt), [end, end, end, end]);
    assertEquals(brief.expiresAt, clock.now() + 500);
    await clock.advance(1_000);
    assertEquals([third, scrape].map(({ token }) => book.accessOf(token)), [undefined, undefined]);
    const late = await book.mint({ parent: first.tokenId, role: "observe", ttlMs: 1_000 });
    assertEquals("code" in late && late.code, "forbidden");
  });
});

Deno.test("token store: revoking a token ends all that were minted from it, also after a restart", async () => {
  await inPlace(async ({ open }) => {
    const book = await open(OWN);
    const first = await minted(book, { role: "admin", ttlMs: 60_000 });
    const second = await minted(book, { parent: first.tokenId, role: "admin", ttlMs: 60_000 });
    const third = await minted(book, { parent: second.tokenId, ttlMs: 60_000 });
    const other = await minted(book, { ttlMs: 60_000 });
    const again = await open(OWN);
    const ended: string[] = [];
    again.revoked = (id) => ended.push(id);
    assertEquals(await again.revoke(first.tokenId), true);
    assertEquals(ended, [first, second, third].map(({ tokenId }) => tokenId));
    for (const one of [again, await open(OWN)]) {
      assertEquals(one.list().map(({ tokenId }) => tokenId), [other.tokenId]);
      assertEquals([first, second, third].map(({ token }) => one.accessOf(token)), [
        undefined,
        undefined,
        undefined,
      ]);
    }
  });
});

Deno.test("token store: a token without a time of its own opens /metrics until it is revoked", async () => {
  await inPlace(async ({ open, clock }) => {
    const book = await open(OWN);
    const { token, tokenId, expiresAt } = await minted(book, { label: "prometheus" });
    await clock.advance(365 * 24 * 3_600_000);
    const again = await open(OWN);
    assertEquals(again.accessOf(token), { id: tokenId, role: "observe", scrape: true });
    assertEquals([expiresAt, await again.revoke(tokenId), again.accessOf(token)], [
      undefined,
      true,
      undefined,
    ]);
  });
});

Deno.test("token store: the list tells labels, parents and the last use, also after a restart, and no secret", async () => {
  await inPlace(async ({ open, clock }) => {
    const book = await open(OWN);
    const mintedAt = clock.now();
    const first = await minted(book, { role: "admin", label: "deploy", ttlMs: 60_000 });
    const second = await minted(book, { parent: first.tokenId, sessions: ["a"], ttlMs: 60_000 });
    const expiresAt = mintedAt + 60_000;
    await clock.advance(10);
    assert(book.accessOf(second.token));
    await book.close();
    const listed = (await open(OWN)).list();
    assertEquals(listed, [
      { tokenId: first.tokenId, label: "deploy", role: "admin", mintedAt, expiresAt },
      {
        tokenId: second.tokenId,
        parentId: first.tokenId,
        role: "observe",
        sessions: ["a"],
        mintedAt,
        expiresAt,
        lastUsedAt: mintedAt + 10,
      },
    ]);
  });
});
