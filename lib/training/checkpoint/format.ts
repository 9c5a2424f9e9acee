/**
 * The file format of checkpoints: eight letters, a version, the length of the header, a header in JSON, the tensors' bytes,
 * and the SHA-256 of all that comes before. Numbers are little endian.
 */
import { LossError } from "../../loss/error.ts";

const magic = new TextEncoder().encode("LOSSMITH");
const version = 1;
const fixedBytes = magic.length + 8;
const digestBytes = 32;

/** A tensor in the file. */
export interface StoredTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface Stored {
  /** JSON. */
  readonly state: unknown;
  readonly tensors: readonly StoredTensor[];
}

interface Header {
  readonly state: unknown;
  readonly tensors: readonly { readonly dtype: string; readonly shape: readonly number[]; readonly size: number }[];
}

export async function encode({ state, tensors }: Stored): Promise<Uint8Array<ArrayBuffer>> {
  const header: Header = {
    state,
    tensors: tensors.map(({ dtype, shape, bytes }) => ({ dtype, shape, size: bytes.length })),
  };
  const text = new TextEncoder().encode(JSON.stringify(header));
  const size = tensors.reduce((sum, { bytes }) => sum + bytes.length, fixedBytes + text.length);
  const file = new Uint8Array(size + digestBytes);
  file.set(magic);
  const view = new DataView(file.buffer);
  view.setUint32(magic.length, version, true);
  view.setUint32(magic.length + 4, text.length, true);
  file.set(text, fixedBytes);
  let at = fixedBytes + text.length;
  for (const { bytes } of tensors) {
    file.set(bytes, at);
    at += bytes.length;
  }
  file.set(await digest(file.subarray(0, size)), size);
  return file;
}

export async function decode(given: Uint8Array, where: string): Promise<Stored> {
  // Node's Buffer has a slice that copies nothing.
  const file = new Uint8Array(given.buffer, given.byteOffset, given.byteLength);
  if (file.length < magic.length || magic.some((byte, i) => file[i] !== byte)) {
    throw new LossError(where, "it is no checkpoint of lossmith", "Give a file that checkpoint.save has written");
  }
  const torn = new LossError(
    where,
    "the checkpoint is torn: its checksum is not that of its contents",
    "Go back to an earlier checkpoint",
  );
  if (file.length < fixedBytes + digestBytes) throw torn;
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const found = view.getUint32(magic.length, true);
  const size = file.length - digestBytes;
  const expected = file.subarray(size);
  if ((await digest(file.slice(0, size))).some((byte, i) => expected[i] !== byte)) throw torn;
  if (found !== version) {
    throw new LossError(
      where,
      `the checkpoint has version ${found} of the format`,
      `This version of lossmith reads version ${version}; use the one that has written it`,
    );
  }
  const end = fixedBytes + view.getUint32(magic.length + 4, true);
  const header = JSON.parse(new TextDecoder().decode(file.subarray(fixedBytes, end))) as Header;
  let at = end;
  const tensors = header.tensors.map(({ dtype, shape, size: bytes }) => {
    at += bytes;
    return { dtype, shape, bytes: file.slice(at - bytes, at) };
  });
  return { state: header.state, tensors };
}

async function digest(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}
