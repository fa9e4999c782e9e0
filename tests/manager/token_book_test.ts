// Minted tokens: what they are good for and how long, that only hashes are kept, and that they outlive a restart.
import { assert, assertEquals } from "@std/assert";
import { ADMIN } from "../../src/governor/access.ts";
import { MINTED_TOKENS } from "../../src/governor/limits.ts";
import { type Minted, type Minting, TokenBook } from "../../src/manager/token_book.ts";
import { common } from "../../src/runtime/common.ts";
import { fakeRuntime } from "../host/fake_runtime.ts";
import { FakeClock } from "../support/fake_clock.ts";

const OWN = "the-server-s-own-token";

interface Place {
  readonly clock: FakeClock;
  readonly file: string;
  open(own?: string): Promise<TokenBook>;
}

async function inPlace(fn: (place: Place) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pi-server-tokens-" });
  const clock = new FakeClock();
  const file = `${folder}/tokens.json`;
  const runtime = fakeRuntime(clock, { files: common.files, uuid: common.uuid });
  try {
    await fn({ clock, file, open: (own) => TokenBook.open({ runtime, file, ...(own ? { own } : {}) }) });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function minted(book: TokenBook, minting: Minting): Promise<Minted> {
  const made = await book.mint(minting);
  if ("code" in made) throw new Error(made.message);
  return made;
}

Deno.test("token book: the server's own token may do everything, any other nothing", async () => {
  await inPlace(async ({ open }) => {
    const book = await open(OWN);
    assertEquals(book.accessOf(OWN), ADMIN);
    for (const wrong of ["", OWN.slice(1), `${OWN}x`, OWN.toUpperCase(), "__proto__", "constructor"]) {
      assertEquals(book.accessOf(wrong), undefined, wrong);
    }
    assertEquals((await open()).accessOf(""), undefined, "no own token: the empty one is none");
  });
});

Deno.test("token book: a minted token is good for what it was made for, until it expires", async () => {
  await inPlace(async ({ open, clock }) => {
    const book = await open(OWN);
    const { token, tokenId, expiresAt } = await minted(book, {
      role: "answer",
      sessions: ["a"],
      ttlMs: 1_000,
    });
    assert(/^[0-9a-f]{64}$/.test(token));
    const access = { id: tokenId, role: "answer" as const, sessions: new Set(["a"]), expiresAt };
    assertEquals([book.accessOf(token), expiresAt], [access, clock.now() + 1_000]);
    await clock.advance(999);
    assertEquals(book.accessOf(token), access);
    await clock.advance(1);
    assertEquals(book.accessOf(token), undefined);
  });
});

Deno.test("token book: tokens outlive a restart, and the file tells none of them", async () => {
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

Deno.test("token book: a revoked token is nothing any more, also after a restart, and its end is told", async () => {
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

Deno.test("token book: there is a most of tokens, and those that expired make room", async () => {
  await inPlace(async ({ open, clock }) => {
    const book = await open(OWN);
    for (let n = 0; n < MINTED_TOKENS; n++) void book.mint({ role: "observe", ttlMs: 1_000 });
    const more = await book.mint({ role: "observe", ttlMs: 1_000 });
    assertEquals("code" in more && more.code, "overloaded");
    await clock.advance(1_000);
    await minted(book, { role: "observe", ttlMs: 1_000 });
  });
});

Deno.test("token book: a file that is damaged opens nothing to anybody", async () => {
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
