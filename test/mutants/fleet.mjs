// Mistakes in what a fleet shares: docs/specs/registry.md, docs/specs/assignment.md and
// docs/specs/shared-config.md. The simulation of a fleet looks for these.

const LIVENESS = "src/cluster/liveness.ts";
const REGISTRY = "src/cluster/registry.ts";
const OWNERS = "src/cluster/partition-owners.ts";
const WATCHER = "src/cluster/config-watcher.ts";

/** @type {import("./mutant.mjs").Mutant[]} */
export const FLEET_MUTANTS = [
  {
    name: "settings-keep-their-version",
    file: "src/engine/settings.ts",
    find: "version: Math.max(version, options.versionBefore ?? version) + 1,",
    replace: "version,",
    story: "the version is for people",
    breaks: "Y3",
    entry: "fleet",
    seedsMax: 20,
  },
  {
    name: "settings-are-looked-at-once",
    file: WATCHER,
    find: "const found = await store.getIfChanged(CONFIG_KEY, this.#etag ?? known.etag);",
    replace: 'const found = await Promise.resolve("unchanged" as const);',
    story: "settings are read when an instance starts",
    breaks: "Y1",
    entry: "fleet",
    seedsMax: 20,
  },
  {
    name: "own-clock-against-theirs",
    file: LIVENESS,
    find: '  if (look.startedMs - run.seenMs >= allowedMs) return "stale";',
    replace: '  if (run.ageMs >= timeoutMs) return "stale";',
    story: "a heartbeat is stale when its time is over by the store's clock",
    breaks: "H3",
    entry: "fleet",
    seedsMax: 20,
  },
  {
    name: "nobody-is-ever-stale",
    file: LIVENESS,
    find: '  if (look.startedMs - run.seenMs >= allowedMs) return "stale";\n',
    replace: "",
    story: "who has been here will take its heartbeat away",
    breaks: "H4",
    entry: "fleet",
    seedsMax: 20,
  },
  {
    name: "heartbeats-of-the-living-are-removed",
    file: LIVENESS,
    find: 'return run.status === "stale" && run.ageMs >= REMOVE_AFTER_MS;',
    replace: 'return run.status === "stale";',
    story: "a stale heartbeat is garbage",
    breaks: "H5",
    entry: "fleet",
    seedsMax: 20,
  },
  {
    name: "leaves-its-heartbeat",
    file: REGISTRY,
    find: "      await this.#options.store.deleteMany([this.#ownKey]);\n",
    replace: "",
    story: "the others will notice that it is gone",
    breaks: "H1",
    entry: "fleet",
    seedsMax: 20,
  },
  {
    name: "assignment-is-written-once",
    file: OWNERS,
    find: "if (found !== undefined && isAssignmentOf(found.assignment, writers, partitionCount)) {",
    replace: "if (found !== undefined) {",
    story: "partitions are shared when a fleet starts",
    breaks: "P1",
    entry: "fleet",
    seedsMax: 20,
  },
];
