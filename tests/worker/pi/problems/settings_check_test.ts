import { assertEquals, assertMatch } from "@std/assert";
import { checkSettings } from "../../../../src/worker/pi/problems/settings_check.ts";

const PATH = "/home/u/.pi/agent/settings.json";

/** What pi reads of these settings, and what is reported without the path and the advice. */
function checked(settings: unknown): { settings: unknown; faults: string[] } {
  const { text, faults } = checkSettings(PATH, JSON.stringify(settings));
  for (const fault of faults) assertMatch(fault, /^\/home\/u\/\.pi\/agent\/settings\.json/);
  return {
    settings: JSON.parse(text),
    faults: faults.map((one) => one.slice(PATH.length + 2).split(",")[0] ?? ""),
  };
}

Deno.test("settings check: what is right, and what it does not know, passes unchanged", () => {
  const settings = {
    defaultProvider: "oa",
    compaction: { enabled: false, reserveTokens: 5, later: true },
    packages: ["npm:a", { source: "npm:b", skills: [] }],
    skills: { customDirectories: ["/s"] },
    futureKey: { a: [1] },
    httpProxy: "http://p",
  };
  assertEquals(checked(settings), { settings, faults: [] });
});

Deno.test("settings check: each value of a wrong type is named by its key and taken out", () => {
  const found = checked({
    defaultModel: 5,
    compaction: "yes",
    retry: { enabled: "no", maxRetries: 3 },
    steeringMode: "some",
    packages: {},
    extensions: ["/a.ts", 7],
    theme: null,
  });
  assertEquals(found.settings, { retry: { maxRetries: 3 }, extensions: ["/a.ts"] });
  assertEquals(found.faults, [
    '"defaultModel" must be a text in double quotes',
    '"compaction" must be an object',
    '"retry.enabled" must be true or false',
    '"steeringMode" must be "all" or "one-at-a-time"',
    '"packages" must be a list',
    '"extensions[1]" must be a text in double quotes',
  ]);
});

Deno.test("settings check: each package that is none is named by its index", () => {
  const found = checked({ packages: [5, null, {}, { source: "npm:a", skills: "x" }, "", "npm:b"] });
  assertEquals(found.settings, { packages: ["npm:b"] });
  assertEquals(found.faults.map((one) => one.split(" ")[0]), [0, 1, 2, 3, 4].map((n) => `"packages[${n}]"`));
});

Deno.test("settings check: comments are read in silence, a trailing comma is read and named, nonsense is handed on", () => {
  assertEquals(checkSettings(PATH, "// mine\n{}"), { text: "{}", faults: [] });
  const comma = checkSettings(PATH, '{"theme": "x",\n}');
  assertEquals(comma.text, '{"theme":"x"}');
  assertMatch(comma.faults.join(), /line 1, column 14/);
  assertMatch(checkSettings(PATH, "{").faults.join(), /not valid JSON \(line 1, column 2/);
  assertEquals(checkSettings(PATH, "{").text, "{");
  assertMatch(checkSettings(PATH, "[]").faults.join(), /must hold an object/);
  assertEquals(checkSettings(PATH, " \n"), { text: " \n", faults: [] });
});
