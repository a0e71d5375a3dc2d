import { encodeText } from "../base/bytes.ts";
import { checksum64 } from "../base/checksum.ts";

/** XXH64 of an id's UTF-8, in two halves that a number holds. */
export interface IdHash {
  readonly hi: number;
  readonly lo: number;
}

const whole = new BigUint64Array(1);
const halves = new Uint32Array(whole.buffer);

/** What the id index and the id filter of every segment are built from. */
export function hashId(id: string): IdHash {
  return hashIdBytes(encodeText(id));
}

/** The same from the id's bytes. */
export function hashIdBytes(bytes: Uint8Array): IdHash {
  whole[0] = checksum64(bytes);
  return { hi: halves[1]!, lo: halves[0]! };
}
