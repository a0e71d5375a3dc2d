import { posix } from "node:path";
import type { RepositoryFile } from "./repository.ts";

/*
 * Rules about the repository itself that no linter states. Each takes files and returns one
 * line per offender, so that tidy.test.ts can hold it against the repository and against a
 * planted offender.
 */

/** Returns one line per offender, naming file and line. */
export type Rule = (files: readonly RepositoryFile[]) => readonly string[];

/** Layers of `src/`, lowest first. Imports between folders go strictly down. */
const LAYERS: readonly (readonly string[])[] = [
  ["base"],
  ["kernel", "format", "storage"],
  ["vector-index", "text"],
  ["engine"],
  ["cluster"],
  [""],
  ["server"],
  ["cli"],
];

const GENERATED = new Set(["src/kernel/kernel-wasm.ts", "package-lock.json"]);
const LINES_MAX = 600;

/** Time and randomness enter through parameters: a simulation must be able to replace both. */
export const timeAndRandomnessAreParameters: Rule = (files) => {
  const allowed = /^src\/(base\/(clock|random)\.ts|server\/|cli\/)/;
  const banned =
    /\b(Date\.now|performance\.now|Math\.random|AbortSignal\.timeout|randomUUID|getRandomValues)\b|\b(setTimeout|setInterval|setImmediate)\(|\bnew Date\(\)/;
  return grep(
    sources(files).filter(({ path }) => !allowed.test(path)),
    banned,
  );
};

/** `node:` imports live in named folders, so that browsers and workers stay possible. */
export const nodeImportsStayInTheirFolders: Rule = (files) => {
  const allowed = /^src\/(storage\/adapters|engine\/worker|cli|server)\//;
  return imports(shipped(files))
    .filter(({ path, specifier }) => specifier.startsWith("node:") && !allowed.test(path))
    .map(({ path, specifier }) => `${path}: ${specifier}`);
};

/** Between the folders of `src/` imports go down; nothing is imported from outside `src/`. */
export const importsGoDown: Rule = (files) => {
  const offenders: string[] = [];
  for (const { path, specifier } of relativeImports(shipped(files))) {
    const [from, to] = [folderOf(path), folderOf(specifier)];
    if (from === to) continue;
    const [fromRank, toRank] = [rankOf(from), rankOf(to)];
    if (fromRank === undefined || toRank === undefined || toRank >= fromRank) {
      offenders.push(`${path}: imports ${specifier}`);
    }
  }
  return offenders;
};

/** Two folders never import each other, over any number of steps. Parents may hold their parts. */
export const foldersHaveNoCycles: Rule = (files) => {
  const edges = new Map<string, Set<string>>();
  for (const { path, specifier } of relativeImports(shipped(files))) {
    const [from, to] = [posix.dirname(path), posix.dirname(specifier)];
    if (`${from}/`.startsWith(`${to}/`) || `${to}/`.startsWith(`${from}/`)) continue;
    edges.set(from, (edges.get(from) ?? new Set()).add(to));
  }
  const reaches = (start: string): Set<string> => {
    const seen = new Set<string>();
    const open = [start];
    for (let folder = open.pop(); folder !== undefined; folder = open.pop()) {
      for (const next of edges.get(folder) ?? []) {
        if (seen.has(next)) continue;
        seen.add(next);
        open.push(next);
      }
    }
    return seen;
  };
  return [...edges.keys()].filter((folder) => reaches(folder).has(folder)).toSorted();
};

/** Every invariant of a spec is named in brackets by a test, and every name is in one spec. */
export const invariantsAndTestsAgree: Rule = (files) => {
  const specified = new Map<string, string>();
  const offenders: string[] = [];
  for (const { path, text } of files.filter((file) => /^docs\/specs\/.*\.md$/.test(file.path))) {
    for (const match of text.matchAll(/^### ([A-Z]{1,2}\d+):/gm)) {
      const id = match[1]!;
      const other = specified.get(id);
      if (other !== undefined) offenders.push(`${path}: ${id} is already defined in ${other}`);
      specified.set(id, path);
    }
  }
  const tested = new Map<string, string>();
  for (const { path, text } of files) {
    if (!/^src\/.*(\.test|\/conformance)\.ts$|^test\/.*\.ts$/.test(path)) continue;
    for (const match of text.matchAll(/["'`][^"'`\n]*\[([A-Z]{1,2}\d+)\]/g)) {
      for (const id of match[0].matchAll(/\[([A-Z]{1,2}\d+)\]/g)) tested.set(id[1]!, path);
    }
  }
  for (const [id, path] of specified) if (!tested.has(id)) offenders.push(`${path}: ${id} no test`);
  for (const [id, path] of tested) if (!specified.has(id)) offenders.push(`${path}: ${id} no spec`);
  return offenders;
};

/** A file over the limit holds two things that want a name each. */
export const filesAreShort: Rule = (files) =>
  code(files)
    .map(({ path, text }) => ({ path, lines: text.trimEnd().split("\n").length }))
    .filter(({ path, lines }) => !GENERATED.has(path) && lines > LINES_MAX)
    .map(({ path, lines }) => `${path}: ${lines} lines`);

/** A lock file that names hosts sends every installer there. */
export const lockFilesNameNoHost: Rule = (files) =>
  files
    .filter(({ path }) => posix.basename(path) === "package-lock.json")
    .filter(({ text }) => /"resolved": "[a-z+]+:\/\//.test(text))
    .map(({ path }) => path);

/** What is left to do is either done or written where it is planned. */
export const nothingIsLeftForLater: Rule = (files) =>
  grepText(code(files), new RegExp(["TO" + "DO", "FIX" + "ME", "X" + "XX"].join("|")));

/** `.only` hides every other test of its file. */
export const noTestIsAlone: Rule = (files) => grep(tests(files), /\.only\(/);

/** A skipped test says why: in its argument, or in a comment or printed line just above. */
export const skipsGiveReasons: Rule = (files) => {
  const offenders: string[] = [];
  for (const { path, text } of tests(files)) {
    const lines = text.split("\n");
    for (const [index, line] of lines.entries()) {
      const call = withoutStrings(line).search(/\.(skip|skipIf|runIf)\(/);
      if (call === -1) continue;
      const near = lines.slice(Math.max(0, index - 4), index + 1).join("\n");
      const hasReason = /\/\/|\*\/|console\.|stdout|\.skip\([^)]*["'`]\s*\)/.test(near);
      if (!hasReason) offenders.push(`${path}:${index + 1}: ${line.trim()}`);
    }
  }
  return offenders;
};

/** Relative links of Markdown files lead to files, and to headings where they name one. */
export const linksLead: Rule = (files) => {
  const paths = new Set(files.map(({ path }) => path));
  const headings = new Map(
    markdown(files).map(({ path, text }) => [path, new Set(anchors(text))] as const),
  );
  const offenders: string[] = [];
  for (const { path, text } of markdown(files)) {
    for (const match of withoutFences(text).matchAll(/\]\(([^)\s]+)(?: "[^"]*")?\)/g)) {
      const link = match[1]!;
      if (/^[a-z]+:/.test(link)) continue;
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? path : posix.normalize(posix.join(posix.dirname(path), file));
      const folder = target.endsWith("/") ? target : `${target}/`;
      const exists = paths.has(target) || [...paths].some((other) => other.startsWith(folder));
      const leads = anchor === undefined || headings.get(target)?.has(anchor) !== false;
      if (!exists || !leads) offenders.push(`${path}: ${link}`);
    }
  }
  return offenders;
};

/** A path of one machine means nothing on another. */
export const noPathOfOneMachine: Rule = (files) => {
  const folders = ["work", "root", "home"].join("|");
  return grepText(
    files.filter(({ path }) => !GENERATED.has(path)),
    new RegExp(`(?:file://|(?<![\\w./}\\])>*-]))/(?:${folders})(?![\\w-])`),
  );
};

/** Every exported symbol says what its type cannot. Overloads share the first one's comment. */
export const exportsAreDocumented: Rule = (files) => {
  const declaration =
    /^export (?:declare )?(?:default )?(?:abstract )?(?:async )?(?:function\*?|class|interface|type|const|let) (\w+)/;
  const offenders: string[] = [];
  for (const { path, text } of shipped(files)) {
    const lines = text.split("\n");
    const seen = new Set<string>();
    for (const [index, line] of lines.entries()) {
      const name = declaration.exec(line)?.[1];
      if (name === undefined || seen.has(name)) continue;
      seen.add(name);
      if (!hasDocComment(lines, index)) offenders.push(`${path}:${index + 1}: ${name}`);
    }
  }
  return offenders;
};

/** `#private` is private at run time too; the keywords are only a wish, but for constructors. */
export const privacyIsReal: Rule = (files) =>
  grep(sources(files), /^\s+(?:private|protected|public)\s+(?!constructor\b)[\w[#]/);

/** Files are named after their main export, in kebab case; the suffix is the kind. */
export const namesAreKebabCase: Rule = (files) =>
  files
    .filter(({ path }) => /^(src|test)\/.*\.ts$/.test(path))
    .filter(({ path }) => {
      const kebab = /^[a-z0-9]+(-[a-z0-9]+)*((\.(sim|model|e2e))?\.test|\.test-d)?\.ts$/;
      return !kebab.test(posix.basename(path));
    })
    .map(({ path }) => path);

// ---------------------------------------------------------------------------------------------

const sources = (files: readonly RepositoryFile[]): readonly RepositoryFile[] =>
  files.filter(({ path }) => /^src\/.*\.ts$/.test(path) && !GENERATED.has(path));

const shipped = (files: readonly RepositoryFile[]): readonly RepositoryFile[] =>
  sources(files).filter(({ path }) => !/\.test(-d)?\.ts$/.test(path));

const tests = (files: readonly RepositoryFile[]): readonly RepositoryFile[] =>
  files.filter(({ path }) => /^src\/.*\.test\.ts$|^test\/.*\.ts$/.test(path));

const code = (files: readonly RepositoryFile[]): readonly RepositoryFile[] =>
  files.filter(({ path }) => /^(src|test|scripts|bench|examples|kernel)\/.*\.m?[tj]s$/.test(path));

const markdown = (files: readonly RepositoryFile[]): readonly RepositoryFile[] =>
  files.filter(({ path }) => path.endsWith(".md"));

/** Lines of code that match, comments left out. */
function grep(files: readonly RepositoryFile[], pattern: RegExp): string[] {
  return grepText(
    files.map(({ path, text }) => ({ path, text: withoutComments(text) })),
    pattern,
  );
}

function grepText(files: readonly RepositoryFile[], pattern: RegExp): string[] {
  return files.flatMap(({ path, text }) =>
    text
      .split("\n")
      .map((line, index) => ({ line, at: `${path}:${index + 1}` }))
      .filter(({ line }) => pattern.test(line))
      .map(({ line, at }) => `${at}: ${line.trim().slice(0, 120)}`),
  );
}

/** Blanks comments, keeping line numbers. A `//` after a quote or a colon is part of a string. */
function withoutComments(text: string): string {
  return text
    .replaceAll(/\/\*[\s\S]*?\*\//g, (comment) => comment.replaceAll(/[^\n]/g, " "))
    .replaceAll(/(^|[\s;,{}()])\/\/.*$/gm, "$1");
}

function withoutStrings(line: string): string {
  return line.replaceAll(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g, '""');
}

function withoutFences(text: string): string {
  return text.replaceAll(/^(```|~~~)[\s\S]*?^\1/gm, "").replaceAll(/`[^`\n]*`/g, "");
}

/** Import specifiers of a file: static, dynamic, re-exports, and `new URL(…, import.meta.url)`. */
function imports(
  files: readonly RepositoryFile[],
): readonly { readonly path: string; readonly specifier: string }[] {
  const pattern =
    /\b(?:from|import)\s*\(?\s*"([^"\n]+)"|\bnew URL\(\s*"([^"\n]+)",\s*import\.meta\.url/g;
  return files.flatMap(({ path, text }) =>
    [...withoutComments(text).matchAll(pattern)].map((match) => ({
      path,
      specifier: match[1] ?? match[2]!,
    })),
  );
}

/** Relative imports, resolved to a path from the root. */
function relativeImports(
  files: readonly RepositoryFile[],
): readonly { readonly path: string; readonly specifier: string }[] {
  return imports(files)
    .filter(({ specifier }) => specifier.startsWith("."))
    .map(({ path, specifier }) => ({
      path,
      specifier: posix.normalize(posix.join(posix.dirname(path), specifier)),
    }));
}

/** `src/engine/tail/rows.ts` → `engine`; a file of `src/` itself → ``; outside `src/` → itself. */
function folderOf(path: string): string {
  if (!path.startsWith("src/")) return path;
  const parts = path.split("/");
  return parts.length === 2 ? "" : parts[1]!;
}

function rankOf(folder: string): number | undefined {
  const rank = LAYERS.findIndex((layer) => layer.includes(folder));
  return rank === -1 ? undefined : rank;
}

/** Whether the lines above `index` end in a doc comment. Line comments in between are skipped. */
function hasDocComment(lines: readonly string[], index: number): boolean {
  let above = index - 1;
  while (above >= 0 && lines[above]!.startsWith("//")) above--;
  if (above < 0 || !lines[above]!.trimEnd().endsWith("*/")) return false;
  while (above >= 0 && !lines[above]!.includes("/*")) above--;
  return above >= 0 && lines[above]!.trimStart().startsWith("/**");
}

/** Anchors of headings the way code hosts derive them; a repeated heading gets a number. */
function anchors(text: string): string[] {
  const counts = new Map<string, number>();
  return [...text.replaceAll(/^(```|~~~)[\s\S]*?^\1/gm, "").matchAll(/^#{1,6} +(.+?) *#*$/gm)].map(
    (match) => {
      const slug = match[1]!
        .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
        .replaceAll(/\s/g, "-");
      const count = counts.get(slug) ?? 0;
      counts.set(slug, count + 1);
      return count === 0 ? slug : `${slug}-${count}`;
    },
  );
}
