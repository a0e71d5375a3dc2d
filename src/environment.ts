import type { Environment } from "./cluster/role.ts";

/** All variables that a fleet reads. An empty one counts as absent. */
export interface FleetEnvironment extends Environment {
  readonly BRAINY_CONFIG_SOURCE?: string | undefined;
  readonly BRAINY_CONFIG_PATH?: string | undefined;
  readonly BRAINY_S3_BUCKET?: string | undefined;
  readonly BRAINY_S3_REGION?: string | undefined;
}

/**
 * What each variable says. Nothing else of the environment is read, and these only with
 * `distributed`; the client of a bucket has variables of its own. docs/guide/configuration.md has
 * the same names.
 */
export const ENVIRONMENT_VARIABLES: Readonly<Record<keyof FleetEnvironment, string>> = {
  BRAINY_ROLE: "`writer`, `reader`, `hybrid`, or the label of a workload",
  BRAINY_MODE: "`read-only` or `write-only`",
  BRAINY_INSTANCE_ID: "name in the registry",
  BRAINY_S3_BUCKET: "bucket, where `storage` is not given",
  BRAINY_S3_REGION: "region of that bucket",
  BRAINY_CONFIG_SOURCE: "`store` or `s3`: the shared settings alone; `file`: options too",
  BRAINY_CONFIG_PATH: "of `file`: JSON with options; else `_brainy/config.json`",
  SERVICE_ENDPOINT: "where others reach this instance",
  AWS_LAMBDA_FUNCTION_NAME: "set by Lambda; makes `auto` a reader",
};

interface FileModule {
  readonly readFileSync: (path: string, encoding: "utf8") => string;
}

interface Process {
  readonly env?: FleetEnvironment;
  readonly getBuiltinModule?: (name: "node:fs") => FileModule | undefined;
}

/** The variables of this process, or none where there are no such things. */
export function readEnvironment(): FleetEnvironment {
  return thisProcess()?.env ?? {};
}

/**
 * The text of a file, at once, since options are checked before anything waits. Not by an import:
 * where there are no files, the package loads all the same.
 */
export function readTextFile(path: string): string {
  const files = thisProcess()?.getBuiltinModule?.("node:fs");
  if (files === undefined) throw new Error("there are no files here");
  return files.readFileSync(path, "utf8");
}

function thisProcess(): Process | undefined {
  return (globalThis as { process?: Process }).process;
}
