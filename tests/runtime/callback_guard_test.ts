// Callbacks that an extension on Deno hands over: their errors are reported, and everything else is as it was. The guard
// changes the thread that it runs in, so a thread of its own has it.
import { assertEquals } from "@std/assert";

const GUARD = new URL("../../src/runtime/callback_guard.ts", import.meta.url).href;

/** Runs a body in a thread with guarded callbacks; `errors` has those so far. */
async function inThread(body: string): Promise<unknown> {
  const source = `
    import { guardCallbacks } from "${GUARD}";
    const errors = [];
    guardCallbacks((error) => errors.push(error));
    // In a thread that is late a timer runs before an immediate of the same turn; the second timer comes after both.
    const rest = () => new Promise((resolve) => setTimeout(() => setTimeout(resolve, 0), 20));
    const odd = () => new Proxy({}, { getPrototypeOf() { throw 1; } });
    const result = await (async () => { ${body} })();
    postMessage(result);
  `;
  const worker = new Worker(`data:text/javascript,${encodeURIComponent(source)}`, { type: "module" });
  try {
    return await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
      };
    });
  } finally {
    worker.terminate();
  }
}

for (
  const [name, call] of Object.entries({
    setTimeout: "setTimeout(fail, 0)",
    setImmediate: "setImmediate(fail)",
    queueMicrotask: "queueMicrotask(fail)",
    nextTick: '(await import("node:process")).default.nextTick(fail)',
    listener: 'const t = new EventTarget(); t.addEventListener("x", fail); t.dispatchEvent(new Event("x"))',
    "listener object":
      'const t = new EventTarget(); t.addEventListener("x", { handleEvent: fail }); t.dispatchEvent(new Event("x"))',
    reportError: "reportError(odd())",
  })
) {
  Deno.test(`callback guard: an error of ${name} is reported once, and the thread goes on`, async () => {
    const body = `const fail = () => { throw odd(); }; ${call}; await rest(); return errors.length;`;
    assertEquals(await inThread(body), 1);
  });
}

Deno.test("callback guard: listeners get their arguments, run once where they should, and can be removed", async () => {
  const body = `
    const seen = [];
    const target = new EventTarget();
    const listener = function (event) { seen.push([event.type, this === target]); };
    const object = { name: "o", handleEvent() { seen.push(this.name); } };
    target.addEventListener("a", listener);
    target.addEventListener("a", listener);
    target.addEventListener("a", object, { once: true });
    target.addEventListener("a", null);
    target.dispatchEvent(new Event("a"));
    target.dispatchEvent(new Event("a"));
    target.removeEventListener("a", listener);
    target.dispatchEvent(new Event("a"));
    return [seen, errors.length];
  `;
  assertEquals(await inThread(body), [[["a", true], "o", ["a", true]], 0]);
});

Deno.test("callback guard: timers give arguments and results as before", async () => {
  const body = `
    const { promisify } = await import("node:util");
    const value = await new Promise((resolve) => setTimeout((a, b) => resolve(a + b), 1, 2, 3));
    const late = await promisify(setTimeout)(1, "late");
    let threw = false;
    try { new EventTarget().addEventListener("x"); } catch (error) { threw = error instanceof TypeError; }
    return [value, late, threw, errors.length];
  `;
  assertEquals(await inThread(body), [5, "late", true, 0]);
});
