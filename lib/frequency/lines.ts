const newline = 10;

/**
 * The lines of bytes that arrive in pieces, without their ends. In UTF-8 the byte of a line's end is part of no other
 * character. What follows the last end is a line unless it is empty.
 */
export async function* linesOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Uint8Array[]> {
  let held: Uint8Array[] = [];
  for await (const bytes of pieces) {
    const lines: Uint8Array[] = [];
    let start = 0;
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, start)) {
      const last = bytes.subarray(start, end);
      lines.push(held.length === 0 ? last : concatenated([...held, last]));
      held = [];
      start = end + 1;
    }
    // A copy: what gave the bytes may reuse them.
    if (start < bytes.length) held.push(bytes.slice(start));
    if (lines.length > 0) yield lines;
  }
  if (held.length > 0) yield [concatenated(held)];
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
