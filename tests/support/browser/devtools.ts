// A page in a headless Chromium, looked at through the browser's own tools, which no policy of the page concerns.

import { at } from "../base/json.ts";
import { deadline } from "../base/wait.ts";

const PAGE_MS = 120_000;

/** Finds the address of the browser's tools in what it writes when it starts; keeps reading, so that it can go on. */
async function toolsOf(stderr: ReadableStream<Uint8Array>): Promise<string> {
  const found = Promise.withResolvers<string>();
  let text = "";
  const read = async (): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of stderr) {
      text = `${text}${decoder.decode(chunk, { stream: true })}`.slice(-20_000);
      const url = /DevTools listening on (ws:\S+)/.exec(text)?.[1];
      if (url !== undefined) found.resolve(url);
    }
    found.reject(new Error(`Chromium has ended: ${text.slice(-2_000)}`));
  };
  void read();
  return await deadline(found.promise, PAGE_MS, () => `Chromium's tools; it wrote ${text.slice(-2_000)}`);
}

/** A connection to the tools of one page. */
class Tools {
  readonly #socket: WebSocket;
  readonly #seen: unknown[] = [];
  readonly #waiting = new Set<() => void>();
  #sent = 0;

  constructor(url: string) {
    this.#socket = new WebSocket(url);
    this.#socket.onmessage = ({ data }) => {
      this.#seen.push(JSON.parse(String(data)));
      for (const wake of [...this.#waiting]) wake();
    };
  }

  async opened(): Promise<void> {
    const opened = Promise.withResolvers<void>();
    this.#socket.onopen = () => opened.resolve();
    this.#socket.onerror = () => opened.reject(new Error("Chromium's tools cannot be reached"));
    await deadline(opened.promise, PAGE_MS, () => "a connection to Chromium's tools");
  }

  /** The result of a command. */
  async ask(method: string, params: unknown = {}): Promise<unknown> {
    const id = ++this.#sent;
    this.#socket.send(JSON.stringify({ id, method, params }));
    const answer = await this.message((message) => at(message, "id") === id, `the answer to ${method}`);
    const wrong = at(answer, "error") ?? at(answer, "result", "exceptionDetails");
    if (wrong !== undefined) throw new Error(`${method}: ${JSON.stringify(wrong)}`);
    return at(answer, "result");
  }

  /** The first message that fits. */
  async message(fits: (message: unknown) => boolean, what: string): Promise<unknown> {
    const end = performance.now() + PAGE_MS;
    while (true) {
      const found = this.#seen.find(fits);
      if (found !== undefined) return found;
      const changed = Promise.withResolvers<void>();
      this.#waiting.add(changed.resolve);
      try {
        await deadline(changed.promise, end - performance.now(), () => what);
      } finally {
        this.#waiting.delete(changed.resolve);
      }
    }
  }

  close(): void {
    this.#socket.close();
  }
}

/** Opens the address in a browser of its own and returns what the expression, a promise, comes to in the page. */
export async function inspect(program: string, url: string, expression: string): Promise<unknown> {
  const profile = await Deno.makeTempDir({ prefix: "pi-server-chromium-" });
  const child = new Deno.Command(program, {
    args: [
      ...["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"],
      ...["--disable-background-networking", "--disable-sync", "--disable-extensions", "--mute-audio"],
      ...[`--user-data-dir=${profile}`, "--remote-debugging-port=0", "about:blank"],
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    env: { HOME: profile },
  }).spawn();
  try {
    const { host } = new URL(await toolsOf(child.stderr));
    const made = await fetch(`http://${host}/json/new?about:blank`, { method: "PUT" });
    const tools = new Tools(String(at(await made.json(), "webSocketDebuggerUrl")));
    await tools.opened();
    await tools.ask("Page.enable");
    await tools.ask("Page.navigate", { url });
    await tools.message((message) => at(message, "method") === "Page.loadEventFired", `${url} to be loaded`);
    const params = { expression, awaitPromise: true, returnByValue: true };
    const said = await tools.ask("Runtime.evaluate", params);
    tools.close();
    return at(said, "result", "value");
  } finally {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await child.status;
    await Deno.remove(profile, { recursive: true }).catch(() => {});
  }
}
