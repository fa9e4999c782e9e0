// The scrolling transcript: a window of rows that follows the reader. At the end it stays at the end while answers
// come; elsewhere the row under the reader's eye stays where it is, whatever is added above or grows.
import { Component, createRef } from "preact";
import { RowView } from "./row_view.tsx";
import type { Row, Transcript } from "./transcript.ts";
import { appended, atEnd, down, type RowWindow, shifted, up } from "./window.ts";
import { Button } from "../parts/button.tsx";

interface Props {
  readonly transcript: Transcript;
  /** Loads older messages; resolves when they are in the transcript. */
  readonly loadOlder: () => Promise<void>;
}

interface State {
  /** The transcript's rows when the window was set: their places belong together. */
  readonly rows: readonly Row[];
  readonly window: RowWindow;
  readonly following: boolean;
  readonly loading: boolean;
}

/** This close to the end counts as the end. */
const END_PX = 48;

/** A transcript that scrolls. */
export class TranscriptList extends Component<Props, State> {
  override state: State = {
    rows: this.props.transcript.rows,
    window: atEnd(this.props.transcript.rows.length),
    following: true,
    loading: false,
  };
  readonly #scroller = createRef<HTMLDivElement>();
  readonly #content = createRef<HTMLDivElement>();
  #stop: (() => void) | undefined;
  #sizes: ResizeObserver | undefined;
  #life = this.props.transcript.life;
  #lastTop = 0;
  #anchor: { readonly key: string; readonly top: number } | undefined;

  override componentDidMount(): void {
    this.#stop = this.props.transcript.changed.follow(() => this.#changed());
    this.#sizes = new ResizeObserver(() => this.#hold());
    const [scroller, content] = [this.#scroller.current, this.#content.current];
    if (scroller !== null) this.#sizes.observe(scroller);
    if (content !== null) this.#sizes.observe(content);
    this.#changed();
    this.#hold();
  }

  override componentWillUnmount(): void {
    this.#stop?.();
    this.#sizes?.disconnect();
  }

  override componentDidUpdate(): void {
    this.#hold();
  }

  /** Goes to the newest row. */
  toEnd(): void {
    const { rows } = this.props.transcript;
    this.setState({ rows, window: atEnd(rows.length), following: true });
  }

  override render() {
    const { transcript } = this.props;
    const { rows, window, following, loading } = this.state;
    const shown = rows.slice(window.start, window.end);
    const older = window.start > 0 || transcript.first > 0;
    return (
      <div class="transcript">
        <div
          class="scroller"
          ref={this.#scroller}
          onScroll={() => this.#scrolled()}
          role="log"
          aria-live="off"
          aria-label="Transcript"
          tabIndex={0}
        >
          <div class="rows" ref={this.#content}>
            {older && (
              <p class="older">
                {transcript.full && window.start === 0
                  ? "Older messages are too many; export the session instead"
                  : (
                    <Button class="more" disabled={loading} onClick={() => this.#up()}>
                      {loading ? "Older messages are loading" : "Older messages"}
                    </Button>
                  )}
              </p>
            )}
            {shown.map((row) => (
              <div key={row.key} class="slot" data-key={row.key}>
                <RowView row={row} transcript={transcript} />
              </div>
            ))}
          </div>
        </div>
        {!following && (
          <Button class="toend" onClick={() => this.toEnd()}>
            <span aria-hidden="true">↓</span> To the end
          </Button>
        )}
      </div>
    );
  }

  #changed(): void {
    const { transcript } = this.props;
    const { rows } = transcript;
    const total = rows.length;
    const anew = transcript.life !== this.#life;
    this.#life = transcript.life;
    const shift = transcript.takeShift();
    this.setState(({ window, following }) => ({
      rows,
      window: anew ? atEnd(total) : appended(shifted(window, shift, total), total, following),
      following: anew || following,
    }));
    if (this.state.following && transcript.tooLarge) transcript.trim();
  }

  #scrolled(): void {
    const scroller = this.#scroller.current;
    if (scroller === null) return;
    const { scrollTop, scrollHeight, clientHeight } = scroller;
    const { rows: { length: total }, window, following } = this.state;
    const below = scrollHeight - clientHeight - scrollTop;
    const wentUp = scrollTop < this.#lastTop - 1;
    this.#lastTop = scrollTop;
    const atBottom = below <= END_PX && window.end >= total;
    if (atBottom && following) return;
    this.#mark();
    if (atBottom !== following && (atBottom || wentUp)) this.setState({ following: atBottom });
    if (scrollTop < clientHeight * 1.5 && !atBottom) this.#up();
    else if (below < clientHeight && window.end < total) this.setState({ window: down(window, total) });
  }

  #up(): void {
    const { window, loading } = this.state;
    const { transcript, loadOlder } = this.props;
    if (window.start > 0) return this.setState({ window: up(window), following: false });
    if (loading || transcript.first === 0 || transcript.full) return;
    this.setState({ loading: true, following: false });
    const done = (): void => this.setState({ loading: false });
    loadOlder().then(done, done);
  }

  /** Remembers which row the reader looks at, and where it is. */
  #mark(): void {
    const [scroller, content] = [this.#scroller.current, this.#content.current];
    if (scroller === null || content === null) return;
    const edge = scroller.getBoundingClientRect().top;
    for (const child of content.children) {
      const { top, bottom } = child.getBoundingClientRect();
      const key = child instanceof HTMLElement ? child.dataset["key"] : undefined;
      if (bottom > edge && key !== undefined) {
        this.#anchor = { key, top: top - edge };
        this.#lastTop = scroller.scrollTop;
        return;
      }
    }
  }

  /** Puts the page where the reader left it, after something has changed its height. */
  #hold(): void {
    const [scroller, content] = [this.#scroller.current, this.#content.current];
    if (scroller === null || content === null) return;
    if (this.state.following) {
      scroller.scrollTop = scroller.scrollHeight;
      this.#lastTop = scroller.scrollTop;
      return;
    }
    const anchor = this.#anchor;
    if (anchor === undefined) return this.#mark();
    for (const child of content.children) {
      if (!(child instanceof HTMLElement) || child.dataset["key"] !== anchor.key) continue;
      // The reader may have scrolled since the row was marked, and that is to stay.
      const top = anchor.top - (scroller.scrollTop - this.#lastTop);
      const moved = child.getBoundingClientRect().top - scroller.getBoundingClientRect().top - top;
      if (Math.abs(moved) >= 1) scroller.scrollTop += moved;
      this.#anchor = { key: anchor.key, top };
      this.#lastTop = scroller.scrollTop;
      return;
    }
    this.#mark();
  }
}
