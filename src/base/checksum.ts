import xxhash from "xxhash-wasm";

const { create64, h64Raw } = await xxhash();

/**
 * The hasher copies its input into its own memory and never gives that back, so large inputs go
 * in slices: its memory stays at about this size whatever it is fed.
 */
const SLICE_BYTES = 1 << 20;

/** XXH64 with seed 0 (https://github.com/Cyan4973/xxHash, specification 0.2.0). */
export function checksum64(bytes: Uint8Array): bigint {
  if (bytes.byteLength <= SLICE_BYTES) return h64Raw(bytes);
  const hash = create64();
  for (let start = 0; start < bytes.byteLength; start += SLICE_BYTES) {
    hash.update(bytes.subarray(start, start + SLICE_BYTES));
  }
  return hash.digest();
}

/** XXH64 fed piece by piece. */
export class ChecksumStream {
  readonly #hash = create64();

  update(bytes: Uint8Array): void {
    for (let start = 0; start < bytes.byteLength; start += SLICE_BYTES) {
      this.#hash.update(bytes.subarray(start, start + SLICE_BYTES));
    }
  }

  digest(): bigint {
    return this.#hash.digest();
  }
}

/** `checksum64` as sixteen hexadecimal digits, for JSON documents. */
export function checksumHex(bytes: Uint8Array): string {
  return checksum64(bytes).toString(16).padStart(16, "0");
}
