import { BrainyError } from "../base/errors.ts";

/** Bytes as standard base64 with padding; for small values inside JSON. */
export function encodeBase64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** The inverse; text that no `encodeBase64` makes is corruption of `where`. */
export function decodeBase64(text: string, where: string): Uint8Array<ArrayBuffer> {
  let binary: string;
  try {
    binary = atob(text);
  } catch (cause) {
    throw new BrainyError("BRAINY_CORRUPT", `${where}: not base64`, { cause });
  }
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
