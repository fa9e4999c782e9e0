// Flags and variables: each kind with good and bad values, which one wins, and errors that name where the value
// came from.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { type Config, parseConfig, withConfigDefaults } from "../../src/config/config.ts";
import { flagOf, variableOf } from "../../src/config/flags.ts";
import { LIMIT_NAMES, LIMITS } from "../../src/governor/limits.ts";

type Variables = Readonly<Record<string, string>>;

function parse(args: readonly string[], variables: Variables = {}) {
  return parseConfig(args, (name) => Object.hasOwn(variables, name) ? variables[name] : undefined);
}

function config(args: readonly string[], variables: Variables = {}): Config {
  const parsed = parse(args, variables);
  if (parsed.kind !== "serve") throw new Error(`${args.join(" ")}: ${JSON.stringify(parsed)}`);
  return parsed.config;
}

/** Asserts that it is refused, and that the sentence has all the words. */
function refused(args: readonly string[], words: readonly string[], variables: Variables = {}): void {
  const parsed = parse(args, variables);
  assertEquals(parsed.kind, "invalid", `${args.join(" ")} ${JSON.stringify(variables)}`);
  for (const word of words) assertStringIncludes(parsed.kind === "invalid" ? parsed.reason : "", word);
}

Deno.test("config: nothing given is the defaults", () => {
  assertEquals(config([]), withConfigDefaults());
  const { port, host, auth, ws, stdio, workers, shutdownTimeoutMs } = config([]);
  const shown = [port, host, auth, ws, stdio, workers, shutdownTimeoutMs];
  assertEquals(shown, [3141, "127.0.0.1", true, true, "auto", 1, 30_000]);
});

Deno.test("config: every flag lands in its own field", () => {
  const cases: readonly (readonly [string[], Partial<Config>])[] = [
    [["--port", "0"], { port: 0 }],
    [["--port=65535"], { port: 65_535 }],
    [["--host", "0.0.0.0"], { host: "0.0.0.0" }],
    [["--stdio", "on"], { stdio: "on" }],
    [["--no-ws"], { ws: false }],
    [["--no-auth"], { auth: false }],
    [["--allow-origin", "https://a.example", "--allow-origin=http://localhost:5173"], {
      allowOrigins: ["https://a.example", "http://localhost:5173"],
    }],
    [["--allow-host", "Pi.Example"], { allowHosts: ["pi.example"] }],
    [["--console", "off"], { console: false }],
    [["--console", "on"], { console: true }],
    [["--base-path", "/pi/"], { basePath: "/pi" }],
    [["--base-path", "/"], { basePath: "" }],
    [["--state-dir", "/s"], { stateDir: "/s" }],
    [["--cwd", "/c"], { cwd: "/c" }],
    [["--root", "/a", "--root", "/b,c"], { roots: ["/a", "/b,c"] }],
    [["--trust-projects"], { trustProjects: true }],
    [["--workers", "0"], { workers: 0 }],
    [["--demo"], { demo: true }],
    [["--shutdown-timeout", "2m"], { shutdownTimeoutMs: 120_000 }],
    [["--eof-timeout", "0"], { eofTimeoutMs: 0 }],
    [["--log-level", "silent"], { logLevel: "silent" }],
    [["--log-format", "json"], { logFormat: "json" }],
  ];
  for (const [args, over] of cases) assertEquals(config(args), withConfigDefaults(over), args.join(" "));
});

Deno.test("config: every limit has a flag and a variable, and its range is exact", () => {
  for (const name of LIMIT_NAMES) {
    const { least, most } = LIMITS[name];
    const flag = `--${flagOf(name)}`;
    const variable = variableOf(flagOf(name));
    for (const value of [least, most]) {
      assertEquals(config([flag, String(value)]).limits, { ...config([]).limits, [name]: value });
      assertEquals(config([], { [variable]: String(value) }).limits[name], value);
    }
    refused([flag, String(least - 1)], [flag, String(least), `"${least - 1}"`]);
    refused([flag, String(most + 1)], [flag, String(most)]);
    refused([], [variable], { [variable]: "NaN" });
  }
});

