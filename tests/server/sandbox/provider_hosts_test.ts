// The hosts that a session may connect to are those of pi's own table of models: a new pi that knows more must not
// be held back without anybody noticing.
import { assertEquals } from "@std/assert";
import { getModels, getProviders } from "@mariozechner/pi-ai";
import {
  hostsIn,
  LOGIN_HOSTS,
  MODEL_HOSTS,
  regionalHosts,
} from "../../../src/server/sandbox/provider_hosts.ts";

/** Hosts of pi's table; what stands in braces is filled in from the environment. */
function hostsOfPi(): string[] {
  const urls = getProviders().flatMap((provider) => getModels(provider).map(({ baseUrl }) => baseUrl));
  // A host with a part in braces is filled in from the environment (`regionalHosts`).
  return [...new Set(urls.flatMap((url) => hostsIn(url)))];
}

const covers = (host: string): boolean =>
  [...MODEL_HOSTS, ...LOGIN_HOSTS].some((one) =>
    one.startsWith("*.") ? host.endsWith(one.slice(1)) : one === host
  );

Deno.test("provider hosts: each model of pi's can be reached", () => {
  const hosts = hostsOfPi();
  assertEquals(hosts.length > 20, true, "pi's table was found");
  assertEquals(hosts.filter((host) => !covers(host)), []);
});

Deno.test("provider hosts: the table names no host that pi has given up, in order, once", () => {
  const hosts = new Set(hostsOfPi());
  assertEquals(MODEL_HOSTS.filter((one) => !one.startsWith("*.") && !hosts.has(one)), []);
  for (const table of [MODEL_HOSTS, LOGIN_HOSTS]) assertEquals([...new Set(table)].sort(), [...table]);
});

Deno.test("provider hosts: regions and customers come from the environment, and nothing else does", () => {
  const env = new Map([["AWS_REGION", "eu-west-1"], ["GOOGLE_CLOUD_LOCATION", "x y"], [
    "OPENAI_BASE_URL",
    "http://localhost:11434/v1",
  ]]);
  assertEquals(regionalHosts((name) => env.get(name)), [
    "bedrock-runtime.eu-west-1.amazonaws.com",
    "sts.eu-west-1.amazonaws.com",
    "aiplatform.googleapis.com",
    "localhost:11434",
  ]);
  assertEquals(regionalHosts(() => undefined), []);
});
