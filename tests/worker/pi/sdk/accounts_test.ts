import { assert, assertEquals, assertMatch } from "@std/assert";
import { Accounts } from "../../../../src/worker/pi/sdk/sdk.ts";

const MODELS = {
  providers: {
    oa: {
      baseUrl: "http://127.0.0.1:9",
      api: "openai-completions",
      apiKey: "of-models",
      models: [{ id: "m" }],
    },
  },
};

Deno.test("accounts: a key that changes in auth.json counts at once; a broken file keeps the last one and is named", async () => {
  const dir = await Deno.makeTempDir();
  const auth = `${dir}/auth.json`;
  const keys = (key: string) => JSON.stringify({ oa: { type: "api_key", key } });
  try {
    await Deno.writeTextFile(`${dir}/models.json`, `\ufeff/* mine */ ${JSON.stringify(MODELS)}`);
    await Deno.writeTextFile(auth, keys("first"));
    const accounts = new Accounts(dir);
    const models = await accounts.open();
    const model = models.find("oa", "m");
    assert(model !== undefined);
    const used = async () => {
      const found = await models.getApiKeyAndHeaders(model);
      return found.ok ? found.apiKey : found.error;
    };
    assertEquals(await used(), "first");
    await Deno.writeTextFile(auth, keys("second"));
    assertEquals(await used(), "second");
    await Deno.writeTextFile(`${auth}.new`, keys("the third"));
    await Deno.rename(`${auth}.new`, auth);
    assertEquals(await used(), "the third");
    assertEquals(accounts.problems(models), []);
    await Deno.writeTextFile(auth, '{"oa": {"type": "api_key", "key": "fourth"');
    assertEquals(await used(), "the third");
    const [problem] = accounts.problems(models);
    assertMatch(problem?.error ?? "", /auth\.json is not valid JSON \(line 1, column 43/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
