import { opendir, stat } from "node:fs/promises";
import { basename, isAbsolute, join, relative, resolve, sep } from "node:path";
import { BrainyError } from "../../base/errors.ts";
import { systemCode } from "../system-code.ts";

/** How the bytes of a source are to be read. */
export type SourceFormat = "jsonl" | "json" | "text";

/** A file, or standard input, that records are read from. */
export interface Source {
  /** As records and messages name it: relative to the current folder, with forward slashes. */
  readonly path: string;
  /** `undefined` for standard input. */
  readonly file: string | undefined;
  readonly bytes: number;
  readonly format: SourceFormat;
  readonly isGzip: boolean;
  /** Named on the command line, so what cannot be read of it is an error and not passed over. */
  readonly isNamed: boolean;
}

/** What to take of the folders that are named. */
export interface FindOptions {
  readonly format: SourceFormat | "auto";
  /** Paths relative to the named folder that are wanted; all when `undefined`. */
  readonly isWanted: ((path: string) => boolean) | undefined;
}

/**
 * Folders that hold what tools made. Hidden ones are passed over anyway, and so is a folder that
 * is itself a database.
 */
const FOLDERS_IGNORED = new Set(["node_modules"]);
const DATABASE_FOLDER = "_brainy";

/** What arguments stand for. */
export interface FoundSources {
  /** Each file once, those of a folder in order of their names. */
  readonly sources: readonly Source[];
  /** The folders among the arguments, as records name them; the current one is `""`. */
  readonly folders: readonly string[];
}

/** Looks at the arguments, and into folders among them. */
export async function findSources(
  names: readonly string[],
  options: FindOptions,
): Promise<FoundSources> {
  const sources = new Map<string, Source>();
  const folders: string[] = [];
  for (const name of names) {
    if (name === "-") {
      sources.set("-", standardInput(options.format));
      continue;
    }
    const file = resolve(name);
    const { size, isFolder } = await look(name, file);
    if (isFolder) {
      folders.push(displayPath(file));
      for await (const found of walk(file, file, options)) sources.set(found.file!, found);
    } else {
      sources.set(file, sourceOf(file, size, { format: options.format, isNamed: true }));
    }
  }
  return { sources: [...sources.values()], folders };
}

function standardInput(format: FindOptions["format"]): Source {
  return {
    path: "stdin",
    file: undefined,
    bytes: 0,
    format: format === "auto" ? "jsonl" : format,
    isGzip: false,
    isNamed: true,
  };
}

async function look(name: string, file: string): Promise<{ size: number; isFolder: boolean }> {
  try {
    const stats = await stat(file);
    return { size: stats.size, isFolder: stats.isDirectory() };
  } catch (error) {
    const code = systemCode(error);
    if (code !== "ENOENT" && code !== "ENOTDIR") throw error;
    throw new BrainyError("BRAINY_NOT_FOUND", `${name}: no such file or folder`, { cause: error });
  }
}

/** Links are not followed: they may lead in circles, and out of the folder that was named. */
async function* walk(root: string, folder: string, options: FindOptions): AsyncGenerator<Source> {
  const entries = [];
  for await (const entry of await opendir(folder)) entries.push(entry);
  if (entries.some(({ name }) => name === DATABASE_FOLDER)) return;
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    if (entry.name.startsWith(".") || FOLDERS_IGNORED.has(entry.name)) continue;
    const file = join(folder, entry.name);
    if (entry.isDirectory()) {
      yield* walk(root, file, options);
    } else if (entry.isFile()) {
      if (options.isWanted?.(slashed(relative(root, file))) === false) continue;
      const { size } = await stat(file);
      yield sourceOf(file, size, { format: options.format, isNamed: false });
    }
  }
}

function sourceOf(
  file: string,
  bytes: number,
  options: { readonly format: FindOptions["format"]; readonly isNamed: boolean },
): Source {
  const isGzip = file.toLowerCase().endsWith(".gz");
  const { format, isNamed } = options;
  return {
    path: displayPath(file),
    file,
    bytes,
    format: format === "auto" ? formatOf(isGzip ? file.slice(0, -3) : file) : format,
    isGzip,
    isNamed,
  };
}

/** Relative to the current folder, unless it lies outside. */
function displayPath(file: string): string {
  const inside = relative(process.cwd(), file);
  const isOutside = inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside);
  return slashed(isOutside ? file : inside);
}

function formatOf(file: string): SourceFormat {
  const name = basename(file).toLowerCase();
  if (name.endsWith(".jsonl") || name.endsWith(".ndjson")) return "jsonl";
  return name.endsWith(".json") ? "json" : "text";
}

function slashed(path: string): string {
  return sep === "/" ? path : path.replaceAll(sep, "/");
}
