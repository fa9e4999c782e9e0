// A QR code as a drawing: for a phone that is to open this console.
import { useMemo } from "preact/hooks";
import { qrCode } from "../text/qr_code.ts";

/** Light modules around the code, which cameras need. */
const QUIET = 3;

/** Dark modules as one path; neighbours in a row are one stroke. */
function modules(text: string): { readonly path: string; readonly size: number } {
  const rows = qrCode(text);
  const parts: string[] = [];
  rows.forEach((row, y) => {
    for (let x = 0; x < row.length; x++) {
      if (row[x] !== true) continue;
      const start = x;
      while (row[x + 1] === true) x++;
      const width = x - start + 1;
      parts.push(`M${start + QUIET} ${y + QUIET}h${width}v1h-${width}z`);
    }
  });
  return { path: parts.join(""), size: rows.length + 2 * QUIET };
}

/** The code of that text; always dark on light, which every camera reads. */
export function QrCode({ text, label }: { readonly text: string; readonly label: string }) {
  const { path, size } = useMemo(() => modules(text), [text]);
  return (
    <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label}>
      <path d={path} />
    </svg>
  );
}
