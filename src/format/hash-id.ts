import { encodeText } from "../base/bytes.ts";
import { checksum64 } from "../base/checksum.ts";
import { padPartition } from "./keys.ts";

/** Name of the partitioner that every database has which names no other. */
export const HASH_PARTITIONER = "HashPartitioner";

/** XXH64 of an id's UTF-8, in two halves that a number holds. */
export interface IdHash {
  readonly hi: number;
  readonly lo: number;
}

const whole = new BigUint64Array(1);
const halves = new Uint32Array(whole.buffer);

/** Every id of a record fits, whose UTF-8 is at most 1 KiB. */
const scratch = new Uint8Array(1024);

/** What the id index and the id filter of every segment are built from. */
export function hashId(id: string): IdHash {
  return hashIdBytes(asciiBytes(id) ?? encodeText(id));
}

/**
 * The bytes of a text of one byte a character, valid until the next call. An array of its own for
 * each id would cost several times what the hash does: every operation is hashed when it comes.
 */
function asciiBytes(text: string): Uint8Array | undefined {
  if (text.length > scratch.length) return undefined;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return undefined;
    scratch[i] = code;
  }
  return scratch.subarray(0, text.length);
}

/** The same from the id's bytes. */
export function hashIdBytes(bytes: Uint8Array): IdHash {
  whole[0] = checksum64(bytes);
  return { hi: halves[1]!, lo: halves[0]! };
}

/** The hash modulo the number of partitions, which is at most 1,000. */
export function partitionOfHash({ hi, lo }: IdHash, partitionCount: number): number {
  return ((hi % partitionCount) * (2 ** 32 % partitionCount) + lo) % partitionCount;
}

/** `vectors/p007` for 7: what people call a partition. */
export function partitionName(partition: number): string {
  return `vectors/p${padPartition(partition)}`;
}

/** The number in a name; `undefined` for what is none. */
export function partitionOfName(name: string): number | undefined {
  const match = /^vectors\/p(\d{3})$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}
