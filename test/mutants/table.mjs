import { FLEET_MUTANTS } from "./fleet.mjs";
import { FORMAT_MUTANTS } from "./format.mjs";
import { LOG_MUTANTS } from "./log.mjs";
import { MANIFEST_MUTANTS } from "./manifest.mjs";
import { MERGE_MUTANTS } from "./merge.mjs";
import { READING_MUTANTS } from "./reading.mjs";

/** All of them, in the order of the report. */
export const MUTANTS = [
  ...LOG_MUTANTS,
  ...MERGE_MUTANTS,
  ...MANIFEST_MUTANTS,
  ...READING_MUTANTS,
  ...FORMAT_MUTANTS,
  ...FLEET_MUTANTS,
];
