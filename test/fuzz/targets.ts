import { CONTAINER_TARGETS } from "./container-targets.ts";
import { EDGE_TARGETS } from "./edge-targets.ts";
import { ENGINE_TARGET } from "./engine-target.ts";
import { JSON_TARGETS } from "./json-targets.ts";
import type { FuzzTarget } from "./target.ts";

/** Every decoder there is. */
export const TARGETS: readonly FuzzTarget[] = [
  ...CONTAINER_TARGETS,
  ...JSON_TARGETS,
  ...EDGE_TARGETS,
  ENGINE_TARGET,
];
