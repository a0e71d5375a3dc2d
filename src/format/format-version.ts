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

/** The error of an object that only a newer version of this package can read. */
export function newerFormat(where: string, version: number): BrainyError {
  return new BrainyError(
    "BRAINY_UNSUPPORTED",
    `${where}: written by a newer Brainy (format ${version}, this one reads ${FORMAT_VERSION}): ` +
      "upgrade this process",
  );
}
