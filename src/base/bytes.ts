const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** UTF-8. Lone surrogates become U+FFFD; ids are checked for them before they come here. */
export function encodeText(text: string): Uint8Array {
  return encoder.encode(text);
}

/** UTF-8; throws a `TypeError` on bytes that are none, which decoders turn into corruption. */
export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** One array holding all of `parts`, in order. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.byteLength;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

/** The same bytes in the same order. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.byteLength !== b.byteLength) return false;
  for (let i = 0; i < a.byteLength; i++) if (a[i] !== b[i]) return false;
  return true;
}
