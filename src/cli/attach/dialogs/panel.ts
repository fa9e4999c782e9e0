// What may stand in the place of the editor: the editor itself, a list to choose from, a question. It has the keys
// while it stands there, and draws at most `room` lines.
import type { Component, Focusable } from "@mariozechner/pi-tui";

/** The lower part of the screen that has the keys. */
export interface Panel extends Component, Focusable {
  /** Most lines that it may draw; set before each frame. */
  room: number;
  handleInput(data: string): void;
}
