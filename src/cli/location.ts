import { systemClock } from "../base/clock.ts";
import { systemRandom } from "../base/random.ts";
import type { OpenedStorage } from "../storage-option.ts";
import type { StorageOption } from "../types.ts";
import type { GlobalOptions } from "./shell.ts";

const BUCKET = "s3://";

/** Where a database is, as options of the command say. */
type Location = Pick<GlobalOptions, "database" | "endpoint">;

/** Whether it is in a bucket; everything else is a folder, whatever its name looks like. */
export function isBucket({ database }: Location): boolean {
  return database.startsWith(BUCKET);
}

/** The option `storage` of the database that `--database` and `--endpoint` name. */
export async function storageOf(location: Location): Promise<StorageOption> {
  const { database, endpoint } = location;
  if (!isBucket(location)) return { type: "file", path: database };
  if (endpoint === undefined) return database;
  const { parseBucket } = await import("../storage-option.ts");
  return { ...parseBucket(database), type: "customS3", endpoint };
}

/** Its store, without anything that a database does. */
export async function openLocation(location: Location): Promise<OpenedStorage> {
  const { openStorage } = await import("../storage-option.ts");
  return openStorage(await storageOf(location), { clock: systemClock, random: systemRandom });
}
