// Dialogs of one session: what clients are shown, whose answer counts, and everything that ends a dialog, each
// exactly once and without leaving a timer or a listener behind.
import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  type Answer,
  type DialogResponse,
  Dialogs,
  type Question,
} from "../../../src/worker/session/dialogs.ts";
import type { SessionEvent } from "../../../src/protocol/events.ts";
import { FakeClock, turn } from "../../support/base/fake_clock.ts";
import { at } from "../support/fakes.ts";

const SELECT: Question = {
  method: "select",
  title: "Which?",
  fields: { options: ["A", "B"] },
  options: ["A", "B"],
};
const CONFIRM: Question = { method: "confirm", title: "Sure?", fields: { message: "Really" } };
const INPUT: Question = { method: "input", title: "Name?", fields: { placeholder: "Bob" } };
const EDITOR: Question = { method: "editor", title: "Text?", fields: { prefill: "x\ny" } };

/** A signal that counts its listeners. */
class CountedSignal {
  readonly #controller = new AbortController();
  readonly signal: AbortSignal = this.#controller.signal;
  listeners = 0;

  constructor() {
    const { signal } = this;
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      this.listeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      this.listeners--;
      remove(...args);
    };
  }

  abort(): void {
    this.#controller.abort();
  }
}

/** Dialogs and all that came of them. */
class Bench {
  readonly clock = new FakeClock();
  readonly events: SessionEvent[] = [];
  readonly counts: number[] = [];
  readonly answers: Answer[] = [];
  readonly dialogs: Dialogs;
  onEvent: (event: SessionEvent) => void = () => {};
  #uuids = 0;

  constructor(most = 9) {
    this.dialogs = new Dialogs({
      sessionId: "s",
      clock: this.clock,
      uuid: () => `u${++this.#uuids}`,
      most,
      emit: (event) => {
        this.events.push(event);
        this.onEvent(event);
      },
      changed: (open) => this.counts.push(open),
    });
  }

  /** Asks; the answer is kept under `answers` in the order of asking, once there is one. */
  ask(question: Question): void {
    const index = this.answers.length;
    this.answers.length = index + 1;
    void this.dialogs.ask(question).then((answer) => this.answers[index] = answer ?? "nothing");
  }

  /** The code and the sentence of a refusal, or "taken". */
  respond(requestId: string, response: DialogResponse): string {
    const failed = this.dialogs.respond(requestId, response);
    return failed === undefined ? "taken" : `${failed.code} ${failed.message}`;
  }

  get ids(): string[] {
    return this.dialogs.pending.map(({ requestId }) => requestId);
  }

  /** `requestId by` of each dialog that was ended. */
  get ended(): string[] {
    return this.events.flatMap(({ type, ...rest }) =>
      type === "extension_ui_resolved" ? [`${Reflect.get(rest, "requestId")} ${Reflect.get(rest, "by")}`] : []
    );
  }
}

const METHODS: readonly (readonly [Question, DialogResponse, Answer])[] = [
  [SELECT, { method: "select", value: "B" }, "B"],
  [CONFIRM, { method: "confirm", confirmed: true }, true],
  [CONFIRM, { method: "confirm", confirmed: false }, false],
  [INPUT, { method: "input", value: "Al" }, "Al"],
  [INPUT, { method: "input", value: "" }, ""],
  [EDITOR, { method: "editor", value: "one\ntwo" }, "one\ntwo"],
];

for (const [question, response, answer] of METHODS) {
  Deno.test(`dialogs: ${question.method} is shown with its fields and answered ${JSON.stringify(answer)}`, async () => {
    const bench = new Bench();
    bench.ask(question);
    const request = { requestId: "u1", method: question.method, title: question.title, ...question.fields };
    assertEquals(bench.events, [{ type: "extension_ui_request", ...request }]);
    const createdAt = "2026-01-02T03:04:05.000Z";
    assertEquals(bench.dialogs.pending, [{ sessionId: "s", ...request, createdAt }]);
    assertEquals(bench.respond("u1", response), "taken");
    await turn();
    assertEquals(bench.answers, [answer]);
    assertEquals(at(bench.events, -1), { type: "extension_ui_resolved", requestId: "u1", by: "client" });
    assertEquals([bench.ids, bench.counts, bench.clock.pending], [[], [1, 0], 0]);
  });
}

