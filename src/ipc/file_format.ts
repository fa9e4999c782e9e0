// Does: holds what each engine understands of a session file, as plain data.
// Used by: the adapters of pi, whose types hold the tables complete, and the catalogue, which never loads pi.
import type { Engine } from "../protocol/pi_package.ts";

/** The parts of a session file that pi understands. */
export interface FileFormat {
  /** The newest version of a header. */
  readonly version: number;
  /** Types of entries. */
  readonly types: ReadonlySet<string>;
  /** Roles of messages. */
  readonly roles: ReadonlySet<string>;
  /** Whether a compaction may name itself as the first entry that it keeps, and so keep none. */
  readonly keepsNothing: boolean;
  /** Whether pi skips entries of unknown types. False where another engine of this server knows them. */
  readonly skipsUnknown: boolean;
  /** What a user can do about a file that only a newer pi understands. */
  readonly wayOut: string;
}

const TYPES_0_73 = {
  session: true,
  message: true,
  thinking_level_change: true,
  model_change: true,
  compaction: true,
  branch_summary: true,
  custom: true,
  custom_message: true,
  label: true,
  session_info: true,
} as const;

const ROLES_0_73 = {
  user: true,
  assistant: true,
  toolResult: true,
  bashExecution: true,
  custom: true,
  branchSummary: true,
  compactionSummary: true,
} as const;

/** The tables of each engine. */
export const FILE_TABLES = {
  "0.73": { version: 3, types: TYPES_0_73, roles: ROLES_0_73 },
  "1.6": {
    version: 3,
    types: { ...TYPES_0_73, usage: true, context_edit: true },
    roles: { ...ROLES_0_73, system: true },
  },
} as const;

const formatOf = (engine: Engine, rest: Pick<FileFormat, "keepsNothing" | "skipsUnknown" | "wayOut">) => {
  const { version, types, roles } = FILE_TABLES[engine];
  return { version, types: new Set(Object.keys(types)), roles: new Set(Object.keys(roles)), ...rest };
};

/** The format of each engine. */
export const FILE_FORMATS: Readonly<Record<Engine, FileFormat>> = {
  "0.73": formatOf("0.73", {
    keepsNothing: false,
    skipsUnknown: false,
    wayOut: "start the server with --pi 1.6, which reads them",
  }),
  "1.6": formatOf("1.6", {
    keepsNothing: true,
    // No other engine of this server knows more, and pi 1.6 does the same with such a file in a terminal.
    skipsUnknown: true,
    wayOut: "run the server with the newer pi that wrote them",
  }),
};
