import type { Command } from "commander";
import { BrainyError, invalid } from "../../base/errors.ts";
import { withDatabase } from "../database.ts";
import { examples } from "../examples.ts";
import { EXIT_CODES } from "../exit-codes.ts";
import type { Entry, ProblemEntry } from "../importing/entry.ts";
import type { Source, SourceFormat } from "../importing/find-sources.ts";
import type { ImportEnd } from "../importing/import-entries.ts";
import type { Progress } from "../importing/progress.ts";
import { oneOf, wholeNumber } from "../option-values.ts";
import { globalsOf, type GlobalOptions, type Shell } from "../shell.ts";

const FORMATS = ["auto", "jsonl", "json", "text"] as const;

/** Invalid lines that are named one by one; the rest is only counted. */
const SKIPS_NAMED_MAX = 20;

interface ImportFlags {
  readonly idField?: string;
  readonly vectorField?: string;
  readonly textField?: string;
  readonly type?: string;
  readonly domain?: string;
  readonly format: SourceFormat | "auto";
  readonly glob?: readonly string[];
  readonly ext?: string;
  readonly batchSize: number;
  readonly skipInvalid?: boolean;
  readonly prune?: boolean;
}

/** `brainy import`. */
export function importCommand(program: Command, shell: Shell): void {
  program
    .command("import")
    .summary("add records from JSONL, JSON, Markdown, code and plain text")
    .description(
      "Adds records to the database, and makes it where there is none.\n\n" +
        "Each line of a .jsonl file and each element of a .json array is a record: an object, a " +
        "text or a vector. Every other file is cut into passages, which know their file and lines; " +
        "importing a file again replaces them. Folders are read with everything below them, except " +
        "hidden files, node_modules and what is no text. Files may be packed (.gz).",
    )
    .argument("<file...>", 'files and folders, or "-" for JSONL from standard input')
    .option("--id-field <name>", 'field that is the id of an object (default: "id" if it has one)')
    .option("--vector-field <name>", "field that is the vector; it leaves the metadata")
    .option("--text-field <name>", "field that is the text to search; it leaves the metadata")
    .option("--type <type>", 'type of records that have none (passages: "passage")')
    .option("--domain <domain>", "domain of records that have none")
    .option("--format <format>", "how to read the files", oneOf("--format", FORMATS), "auto")
    .option("--glob <pattern...>", "of folders, only files like this: '**/*.md'")
    .option("--ext <list>", "of folders, only files with these extensions: md,ts")
    .option(
      "--batch-size <n>",
      "records written at once",
      wholeNumber("--batch-size", 10_000),
      1_000,
    )
    .option("--prune", "delete passages of files that are no longer in the named folders")
    .option("--skip-invalid", "pass over invalid records, and say how many, instead of stopping")
    .addHelpText(
      "after",
      examples(
        "brainy import README.md docs",
        "brainy import src --ext ts,tsx --domain code",
        "brainy import products.jsonl.gz --id-field sku --text-field description",
        "cat vectors.jsonl | brainy import - --dimensions 768 --metric cosine",
      ),
    )
    .action((files: string[], flags: ImportFlags, command: Command) =>
      runImport(shell, globalsOf(command), files, flags),
    );
}

async function runImport(
  shell: Shell,
  globals: GlobalOptions,
  files: readonly string[],
  flags: ImportFlags,
): Promise<void> {
  const { findSources } = await import("../importing/find-sources.ts");
  const isWanted = await compileWanted(flags);
  const found = await findSources(files, { format: flags.format, isWanted });
  const { sources } = found;
  if (sources.length === 0) {
    throw new BrainyError("BRAINY_NOT_FOUND", `${files.join(", ")}: no files to import`);
  }
  const { importEntries } = await import("../importing/import-entries.ts");
  const { Progress } = await import("../importing/progress.ts");
  const bytesTotal = sources.reduce((sum, { bytes }) => sum + bytes, 0);
  const isSilent = globals.quiet === true || globals.json === true;
  const progress = new Progress(bytesTotal, { isSilent });
  const { batchSize } = flags;
  const end = await withDatabase(shell, globals, { access: "create", batchSize }, async (brain) => {
    await progress.start();
    try {
      const entries = readAll(shell, globals, { sources, flags, progress });
      const end = await importEntries(entries, {
        brain,
        signal: shell.signal,
        batchSize,
        skipInvalid: flags.skipInvalid === true,
        onSkipped: skipNamer(shell, globals),
        onProgress: ({ imported }) => {
          progress.state.records = imported;
          progress.update();
        },
      });
      const isWhole = end.problem === undefined && !shell.signal.aborted;
      if (flags.prune !== true || !isWhole) return end;
      const { prunePassages } = await import("../importing/prune-passages.ts");
      const pruned = await prunePassages(brain, found.folders);
      return { ...end, counts: { ...end.counts, removed: end.counts.removed + pruned } };
    } finally {
      progress.stop();
    }
  });
  await summarise(shell, globals, { end, sources, progress });
}