Deno.test("dialogs: a client can cancel any dialog, which counts as no answer", async () => {
  const bench = new Bench();
  for (const question of [SELECT, CONFIRM, INPUT, EDITOR]) bench.ask(question);
  for (const id of bench.ids) assertEquals(bench.respond(id, { method: "cancelled" }), "taken");
  await turn();
  assertEquals(bench.answers, Array(4).fill("nothing"));
  assertEquals(bench.ended, ["u1 client", "u2 client", "u3 client", "u4 client"]);
});

Deno.test("dialogs: the first answer wins, later ones are refused, and nothing more is emitted", async () => {
  const bench = new Bench();
  bench.ask(CONFIRM);
  assertEquals(bench.respond("u1", { method: "confirm", confirmed: true }), "taken");
  const emitted = bench.events.length;
  for (
    const late of [
      { method: "confirm", confirmed: false },
      { method: "cancelled" },
      { method: "select", value: "x" },
    ] as const
  ) {
    assertStringIncludes(bench.respond("u1", late), "ui_already_resolved");
  }
  await turn();
  assertEquals([bench.answers, bench.events.length], [[true], emitted]);
});

Deno.test("dialogs: an id that never was is ui_request_not_found, names of JavaScript's own too", () => {
  const bench = new Bench();
  bench.ask(CONFIRM);
  for (const id of ["u2", "", "__proto__", "constructor"]) {
    assertStringIncludes(bench.respond(id, { method: "cancelled" }), "ui_request_not_found");
  }
  assertEquals(bench.ids, ["u1"]);
});

Deno.test("dialogs: an answer to another method is refused, and the dialog stays as it was", async () => {
  const bench = new Bench();
  for (const question of [SELECT, CONFIRM, INPUT, EDITOR]) bench.ask(question);
  const wrong: readonly (readonly [string, DialogResponse, string])[] = [
    ["u1", { method: "confirm", confirmed: true }, "select"],
    ["u1", { method: "input", value: "A" }, "select"],
    ["u2", { method: "select", value: "true" }, "confirm"],
    ["u3", { method: "editor", value: "x" }, "input"],
    ["u4", { method: "input", value: "x" }, "editor"],
  ];
  for (const [id, response, expected] of wrong) {
    const told = bench.respond(id, response);
    for (const word of ["invalid_params /response/method", `"${expected}"`, `"${response.method}"`]) {
      assertStringIncludes(told, word);
    }
  }
  assertEquals([bench.ids, bench.ended], [["u1", "u2", "u3", "u4"], []]);
  assertEquals(bench.respond("u1", { method: "select", value: "A" }), "taken", "a right one still counts");
  await turn();
  assertEquals(bench.answers[0], "A");
});

Deno.test("dialogs: a select takes its options alone; other texts are free", async () => {
  const bench = new Bench();
  bench.ask(SELECT);
  for (const value of ["C", "", "a", "A ", "constructor"]) {
    const told = bench.respond("u1", { method: "select", value });
    for (const word of ["invalid_params /response/value", '["A","B"]', JSON.stringify(value)]) {
      assertStringIncludes(told, word);
    }
  }
  bench.ask({ ...SELECT, fields: { options: [] }, options: [] });
  assertStringIncludes(bench.respond("u2", { method: "select", value: "A" }), "invalid_params");
  assertEquals([bench.ids, bench.respond("u1", { method: "select", value: "B" })], [["u1", "u2"], "taken"]);
  await turn();
  assertEquals(bench.answers[0], "B");
});

Deno.test("dialogs: a timeout ends a dialog at its moment, tells the client how long, and is then late", async () => {
  const bench = new Bench();
  bench.ask({ ...CONFIRM, timeoutMs: 500 });
  assertEquals(Reflect.get(at(bench.events, 0), "timeoutMs"), 500);
  assertEquals(Reflect.get(at(bench.dialogs.pending, 0), "timeoutMs"), 500);
  await bench.clock.advance(499);
  assertEquals([bench.ids, bench.ended], [["u1"], []]);
  await bench.clock.advance(1);
  assertEquals([bench.ids, bench.ended, bench.answers], [[], ["u1 timeout"], ["nothing"]]);
  assertStringIncludes(bench.respond("u1", { method: "confirm", confirmed: true }), "ui_already_resolved");
  bench.ask({ ...CONFIRM, timeoutMs: 500 });
  bench.respond("u2", { method: "confirm", confirmed: true });
  assertEquals(bench.clock.pending, 0, "an answer clears the timer");
  await bench.clock.advance(1_000);
  assertEquals([bench.ended.length, bench.answers], [2, ["nothing", true]]);
});