Deno.test("config: a number out of range is refused with the flag, the expected value and the given one", () => {
  const bad = ["", " ", "NaN", "Infinity", "-1", "1.5", "0x10", "1e3", "65536", "3141ms", "1,000", "١", "+1"];
  for (const value of bad) {
    refused([`--port=${value}`], ["--port", "an integer from 0 to 65535", `"${value}"`]);
  }
  for (const value of ["-1", "abc"]) refused(["--port", value], ["--port", `"${value}"`]);
  refused(["--port"], ["--port"]);
  refused(["--workers", "65"], ["--workers", "64"]);
});

Deno.test("config: workers are counted, or started for each session, not both", () => {
  assertEquals([config([]).isolation, config(["--isolation", "session"]).isolation], ["shared", "session"]);
  assertEquals(config(["--isolation", "shared", "--workers", "3"]).workers, 3);
  for (const workers of ["0", "1", "2"]) {
    refused(["--isolation", "session", "--workers", workers], ["--workers", "leave --workers out"]);
    refused(["--isolation", "session"], ["--workers"], { PI_SERVER_WORKERS: workers });
  }
  refused(["--isolation", "process"], ["--isolation", "shared, session", '"process"']);
});

Deno.test("config: times and sizes take their units, exactly", () => {
  const times = [["500", 500], ["500ms", 500], ["30s", 30_000], ["1.5s", 1_500], ["2m", 120_000], [
    "24h",
    86_400_000,
  ]];
  for (const [text, ms] of times) {
    assertEquals(config([`--shutdown-timeout=${text}`]).shutdownTimeoutMs, Number(ms), String(text));
  }
  for (const text of ["1d", "s", "30 sec", "-1s", "25h", "1S", "1.0001ms", "constructor", "1constructor"]) {
    refused([`--shutdown-timeout=${text}`], ["--shutdown-timeout", "500ms, 30s or 2m", text]);
  }
  const sizes = [["65536", 65_536], ["64KiB", 65_536], ["1MiB", 1_048_576], ["1MB", 1_000_000], [
    "2048B",
    2_048,
  ]];
  for (const [text, bytes] of sizes) {
    assertEquals(config([`--max-frame-bytes=${text}`]).limits.frameBytes, Number(bytes), String(text));
  }
  for (const text of ["1mib", "1M", "1TiB", "10 MiB x", "65MiB"]) {
    refused([`--max-frame-bytes=${text}`], ["--max-frame-bytes", "10MiB", text]);
  }
});

Deno.test("config: a choice outside the list names the list", () => {
  refused(["--stdio", "yes"], ["--stdio", "auto, on, off", '"yes"']);
  refused(["--log-level", "trace"], ["--log-level", "debug, info, warn, error, silent"]);
  refused(["--log-format="], ["--log-format", "text, json"]);
});

Deno.test("config: texts and lists may not be empty or hold NUL", () => {
  for (const flag of ["--host", "--cwd", "--state-dir", "--root", "--allow-host"]) {
    refused([`${flag}=`], [flag]);
  }
  for (const flag of ["--cwd", "--state-dir", "--host"]) refused([`${flag}=a\0b`], [flag, "NUL"]);
});

Deno.test("config: no item of a list may hold NUL", () => {
  for (const flag of ["--root", "--allow-host"]) refused([`${flag}=a\0b`], [flag, "NUL"]);
});

Deno.test("config: an origin is one exactly as browsers send it", () => {
  for (
    const origin of [
      "*",
      "null",
      "https://a.example/",
      "https://a.example/x",
      "a.example",
      "HTTPS://a",
      "file://",
    ]
  ) {
    refused(["--allow-origin", origin], ["--allow-origin", "https://app.example", origin]);
  }
});

Deno.test("config: an unknown flag or a stray argument is refused by name", () => {
  for (
    const arg of ["--nope", "-x", "--max-nope=1", "--constructor", "--__proto__=1", "--toString", "--Port=1"]
  ) {
    refused([arg], [arg.split("=")[0] ?? ""]);
  }
  for (const arg of ["serve", "5", "0"]) refused([arg], [arg]);
  refused(["--", "x"], ["x"]);
  refused(["--port", "1", "extra"], ["extra"]);
});

Deno.test("config: a variable stands in for a flag that is left out, and a flag wins", () => {
  const variables = {
    PI_SERVER_PORT: "1",
    PI_SERVER_DEMO: "yes",
    PI_SERVER_ROOT: "/a, /b",
    PI_SERVER_NO_WS: "0",
  };
  const { port, demo, roots, ws } = config([], variables);
  assertEquals([port, demo, roots, ws], [1, true, ["/a", "/b"], true]);
  assertEquals(config(["--port", "2", "--root", "/c"], variables).port, 2);
  assertEquals(config(["--port", "2", "--root", "/c"], variables).roots, ["/c"]);
  assertEquals(config(["--port=2"], { PI_SERVER_PORT: "junk" }).port, 2, "what is not used is not judged");
});