/** Names the first invalid records that are passed over; the summary counts them all. */
function skipNamer(shell: Shell, globals: GlobalOptions): (entry: ProblemEntry) => void {
  let skips = 0;
  return ({ where, problem }) => {
    if (skips++ < SKIPS_NAMED_MAX) shell.warn(globals, `skipped ${where}: ${problem}`);
  };
}

async function* readAll(
  shell: Shell,
  globals: GlobalOptions,
  options: {
    readonly sources: readonly Source[];
    readonly flags: ImportFlags;
    readonly progress: Progress;
  },
): AsyncGenerator<Entry> {
  const { readSource } = await import("../importing/read-source.ts");
  const { sources, flags, progress } = options;
  for (const source of sources) {
    if (shell.signal.aborted) return;
    yield* readSource(source, {
      fields: flags,
      signal: shell.signal,
      onBytes: (bytes) => {
        progress.state.bytes += bytes;
        progress.update();
      },
      onPassedOver: (path, reason) => {
        if (globals.verbose === true) shell.say(globals, `passed over ${path}: ${reason}`);
      },
    });
  }
}

/** Says what happened, and what stopped it. */
async function summarise(
  shell: Shell,
  globals: GlobalOptions,
  options: {
    readonly end: ImportEnd;
    readonly sources: readonly Source[];
    readonly progress: Progress;
  },
): Promise<void> {
  const { end, sources, progress } = options;
  const { imported, skipped, removed } = end.counts;
  const isInterrupted = shell.signal.aborted;
  const seconds = Number(progress.seconds.toFixed(3));
  if (globals.json === true) {
    const { bytes } = progress.state;
    const files = sources.length;
    await shell.output.json({ imported, skipped, removed, files, bytes, seconds, isInterrupted });
  } else {
    const notes = [
      skipped > 0 ? `, ${count(skipped, "invalid one")} skipped` : "",
      removed > 0 ? `, ${count(removed, "stale passage")} removed` : "",
      isInterrupted ? "; interrupted, and what was read until then is kept" : "",
    ];
    const rate = Math.round(imported / Math.max(seconds, 0.001)).toLocaleString("en");
    shell.say(
      globals,
      `${count(imported, "record")} from ${count(sources.length, "file")} in ${seconds.toFixed(1)} s ` +
        `(${rate}/s)${notes.join("")}`,
    );
  }
  if (end.problem === undefined) return;
  const { where, problem } = end.problem;
  const message = `${where}: ${problem}. ${count(imported, "record")} before it ${
    imported === 1 ? "is" : "are"
  } kept; --skip-invalid goes on`;
  shell.fail(globals, invalid(message), EXIT_CODES.problems.code);
}

/** The files of folders that `--glob` and `--ext` leave. */
async function compileWanted({
  glob,
  ext,
}: ImportFlags): Promise<((path: string) => boolean) | undefined> {
  if (glob === undefined && ext === undefined) return undefined;
  const { compileGlob } = await import("../importing/glob.ts");
  const extensions = ext?.split(",").map((each) => `.${each.trim().replace(/^\./, "")}`);
  const globs = glob?.map(compileGlob);
  return (path) =>
    extensions?.some((extension) => path.endsWith(extension)) !== false &&
    globs?.some((matches) => matches(path)) !== false;
}

function count(number: number, noun: string): string {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}