Deno.test("dialogs: a signal ends its dialog as cancelled; one that is aborted already opens no dialog", async () => {
  const bench = new Bench();
  const [one, other] = [new CountedSignal(), new CountedSignal()];
  bench.ask({ ...INPUT, signal: one.signal });
  bench.ask({ ...INPUT, signal: other.signal });
  one.abort();
  await turn();
  assertEquals([bench.ended, bench.ids, bench.answers[0]], [["u1 cancelled"], ["u2"], "nothing"]);
  bench.ask({ ...INPUT, signal: one.signal });
  await turn();
  assertEquals([bench.ids, bench.events.length, bench.answers[2]], [["u2"], 3, "nothing"]);
});

Deno.test("dialogs: however a dialog ends, its timer and its listener are gone", async () => {
  const ends: readonly ((bench: Bench, signal: CountedSignal) => unknown)[] = [
    (bench) => bench.respond("u1", { method: "input", value: "x" }),
    (bench) => bench.respond("u1", { method: "cancelled" }),
    (bench) => bench.dialogs.cancel("cancelled"),
    (bench) => bench.dialogs.close(),
    (_bench, signal) => signal.abort(),
    (bench) => bench.clock.advance(1_000),
  ];
  for (const end of ends) {
    const [bench, signal] = [new Bench(), new CountedSignal()];
    bench.ask({ ...INPUT, signal: signal.signal, timeoutMs: 1_000 });
    assertEquals([bench.clock.pending, signal.listeners], [1, 1]);
    await end(bench, signal);
    assertEquals([bench.clock.pending, signal.listeners, bench.ids], [0, 0, []], String(end));
    signal.abort();
    await bench.clock.advance(5_000);
    assertEquals([bench.ended.length, bench.counts], [1, [1, 0]], String(end));
  }
});

Deno.test("dialogs: cancel ends all that are open with its reason, and new ones can be asked", async () => {
  const bench = new Bench();
  for (const question of [CONFIRM, INPUT]) bench.ask(question);
  bench.dialogs.cancel("session");
  await turn();
  assertEquals([bench.ended, bench.answers], [["u1 session", "u2 session"], ["nothing", "nothing"]]);
  bench.ask(CONFIRM);
  assertEquals([bench.ids, bench.counts], [["u3"], [1, 2, 1, 0, 1]]);
});

Deno.test("dialogs: one more than the limit is cancelled, with an error for people, and harms no other", async () => {
  const bench = new Bench(2);
  for (const question of [CONFIRM, INPUT, { ...EDITOR, timeoutMs: 9 }]) bench.ask(question);
  await turn();
  assertEquals([bench.ids, bench.answers[2], bench.clock.pending], [["u1", "u2"], "nothing", 0]);
  const error = at(bench.events, -1);
  assertEquals(error.type, "extension_error");
  for (const word of ["Text?", "2"]) assertStringIncludes(String(Reflect.get(error, "error")), word);
  bench.respond("u1", { method: "cancelled" });
  bench.ask(EDITOR);
  assertEquals(bench.ids, ["u2", "u3"], "an end makes room");
});

Deno.test("dialogs: close ends them with their session, and opens none after that", async () => {
  const bench = new Bench();
  bench.ask(CONFIRM);
  bench.dialogs.close();
  bench.dialogs.close();
  bench.ask(INPUT);
  await turn();
  assertEquals([bench.ended, bench.answers], [["u1 session"], ["nothing", "nothing"]]);
  assertEquals([bench.ids, bench.events.length], [[], 2]);
});

Deno.test("dialogs: one that is asked while others are cancelled stays open", () => {
  const bench = new Bench();
  for (const question of [CONFIRM, EDITOR]) bench.ask(question);
  bench.onEvent = ({ type }) => {
    bench.onEvent = () => {};
    if (type === "extension_ui_resolved") bench.ask(INPUT);
  };
  bench.dialogs.cancel("cancelled");
  assertEquals([bench.ids, bench.ended], [["u3"], ["u1 cancelled", "u2 cancelled"]]);
});

Deno.test("dialogs: the last thousand that ended differ from unknown ids", () => {
  const bench = new Bench();
  for (let count = 1; count <= 1_002; count++) {
    bench.ask(CONFIRM);
    bench.respond(`u${count}`, { method: "cancelled" });
  }
  assertStringIncludes(bench.respond("u3", { method: "cancelled" }), "ui_already_resolved");
  assertStringIncludes(bench.respond("u2", { method: "cancelled" }), "ui_request_not_found");
});
