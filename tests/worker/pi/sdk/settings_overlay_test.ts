// The settings overlay as pi's SettingsManager uses it: what a session reads, that its writes stay with it, and
// what of the project counts.
import { assertEquals } from "@std/assert";
import {
  hoist,
  SettingsOverlay,
  type SettingsScope,
} from "../../../../src/worker/pi/sdk/settings_overlay.ts";

type Texts = Partial<Record<SettingsScope, string>>;

function overlay(texts: Texts, trusted = true): SettingsOverlay {
  return new SettingsOverlay((scope) => texts[scope], () => trusted);
}

function read(storage: SettingsOverlay, scope: SettingsScope): unknown {
  let text: string | undefined;
  storage.withLock(scope, (current) => {
    text = current;
    return undefined;
  });
  return text === undefined ? undefined : JSON.parse(text);
}

/** Sets fields the way pi does: over what is there. */
function write(storage: SettingsOverlay, scope: SettingsScope, fields: Record<string, unknown>): void {
  storage.withLock(scope, (current) => JSON.stringify({ ...JSON.parse(current ?? "{}"), ...fields }));
}

const text = (value: unknown): string => JSON.stringify(value);

Deno.test("settings overlay: without files there is nothing, and a write is read back", () => {
  const storage = overlay({});
  assertEquals([read(storage, "global"), read(storage, "project")], [undefined, undefined]);
  write(storage, "global", { steeringMode: "all" });
  assertEquals(read(storage, "global"), { steeringMode: "all" });
  assertEquals(read(storage, "project"), undefined);
});

Deno.test("settings overlay: one session's writes reach neither another session nor the files", () => {
  const texts: Texts = { global: text({ defaultModel: "m", theme: "dark" }) };
  const before = { ...texts };
  const [one, other] = [overlay(texts), overlay(texts)];
  write(one, "global", { defaultModel: "changed" });
  assertEquals(read(one, "global"), { defaultModel: "changed", theme: "dark" });
  assertEquals(read(other, "global"), { defaultModel: "m", theme: "dark" });
  assertEquals(texts, before);
});

Deno.test("settings overlay: a read without a write changes nothing", () => {
  const texts: Texts = { global: text({ a: 1 }) };
  const storage = overlay(texts);
  read(storage, "global");
  texts.global = text({ a: 2 });
  assertEquals(read(storage, "global"), { a: 2 }, "the file is still the source");
});

Deno.test("settings overlay: what a session may set moves from the project to the global text", () => {
  const project = {
    defaultProvider: "p",
    defaultModel: "m",
    defaultThinkingLevel: "high",
    steeringMode: "all",
    followUpMode: "one-at-a-time",
    compaction: { enabled: false, reserveTokens: 5 },
    retry: { enabled: false },
    theme: "light",
  };
  const global = { theme: "dark", defaultModel: "g", compaction: { enabled: true, keep: 1 } };
  const moved = hoist(global, project);
  assertEquals(moved.project, { theme: "light", compaction: { reserveTokens: 5 }, retry: {} });
  assertEquals(moved.global, {
    theme: "dark",
    defaultProvider: "p",
    defaultModel: "m",
    defaultThinkingLevel: "high",
    steeringMode: "all",
    followUpMode: "one-at-a-time",
    compaction: { enabled: false, keep: 1 },
    retry: { enabled: false },
  });
  assertEquals(global.compaction, { enabled: true, keep: 1 }, "its arguments stay as they were");
  assertEquals(project.compaction, { enabled: false, reserveTokens: 5 });
});

Deno.test("settings overlay: false and null are values, undefined and odd groups are none", () => {
  assertEquals(hoist({}, { steeringMode: null, compaction: { enabled: false } }), {
    global: { steeringMode: null, compaction: { enabled: false } },
    project: { compaction: {} },
  });
  assertEquals(hoist({ retry: 5 }, { compaction: "no", retry: { enabled: true } }), {
    global: { retry: { enabled: true } },
    project: { compaction: "no", retry: {} },
  });
});

Deno.test("settings overlay: what the project says holds until the session sets it", () => {
  const storage = overlay({
    global: text({ compaction: { enabled: true } }),
    project: text({ compaction: { enabled: true }, steeringMode: "all", theme: "light" }),
  });
  assertEquals(read(storage, "project"), { compaction: {}, theme: "light" });
  assertEquals(read(storage, "global"), { compaction: { enabled: true }, steeringMode: "all" });
  write(storage, "global", { compaction: { enabled: false } });
  assertEquals(read(storage, "global"), { compaction: { enabled: false }, steeringMode: "all" });
  assertEquals(read(storage, "project"), { compaction: {}, theme: "light" }, "and does not come back");
});

Deno.test("settings overlay: an untrusted project counts for nothing", () => {
  const texts: Texts = {
    global: text({ theme: "dark" }),
    project: text({ npmCommand: ["evil"], steeringMode: "all" }),
  };
  const storage = overlay(texts, false);
  assertEquals(read(storage, "project"), undefined);
  assertEquals(read(storage, "global"), { theme: "dark" });
});

Deno.test("settings overlay: an untrusted project's file is not even read", () => {
  const asked: SettingsScope[] = [];
  const storage = new SettingsOverlay((scope) => {
    asked.push(scope);
    return undefined;
  }, () => false);
  read(storage, "global");
  read(storage, "project");
  assertEquals(asked.includes("project"), false);
});

Deno.test("settings overlay: project settings are never written", () => {
  const storage = overlay({ project: text({ theme: "light" }) });
  write(storage, "project", { packages: ["x"] });
  assertEquals(read(storage, "project"), { theme: "light" });
  assertEquals(read(storage, "global"), {});
});

Deno.test("settings overlay: pi itself reports a file that is not a JSON object", () => {
  const given = (storage: SettingsOverlay, scope: SettingsScope): string | undefined => {
    let seen: string | undefined;
    storage.withLock(scope, (current) => void (seen = current));
    return seen;
  };
  const broken = overlay({ global: "{broken", project: text({ steeringMode: "all" }) });
  assertEquals(given(broken, "global"), "{broken");
  assertEquals(given(broken, "project"), text({ steeringMode: "all" }));
  for (const project of ["{broken", "[]", "null", "5"]) {
    const storage = overlay({ global: text({ theme: "dark" }), project });
    assertEquals(given(storage, "project"), project);
    assertEquals(given(storage, "global"), text({ theme: "dark" }));
  }
});

Deno.test("settings overlay: names of JavaScript's own are data", () => {
  const project = JSON.parse('{"__proto__":{"steeringMode":"all"},"constructor":1}');
  const storage = overlay({ global: "{}", project: JSON.stringify(project) });
  assertEquals(read(storage, "global"), {}, "an inherited field does not count");
  assertEquals(JSON.stringify(read(storage, "project")), JSON.stringify(project));
});
