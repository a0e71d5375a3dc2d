import { invalid } from "./base/errors.ts";
import {
  ROLES,
  decideRole,
  type Environment,
  type Role,
  type RoleDecision,
} from "./cluster/role.ts";
import type { HashPartitioner } from "./cluster/hash-partitioner.ts";
import { CONFLICT_RESOLUTIONS, type ConflictResolution } from "./format/config.ts";
import { heartbeatKey } from "./format/keys.ts";
import { checkKey } from "./storage/keys.ts";
import { resolveCoordination, type ResolvedCoordination } from "./coordination-options.ts";
import { checkConfigPath } from "./environment-options.ts";
import { CONSISTENCY_LEVELS, type ConsistencyLevel } from "./call-options.ts";
import { asObject, optional, refuseUnknown, show } from "./option-checks.ts";
import type { BrainyOptions, DistributedOptions, Resolver } from "./types.ts";

/** How this instance takes part in a fleet, checked, with every default filled in. */
export interface ResolvedDistributed {
  readonly role: RoleDecision;
  /** `undefined`: made up when it opens. */
  readonly instanceId: string | undefined;
  /** Where others reach this instance. */
  readonly endpoint: string | undefined;
  readonly maxClockSkewMs: number | undefined;
  readonly consistencyLevel: ConsistencyLevel;
  readonly coordination: ResolvedCoordination;
  /** `undefined`: the hash of the id. */
  readonly partitioner: HashPartitioner | undefined;
  /** `undefined`: whatever the database has. */
  readonly conflictResolution: ConflictResolution | undefined;
  readonly resolver: Resolver | undefined;
}

const WHERE = "options.distributed";

const KNOWN = [
  "enabled",
  "role",
  "instanceId",
  "configPath",
  "heartbeatInterval",
  "instanceTimeout",
  "maxClockSkew",
  "consistencyLevel",
  "coordinationMethod",
  "coordinator",
  "partitioner",
  "conflictResolution",
  "resolver",
] as const;

const INSTANCE_ID = /^[A-Za-z0-9_-]{1,64}$/;

/** `undefined` where the instance is no part of a fleet; the environment is not looked at then. */
export function resolveDistributed(
  options: BrainyOptions,
  environment: Environment,
): ResolvedDistributed | undefined {
  const { distributed = false } = options;
  if (typeof distributed === "boolean" && !distributed) return undefined;
  const given: DistributedOptions = distributed === true ? {} : distributed;
  refuseUnknown(asObject(given, WHERE), KNOWN, WHERE);
  const { enabled = true, role, maxClockSkew, configPath } = given;
  checkConfigPath(configPath, `${WHERE}.configPath`);
  if (typeof enabled !== "boolean") throw invalid(`${WHERE}.enabled must be true or false`);
  if (role !== undefined && role !== "auto" && !ROLES.includes(role)) {
    throw invalid(`${WHERE}.role: ${show(role)} is none of ${ROLES.join(", ")}, auto`);
  }
  const instanceId = resolveInstanceId(given, enabled ? environment : {});
  const resolved = {
    instanceId,
    endpoint: environment.SERVICE_ENDPOINT || undefined,
    maxClockSkewMs: optional(maxClockSkew, `${WHERE}.maxClockSkew`, 1),
    consistencyLevel: resolveConsistency(given),
    coordination: resolveCoordination(given, WHERE),
    partitioner: resolvePartitioner(given),
    ...resolveConflicts(given),
  };
  const { maxClockSkew: limit } = options.limits ?? {};
  if (maxClockSkew !== undefined && limit !== undefined && maxClockSkew !== limit) {
    throw invalid(`${WHERE}.maxClockSkew is ${maxClockSkew}, options.limits.maxClockSkew ${limit}`);
  }
  if (!enabled) return undefined;
  return { role: resolveRole(options, role, environment), ...resolved };
}

/** Any object that does what a `HashPartitioner` does: two copies of the package may be loaded. */
function resolvePartitioner({ partitioner }: DistributedOptions): HashPartitioner | undefined {
  if (partitioner === undefined) return undefined;
  const given: Partial<Record<keyof HashPartitioner, unknown>> = asObject(
    partitioner,
    `${WHERE}.partitioner`,
  );
  const { name, partitionCount, getPartition } = given;
  const isOne =
    typeof getPartition === "function" &&
    typeof name === "string" &&
    name.length > 0 &&
    Number.isInteger(partitionCount);
  if (isOne) return partitioner;
  throw invalid(`${WHERE}.partitioner must be a HashPartitioner, or extend it`);
}

function resolveConsistency({
  consistencyLevel = "eventual",
}: DistributedOptions): ConsistencyLevel {
  if (CONSISTENCY_LEVELS.includes(consistencyLevel)) return consistencyLevel;
  const levels = CONSISTENCY_LEVELS.join(", ");
  throw invalid(`${WHERE}.consistencyLevel: ${show(consistencyLevel)} is none of ${levels}`);
}

function resolveConflicts({
  conflictResolution,
  resolver,
}: DistributedOptions): Pick<ResolvedDistributed, "conflictResolution" | "resolver"> {
  if (conflictResolution !== undefined && !CONFLICT_RESOLUTIONS.includes(conflictResolution)) {
    const known = CONFLICT_RESOLUTIONS.join(", ");
    throw invalid(`${WHERE}.conflictResolution: ${show(conflictResolution)} is none of ${known}`);
  }
  if (resolver === undefined) return { conflictResolution, resolver };
  if (typeof resolver !== "function") throw invalid(`${WHERE}.resolver must be a function`);
  if (conflictResolution !== "vector-clock") {
    throw invalid(
      `${WHERE}.resolver chooses between siblings, which only conflictResolution "vector-clock" ` +
        `keeps, not ${show(conflictResolution)}: say both, or leave the resolver out`,
    );
  }
  return { conflictResolution, resolver };
}

function resolveRole(
  options: BrainyOptions,
  role: Role | "auto" | undefined,
  environment: Environment,
): RoleDecision {
  const { readOnly, writeOnly, mode, checkpoint } = options;
  const isReadOnly = [
    readOnly === true && "readOnly: true",
    mode === "read-only" && "mode: 'read-only'",
    checkpoint !== undefined && `checkpoint: ${show(checkpoint)}`,
  ];
  const isWriteOnly = [
    writeOnly === true && "writeOnly: true",
    mode === "write-only" && "mode: 'write-only'",
  ];
  const decision = decideRole(environment, {
    role,
    readOnly: isReadOnly.find((reason) => reason !== false) || undefined,
    writeOnly: isWriteOnly.find((reason) => reason !== false) || undefined,
  });
  if (checkpoint === undefined || decision.role === "reader") return decision;
  if (decision.role === "auto") {
    return { role: "reader", because: `${decision.because} of a checkpoint`, overrides: [] };
  }
  throw invalid(
    `options.checkpoint opens a state that cannot change, but ${decision.because} wants to write: ` +
      "leave the role out, or make it reader",
  );
}

function resolveInstanceId(
  { instanceId: option }: DistributedOptions,
  { BRAINY_INSTANCE_ID: variable }: Environment,
): string | undefined {
  const [where, id] = variable ? ["BRAINY_INSTANCE_ID", variable] : [`${WHERE}.instanceId`, option];
  if (id === undefined) return undefined;
  if (typeof id !== "string" || !INSTANCE_ID.test(id)) {
    throw invalid(`${where}: ${show(id)} is not 1 to 64 letters, digits, "_" or "-"`);
  }
  // Stores refuse some names, and it is better to hear of that now.
  checkKey(heartbeatKey(id, "0".repeat(26)));
  return id;
}
