// A disk in memory that counts what is asked of it and fails when the test says so; for the journal's tests.
import type { Files, GrowingFile } from "../../../src/runtime/runtime.ts";
import { EVERYWHERE } from "../../worker/support/fake_runtime.ts";

/** The disk. */
export class FakeDisk {
  readonly files = new Map<string, Uint8Array>();
  readonly asked: string[] = [];
  /** Called before each operation, which fails or waits as this does. */
  trouble: (operation: string) => Promise<void> | void = () => {};

  async #ask(operation: string): Promise<void> {
    this.asked.push(operation);
    await this.trouble(operation);
  }

  /** How often that was asked. */
  count(operation: string): number {
    return this.asked.filter((one) => one === operation).length;
  }

  text(path: string): string {
    return new TextDecoder().decode(this.files.get(path));
  }

  readonly port: Files = {
    ...EVERYWHERE,
    join: (...parts) => parts.join("/"),
    stat: (path) => {
      const found = this.files.get(path);
      return Promise.resolve(found && { kind: "file", size: found.length, modifiedAt: 0 });
    },
    chunks: (path) => {
      const found = this.files.get(path);
      return (async function* () {
        if (found !== undefined) yield found;
      })();
    },
    rename: async (from, to) => {
      await this.#ask("rename");
      const moved = this.files.get(from);
      this.files.delete(from);
      if (moved !== undefined) this.files.set(to, moved);
      for (const file of this.#open) if (file.path === from) file.path = to;
    },
    link: async (from, to) => {
      await this.#ask("link");
      const found = this.files.get(from);
      if (found !== undefined) this.files.set(to, found);
    },
    syncFolder: () => this.#ask("syncFolder"),
    newFile: async (path) => {
      await this.#ask("newFile");
      this.files.set(path, new Uint8Array(0));
      return this.#grow(path);
    },
  };

  readonly #open = new Set<{ path: string }>();

  #grow(path: string): GrowingFile {
    const file = { path };
    this.#open.add(file);
    return {
      append: async (bytes) => {
        await this.#ask("append");
        const before = this.files.get(file.path) ?? new Uint8Array(0);
        const after = new Uint8Array(before.length + bytes.length);
        after.set(before);
        after.set(bytes, before.length);
        this.files.set(file.path, after);
      },
      sync: () => this.#ask("sync"),
      close: () => {
        this.#open.delete(file);
        return this.#ask("close");
      },
    };
  }
}
