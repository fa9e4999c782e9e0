// What came of runs of tests: how many cases passed, and which failed or were left out. Read from the reports of
// `deno test`.
// Used by: test.ts, test_newer.ts.

/** What came of one run of tests; `broken` names what kept it from running or from being counted. */
export interface Outcome {
  passed: number;
  failed: number;
  ignored: number;
  /** Names of the cases that were left out; each says why. */
  leftOut?: readonly string[];
  /** The cases that failed, each with the beginning of what it said. */
  failures?: readonly string[];
  seconds: number;
  /** Processor time of the tests and of the programs that they started and waited for; 0 where it is not known. */
  busySeconds: number;
  broken?: string;
}

/** A run that has run no case. */
export const NOTHING: Outcome = { passed: 0, failed: 0, ignored: 0, seconds: 0, busySeconds: 0 };

/** The processor time that `times` of a shell has printed last: the shell's own line, and that of its children. */
export function takeTimes(output: string): { text: string; busySeconds: number } {
  const found = /(?:^|\n)\S+ \S+\n(\d+)m([\d.,]+)s (\d+)m([\d.,]+)s\s*$/.exec(output);
  const [, userMinutes, user = "", systemMinutes, system = ""] = found ?? [];
  const seconds = (text: string): number => Number(text.replace(",", "."));
  return found === null ? { text: output, busySeconds: 0 } : {
    text: output.slice(0, found.index),
    busySeconds: 60 * (Number(userMinutes) + Number(systemMinutes)) + seconds(user) + seconds(system),
  };
}

/** The sum of several runs. What ran no case at all is broken. */
export function total(outcomes: readonly Outcome[]): Outcome {
  const sum = (of: (outcome: Outcome) => number): number => outcomes.reduce((all, one) => all + of(one), 0);
  const [passed, failed] = [sum((one) => one.passed), sum((one) => one.failed)];
  const broken = outcomes.find((one) => one.broken !== undefined)?.broken ??
    (passed + failed === 0 ? "no case was run" : undefined);
  return {
    passed,
    failed,
    ignored: sum(({ ignored }) => ignored),
    leftOut: outcomes.flatMap(({ leftOut = [] }) => leftOut),
    failures: outcomes.flatMap(({ failures = [] }) => failures),
    seconds: sum(({ seconds }) => seconds),
    busySeconds: sum(({ busySeconds }) => busySeconds),
    ...(broken === undefined ? {} : { broken }),
  };
}

/** How much of a failure the end of the report has. The output of its file has the whole. */
const [LINES, CHARACTERS] = [20, 1500];

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

/** The text that an attribute of XML stands for. */
const plain = (text: string): string =>
  text.replace(/&(lt|gt|quot|apos|amp);/g, (_, name) => ENTITIES[name] ?? "");

/** Counts the cases of a JUnit report of `deno test`. */
export function countCases(report: string): Omit<Outcome, "seconds" | "busySeconds" | "broken"> {
  const cases = report.match(/<testcase\b[^>]*?(?:\/>|>[\s\S]*?<\/testcase>)/g) ?? [];
  const nameOf = (one: string): string => plain(/\bname="([^"]*)"/.exec(one)?.[1] ?? "a case without a name");
  const failures = cases.filter((one) => /<(?:failure|error)\b/.test(one)).map((one) => {
    const said = plain(/<(?:failure|error) message="([^"]*)"/.exec(one)?.[1] ?? "").slice(0, CHARACTERS);
    return [nameOf(one), ...said.split("\n").slice(0, LINES)].join("\n    ");
  });
  const leftOut = cases.filter((one) => /<skipped\b/.test(one)).map(nameOf);
  const [failed, ignored] = [failures.length, leftOut.length];
  return { passed: cases.length - failed - ignored, failed, ignored, leftOut, failures };
}

/** Says what went wrong or how long it took. */
export function tell(name: string, outcome: Outcome): void {
  const { passed, failed, seconds, busySeconds, broken } = outcome;
  const times = `${seconds.toFixed(0)} s, ${busySeconds.toFixed(0)} s of processor time`;
  console.log(`\n${name}: ${broken ?? `${passed} passed, ${failed} failed`} (${times})\n`);
}

/** Says at the end which cases were left out, and which failed. */
export function tellCases(outcomes: readonly Outcome[]): void {
  for (const name of outcomes.flatMap(({ leftOut = [] }) => leftOut)) console.log(`left out: ${name}`);
  for (const failure of outcomes.flatMap(({ failures = [] }) => failures)) console.log(`failed: ${failure}`);
  for (const { broken } of outcomes) if (broken !== undefined) console.log(`broken: ${broken}`);
}
