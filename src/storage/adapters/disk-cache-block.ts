import { checksum64 } from "../../base/checksum.ts";
import { decodeText, encodeText, equalBytes } from "../../base/bytes.ts";
import type { BlockIdentity } from "../layers/block-cache.ts";
import type { Etag } from "../object-store.ts";

/*
 * One file of the disk cache: a header, then the block. All integers are little endian.
 *
 *      0 magic u32 │ 4 version u16 │ 6 etag bytes u16 │ 8 index u32 │ 12 block bytes u32
 *     16 bytes of the object f64 │ 24 store time f64 │ 32 name, 16 bytes │ 48 checksum of the block
 *     56 zeros │ 64 etag │ 248 checksum of the header │ 256 the block
 *
 * The name is a digest of store and key, so a file that was moved or copied to another name is
 * not taken for what that name stands for.
 */

/** Length of the header. */
export const BLOCK_HEADER_BYTES = 256;

/** Length of what stands for store and key. */
export const NAME_BYTES = 16;

const MAGIC = 0x4b4c_4242;
const VERSION = 1;
const NAME_AT = 32;

const ETAG_AT = 64;
const CHECKSUM_AT = 248;
/** Etags of stores have 32 to 70 characters; an object with a longer one is not kept. */
const ETAG_BYTES_MAX = CHECKSUM_AT - ETAG_AT;

/** Which block a file holds, beside the identity of its object. */
export interface BlockPlace {
  /** Sixteen bytes that stand for store and key. */
  readonly name: Uint8Array;
  readonly index: number;
  readonly blockBytes: number;
}

/** The header of a block's file; `undefined` when its etag does not fit. */
export function encodeBlockHeader(
  { name, index }: BlockPlace,
  { etag, bytesTotal, storeMs }: BlockIdentity,
  block: Uint8Array,
): Uint8Array<ArrayBuffer> | undefined {
  const etagBytes = encodeText(etag);
  if (etagBytes.byteLength > ETAG_BYTES_MAX) return undefined;
  const header = new Uint8Array(BLOCK_HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, VERSION, true);
  view.setUint16(6, etagBytes.byteLength, true);
  view.setUint32(8, index, true);
  view.setUint32(12, block.byteLength, true);
  view.setFloat64(16, bytesTotal, true);
  view.setFloat64(24, storeMs, true);
  header.set(name, NAME_AT);
  view.setBigUint64(48, checksum64(block), true);
  header.set(etagBytes, ETAG_AT);
  view.setBigUint64(CHECKSUM_AT, checksum64(header.subarray(0, CHECKSUM_AT)), true);
  return header;
}

/** A header that is sound and of the place where it was found. */
export interface BlockHeader extends BlockIdentity {
  readonly bytes: number;
  readonly checksum: bigint;
}

/** `undefined` for anything but a header that this version wrote for this place. */
export function decodeBlockHeader(header: Uint8Array, place: BlockPlace): BlockHeader | undefined {
  if (header.byteLength !== BLOCK_HEADER_BYTES) return undefined;
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const isSound =
    view.getUint32(0, true) === MAGIC &&
    view.getUint16(4, true) === VERSION &&
    view.getBigUint64(CHECKSUM_AT, true) === checksum64(header.subarray(0, CHECKSUM_AT)) &&
    view.getUint32(8, true) === place.index &&
    equalBytes(header.subarray(NAME_AT, NAME_AT + NAME_BYTES), place.name);
  if (!isSound) return undefined;
  const bytesTotal = view.getFloat64(16, true);
  const bytes = view.getUint32(12, true);
  const rest = bytesTotal - place.index * place.blockBytes;
  if (bytes === 0 || bytes !== Math.min(rest, place.blockBytes)) return undefined;
  const storeMs = view.getFloat64(24, true);
  const etag = etagOf(header, view.getUint16(6, true));
  if (etag === undefined || !Number.isSafeInteger(bytesTotal) || !Number.isFinite(storeMs)) {
    return undefined;
  }
  return {
    etag,
    bytesTotal,
    storeMs,
    bytes,
    checksum: view.getBigUint64(48, true),
  };
}

function etagOf(header: Uint8Array, bytes: number): Etag | undefined {
  if (bytes > ETAG_BYTES_MAX) return undefined;
  try {
    return decodeText(header.subarray(ETAG_AT, ETAG_AT + bytes)) as Etag;
  } catch {
    return undefined;
  }
}
