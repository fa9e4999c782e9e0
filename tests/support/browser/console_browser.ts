// The console in a real Chromium: one browser for a file, and a tab with storage of its own for each person. It
// records everything that must not happen: a script that ran, a request that left, a broken rule of the policy.

import axe from "axe-core";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { findChromium } from "./chromium.ts";

export type { Page } from "playwright-core";

const program = await findChromium();

/** Whether there is a Chromium here. */
export const HAS_CHROMIUM: boolean = program !== undefined;

let browser: Promise<Browser> | undefined;

/** The browser of this file, started at the first call. */
function launched(): Promise<Browser> {
  return browser ??= chromium.launch({
    ...(program === undefined ? {} : { executablePath: program }),
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
}

/** Ends the browser, if there is one. */
export async function closeBrowser(): Promise<void> {
  await (await browser)?.close();
  browser = undefined;
}

/** How a person looks at the console. */
export interface View {
  readonly width?: number;
  readonly height?: number;
  readonly dark?: boolean;
  readonly phone?: boolean;
}

/** Runs in every page before its own scripts: hostile text may set `hostileRan`, and rules that were needed are kept. */
const WATCH = `
  globalThis.policyNeeded = [];
  document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sample }) =>
    globalThis.policyNeeded.push(violatedDirective + " " + blockedURI + " " + sample));
`;

/** One person: tabs that share a browser's storage, apart from everybody else's. */
export class Person implements AsyncDisposable {
  readonly #context: BrowserContext;
  readonly #origin: string;
  /** Addresses of requests to anything but the server. */
  readonly left: string[] = [];
  /** Texts of boxes that a script has opened, of errors, and of what the page wrote as an error. */
  readonly wrong: string[] = [];

  private constructor(context: BrowserContext, origin: string) {
    this.#context = context;
    this.#origin = origin;
    context.on("request", (request) => {
      const url = new URL(request.url());
      const own = url.host === new URL(origin).host || url.protocol === "data:" || url.protocol === "blob:";
      if (!own) this.left.push(url.href.slice(0, 200));
    });
    context.on("dialog", (dialog) => {
      this.wrong.push(`a box: ${dialog.message()}`);
      void dialog.dismiss();
    });
    context.on("weberror", (error) => void this.wrong.push(`an error: ${error.error().message}`));
  }

  /** @param origin of the server, such as `http://127.0.0.1:3141` */
  static async make(origin: string, { width = 1280, height = 800, dark, phone }: View = {}): Promise<Person> {
    const context = await (await launched()).newContext({
      viewport: { width, height },
      ...(dark === true ? { colorScheme: "dark" as const } : {}),
      ...(phone === true ? { hasTouch: true, isMobile: true, deviceScaleFactor: 2 } : {}),
      reducedMotion: "reduce",
    });
    context.setDefaultTimeout(20_000);
    await context.addInitScript(WATCH);
    return new Person(context, origin);
  }

  /** A new tab at the console, with a token in the fragment or without. */
  async open(token?: string, path = "/"): Promise<Page> {
    const page = await this.#context.newPage();
    await page.goto(`${this.#origin}${path}${token === undefined ? "" : `#token=${token}`}`);
    return page;
  }

  /** Everything that has been stored beyond the tab: cookies, and what all tabs share. */
  async kept(page: Page): Promise<string> {
    const shared = await page.evaluate("JSON.stringify(Object.entries(localStorage))");
    return JSON.stringify([await this.#context.cookies(), shared]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#context.close();
  }
}

/** What hostile text has got through to: whether a script ran, and which rules of the policy had to stop something. */
export async function hostileTraces(page: Page): Promise<string[]> {
  const ran = await page.evaluate("String(globalThis.hostileRan ?? '')");
  const rules: unknown = await page.evaluate("globalThis.policyNeeded");
  return [
    ...ran === "" ? [] : [`ran: ${ran}`],
    ...Array.isArray(rules) ? rules.map((rule) => `policy: ${rule}`) : [],
  ];
}

/** What axe-core finds wrong with the page: rule, and where. */
export async function axeFindings(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const found: unknown = await page.evaluate(
    "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.flatMap(" +
      "({ id, nodes }) => nodes.map(({ target, failureSummary }) => id + ' ' + target.join(' ') + ': ' + failureSummary)))",
  );
  return Array.isArray(found) ? found.map(String) : ["axe-core gave no answer"];
}

/** Whether the page is wider than its window: the elements that stand out and do not scroll by themselves. */
const STANDING_OUT = `(() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return "";
  const scrolls = (element) => {
    for (let at = element.parentElement; at !== null && at !== document.body; at = at.parentElement) {
      if (getComputedStyle(at).overflowX !== "visible") return true;
    }
    return false;
  };
  const out = [...document.querySelectorAll("body *")].filter((element) =>
    element.getBoundingClientRect().right > width + 1 && !scrolls(element));
  return [width, ...out.slice(0, 8).map((element) => element.tagName + "." + element.className)].join(" ");
})()`;

/** The elements by which the page is wider than its window; empty when it is not. */
export async function overflow(page: Page): Promise<string> {
  return String(await page.evaluate(STANDING_OUT));
}
