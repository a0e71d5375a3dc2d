/** What may stand in a header: RFC 6750, section 2.1. */
export function isToken(value: unknown): value is string {
  return typeof value === "string" && /^[A-Za-z0-9._~+/=-]{1,512}$/.test(value);
}

/** Takes as long wherever the first difference is. */
export function sameToken(given: string, wanted: string): boolean {
  let difference = given.length ^ wanted.length;
  for (let i = 0; i < wanted.length; i++) {
    difference |= wanted.charCodeAt(i) ^ (i < given.length ? given.charCodeAt(i) : 0);
  }
  return difference === 0;
}

/** Whether only processes of this machine reach a host. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}
