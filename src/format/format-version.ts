import { BrainyError } from "../base/errors.ts";

/**
 * The version of everything under a prefix: containers, manifests, checkpoints and `config.json`.
 *
 * History:
 * - 1: the first one. Slots, segments and deletion vectors in containers; JSON documents with a
 *   checksum for manifests and checkpoints, without one for `config.json`.
 *
 * Raise it when an older reader would misread what is written, keep the old decoder, add golden
 * files under `test/golden/`, and write a line here.
 */
export const FORMAT_VERSION = 1;

/**
 * The newest `settings.formatVersion` of a database that this package works with.
 *
 * - 1: operations fold by version alone.
 * - 2: they fold by what their authors had read, as `conflictResolution` says. The bytes of all
 *   objects are those of format 1, but whoever folds them the old way shows something else, so a
 *   database with another mode than `last-write-wins` says 2 and older processes stay away.
 */
export const DATABASE_FORMAT_MAX = 2;

/** The error of an object that only a newer version of this package can read. */
export function newerFormat(where: string, version: number, newest = FORMAT_VERSION): BrainyError {
  return new BrainyError(
    "BRAINY_UNSUPPORTED",
    `${where}: written by a newer Brainy (format ${version}, this one reads ${newest}): ` +
      "upgrade this process",
  );
}
