// Which rows of a long transcript are in the page: a stretch that follows the reader, never all of them. Pure.

/** The rows from `start` up to, and without, `end`. */
export interface RowWindow {
  readonly start: number;
  readonly end: number;
}

/** Rows at first, and the rows that one step adds. */
export const FIRST_ROWS = 30;
const STEP_ROWS = 12;
/** Most rows in the page. */
export const MOST_ROWS = 90;

/** The newest rows. */
export function atEnd(total: number): RowWindow {
  return { start: Math.max(0, total - FIRST_ROWS), end: total };
}

/** More rows above; those far below leave the page. */
export function up(window: RowWindow): RowWindow {
  const start = Math.max(0, window.start - STEP_ROWS);
  return { start, end: Math.min(window.end, start + MOST_ROWS) };
}

/** More rows below; those far above leave the page. */
export function down(window: RowWindow, total: number): RowWindow {
  const end = Math.min(total, window.end + STEP_ROWS);
  return { start: Math.max(window.start, end - MOST_ROWS), end };
}

/** The window after rows were added or dropped at the front (`shift` is negative for dropped ones). */
export function shifted(window: RowWindow, shift: number, total: number): RowWindow {
  const start = Math.min(Math.max(0, window.start + shift), total);
  return { start, end: Math.min(Math.max(start, window.end + shift), total) };
}

/** The window after rows were added at the end: a reader at the end sees them, others are not moved. */
export function appended(window: RowWindow, total: number, following: boolean): RowWindow {
  if (!following) return { start: Math.min(window.start, total), end: Math.min(window.end, total) };
  const start = Math.max(0, Math.max(window.start, total - MOST_ROWS));
  // Rows above are dropped in steps, so that the page does not change with each message.
  return total - window.start > MOST_ROWS ? atEnd(total) : { start, end: total };
}
