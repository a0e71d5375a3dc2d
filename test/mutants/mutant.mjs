// A mutant: a small mistake in the real code, as somebody in a hurry would make it.
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * @typedef {object} Mutant
 * @property {string} name Of what is wrong with it.
 * @property {string} file Below the repository.
 * @property {string} find Exactly once in the file.
 * @property {string} replace
 * @property {string} story What whoever wrote it believed.
 * @property {string} breaks The invariant of docs/specs that holds no more.
 * @property {number} seedsMax Seeds within which the simulation has to notice.
 * @property {number} [seedFirst] Default: 1.
 * @property {"fleet"} [entry] Default: processes that know of no others.
 * @property {object} [world] What the simulation is given beside the seed.
 */

/** The source of a mutant's file with the mistake in it. Throws unless `find` is there once. */
export function mutated({ name, file, find, replace }, root = ROOT) {
  const source = readFileSync(join(root, file), "utf8");
  const count = source.split(find).length - 1;
  if (count !== 1) throw new Error(`${name}: what it changes is ${count} times in ${file}`);
  return source.replace(find, () => replace);
}

/** Makes `folder` a copy of what the simulation is made of, with the mistake in it. */
export function plantMutant(mutant, folder) {
  const text = mutated(mutant);
  rmSync(folder, { recursive: true, force: true });
  for (const part of ["src", "test/simulation"]) {
    mkdirSync(dirname(join(folder, part)), { recursive: true });
    cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  }
  writeFileSync(join(folder, mutant.file), text);
}
