// The few icons of the page, drawn as lines in the colour of the text. They say nothing to screen readers: the button
// around them has a name.

const PATHS = {
  plus: "M8 3v10M3 8h10",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10ZM11 11l3.5 3.5",
  more: "M3 8h.01M8 8h.01M13 8h.01",
  back: "M10 3 5 8l5 5",
  tree: "M4 3v10M4 6h5a3 3 0 0 0 3-3M4 10h5a3 3 0 0 1 3 3",
  settings: "M2 5h7M13 5h1M2 11h1M7 11h7M11 3v4M5 9v4",
  send: "M8 13V3M3.5 7.5 8 3l4.5 4.5",
  stop: "M4.5 4.5h7v7h-7Z",
  picture: "M2.5 3.5h11v9h-11ZM2.5 11l3-3 2.5 2.5L11 7l2.5 2.5",
  bell: "M4 11V7a4 4 0 0 1 8 0v4l1 1.5H3ZM7 14.5h2",
  leave: "M9 3H3v10h6M7 8h7M11.5 5.5 14 8l-2.5 2.5",
  copy: "M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8Z",
  close: "M4 4l8 8M12 4l-8 8",
} as const;

/** An icon of 16 pixels. */
export function Icon({ name }: { readonly name: keyof typeof PATHS }) {
  return (
    <svg class="ic" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
