import type { Environment } from "./cluster/role.ts";

/** The variables of this process, or none where there are no such things. */
export function readEnvironment(): Environment {
  return (globalThis as { process?: { env?: Environment } }).process?.env ?? {};
}
