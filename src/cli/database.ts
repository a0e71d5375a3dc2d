import { readdir } from "node:fs/promises";
import { BrainyError } from "../base/errors.ts";
import type { Brainy } from "../brainy.ts";
import { CONFIG_KEY } from "../format/keys.ts";
import { isBucket, openLocation, storageOf } from "./location.ts";
import type { GlobalOptions, Shell } from "./shell.ts";
import { systemCode } from "./system-code.ts";

/**
 * `read` writes nothing, not even a folder. `change` needs a database that exists. `create` makes
 * one where there is none.
 */
export type Access = "read" | "change" | "create";

/** How a command wants the database. */
export interface DatabaseOptions {
  readonly access: Access;
  /** Opens the state that a checkpoint names. */
  readonly checkpoint?: string | undefined;
  /** Records in one slot of the log. */
  readonly batchSize?: number | undefined;
  /** False: this command leaves compaction to others. */
  readonly compaction?: boolean | undefined;
}

/** Opens the database for the time of one call, and closes it however the call ends. */
export async function withDatabase<T>(
  shell: Shell,
  globals: GlobalOptions,
  options: DatabaseOptions,
  use: (brain: Brainy) => Promise<T>,
): Promise<T> {
  if (options.access !== "create") await refuseMissing(globals);
  const { Brainy } = await import("../index.ts");
  const brain = new Brainy({
    storage: await storageOf(globals),
    readOnly: options.access === "read",
    dimensions: globals.dimensions,
    metric: globals.metric,
    checkpoint: options.checkpoint,
    batching: { size: options.batchSize },
    compaction: options.compaction,
    // A command reads the newest state when it opens, and is gone before it would look again.
    pollInterval: 0,
    logging: {
      verbose: globals.verbose === true,
      logger: {
        info: (message) => shell.say(globals, message),
        warn: (message) => shell.warn(globals, message),
      },
    },
  });
  let result: T;
  try {
    result = await use(brain);
  } catch (error) {
    // The first error says more than what closing makes of it.
    await brain.close().catch(() => undefined);
    throw error;
  }
  await brain.close();
  return result;
}

/** A typo in a path must not make an empty database and then search it. */
export async function refuseMissing(globals: GlobalOptions): Promise<void> {
  const { database: path } = globals;
  if (isBucket(globals)) {
    await using store = (await openLocation(globals)).store;
    if ((await store.head(CONFIG_KEY)) !== undefined) return;
    throw missing(path, "holds no database");
  }
  let names: readonly string[] | undefined;
  try {
    names = await readdir(path);
  } catch (error) {
    const code = systemCode(error);
    if (code !== "ENOENT" && code !== "ENOTDIR") throw error;
  }
  if (names?.includes("_brainy") === true) return;
  const what =
    names === undefined ? "no such folder" : names.length === 0 ? "is empty" : "is no database";
  throw missing(path, what);
}

function missing(path: string, what: string): BrainyError {
  return new BrainyError(
    "BRAINY_NOT_FOUND",
    `${path}: ${what}. Make a database with "brainy import FILE --database ${path}", ` +
      "or say with --database where it is",
  );
}
