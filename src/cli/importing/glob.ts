import { invalid } from "../../base/errors.ts";

/**
 * Compiles a glob to a test of paths with forward slashes: `*` and `?` stay within a folder, `**`
 * crosses folders, `{a,b}` is either. A pattern without a slash is about the file's name alone.
 */
export function compileGlob(pattern: string): (path: string) => boolean {
  const anywhere = pattern.includes("/") ? "" : "(?:.*/)?";
  const source = new RegExp(`^${anywhere}${translate(pattern)}$`, "u");
  return (path) => source.test(path);
}

function translate(pattern: string): string {
  let source = "";
  let depth = 0;
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at]!;
    if (pattern.startsWith("**/", at)) {
      source += "(?:.*/)?";
      at += 2;
    } else if (pattern.startsWith("**", at)) {
      source += ".*";
      at += 1;
    } else if (character === "*") source += "[^/]*";
    else if (character === "?") source += "[^/]";
    else if (character === "{") {
      source += "(?:";
      depth++;
    } else if (character === "}" && depth > 0) {
      source += ")";
      depth--;
    } else if (character === "," && depth > 0) source += "|";
    else source += character.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
  }
  if (depth > 0) throw invalid(`--glob ${JSON.stringify(pattern)}: a brace is not closed`);
  return source;
}
