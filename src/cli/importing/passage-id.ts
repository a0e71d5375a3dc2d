/** The id of a passage; `part` counts the passages with the same lines, from 1. */
export function passageId(
  path: string,
  lines: { readonly lineStart: number; readonly lineEnd: number; readonly part: number },
): string {
  const { lineStart, lineEnd, part } = lines;
  return `${path}#${lineStart}-${lineEnd}${part === 1 ? "" : `.${part}`}`;
}

/**
 * Whether an import of this file made the id. Others may carry the path in their metadata too,
 * and an import never deletes those.
 */
export function isPassageOf(path: string, id: string): boolean {
  return id.startsWith(`${path}#`) && /^\d+-\d+(?:\.\d+)?$/.test(id.slice(path.length + 1));
}