Deno.test("config: a switch that is turned off on the command line is off, whatever its variable says", () => {
  assertEquals(config(["--demo=false"], { PI_SERVER_DEMO: "1" }).demo, false);
});

Deno.test("config: a switch takes true or false and nothing else", () => {
  for (const text of ["1", "true", "YES", "on"]) {
    assertEquals(config([], { PI_SERVER_DEMO: text }).demo, true);
  }
  for (const text of ["", "0", "false", "No", "off"]) {
    assertEquals(config([], { PI_SERVER_DEMO: text }).demo, false);
  }
  refused([], ["PI_SERVER_DEMO", "true or false", '"maybe"'], { PI_SERVER_DEMO: "maybe" });
  // The token must not fall to a typing error.
  for (const text of ["maybe", "0", "false", ""]) {
    const parsed = parse([`--no-auth=${text}`]);
    assertEquals(parsed.kind === "invalid" || (parsed.kind === "serve" && parsed.config.auth), true, text);
  }
});

Deno.test("config: a switch on the command line takes true or false and nothing else", () => {
  refused(["--demo=maybe"], ["--demo"]);
});

Deno.test("config: an error in a variable names the variable", () => {
  refused([], ["PI_SERVER_PORT", '"junk"'], { PI_SERVER_PORT: "junk" });
  refused([], ["PI_SERVER_STDIO"], { PI_SERVER_STDIO: "maybe" });
});

Deno.test("config: a base path is one path, and no address", () => {
  for (const path of ["pi", "/pi//x", "/..", "https://a.example/pi", "/a b", "/a?b"]) {
    refused(["--base-path", path], ["--base-path", "/tools/pi", path]);
  }
  refused(["--console", "maybe"], ["--console", "on, off", "maybe"]);
});

Deno.test("config: an origin from a variable is judged under the variable's name", () => {
  refused([], ["PI_SERVER_ALLOW_ORIGIN", "*"], { PI_SERVER_ALLOW_ORIGIN: "*" });
});

Deno.test("config: no token is asked for on loopback alone", () => {
  for (const host of ["127.0.0.1", "127.9.9.9", "localhost", "::1"]) {
    assertEquals(config(["--no-auth", "--host", host]).auth, false);
  }
  for (
    const host of ["0.0.0.0", "::", "10.0.0.1", "pi.example", "127.0.0.1.evil.example", "localhost.evil"]
  ) {
    refused(["--no-auth", "--host", host], ["--no-auth", host]);
  }
  refused(["--host", "0.0.0.0"], ["--no-auth"], { PI_SERVER_NO_AUTH: "1" });
});

Deno.test("config: an IPv4 address has one spelling, and names and IPv6 addresses stay as they are", () => {
  for (const host of ["127.1", "0x7f.0.0.1", "2130706433", "127.0.0.01", "127.0.0.1."]) {
    refused(["--host", host], ["--host", host, "write 127.0.0.1"]);
  }
  refused([], ["PI_SERVER_HOST", "write 10.0.0.1"], { PI_SERVER_HOST: "10.1" });
  for (const host of ["127.0.0.1", "localhost", "LOCALHOST", "::1", "::ffff:127.0.0.1", "pi.example"]) {
    assertEquals(config(["--host", host]).host, host);
  }
  assertEquals(config(["--host", "[::1]"]).host, "::1");
});

Deno.test("config: something must be left to serve", () => {
  refused(["--no-ws", "--stdio", "off"], ["--no-ws", "--stdio"]);
  assertEquals(config(["--no-ws"]).ws, false);
});

Deno.test("config: help and version are flags only, and come before everything else that is valid", () => {
  assertEquals([parse(["--help"]).kind, parse(["--version"]).kind], ["help", "version"]);
  assertEquals(parse(["--licenses"]).kind, "licenses");
  assertEquals(parse(["--help", "--port", "junk"]).kind, "help");
  assertEquals(
    parse([], { PI_SERVER_HELP: "1", PI_SERVER_VERSION: "1", PI_SERVER_LICENSES: "1" }).kind,
    "serve",
  );
});
