import type { ConflictResolution } from "../../src/format/config.ts";
import type { Happened, Seen } from "./history.ts";

/*
 * What a record is by the definitions of docs/specs, for each way to resolve conflicts: of all
 * operations at once, without states, floors or stubs. Shares no code with the engine.
 */

/** The record that operations make, in version order. */
export type Oracle = (operations: readonly Happened[]) => Seen | undefined;

/** How a record follows from operations, and which of those whose outcome is open can matter. */
export interface Judge {
  readonly fold: Oracle;
  /** Of the open operations those that could change what the sure ones show. */
  relevant(sure: readonly Happened[], open: readonly Happened[]): readonly Happened[];
  /** All sets of operations that may count; not all of them where there are too many. */
  combinations(sure: readonly Happened[], relevant: readonly Happened[]): Combinations;
}

interface Combinations {
  readonly sets: Iterable<readonly Happened[]>;
  readonly isComplete: boolean;
}

/** Operations of unknown outcome of one record that are tried in all combinations. */
const OPEN_MAX = 10;

/** Newest put or delete, then the patches after it. */
function foldByVersion(operations: readonly Happened[]): Seen | undefined {
  const at = operations.findLastIndex(({ kind }) => kind !== "patch");
  const base = operations[at];
  if (base === undefined || base.kind === "delete") return undefined;
  let seen = seenOf(base);
  for (const patch of operations.slice(at + 1)) {
    const changes = JSON.parse(patch.metadata ?? "{}") as object;
    seen = {
      version: patch.version,
      vector: patch.content === undefined ? seen.vector : patch.vector,
      content: patch.content ?? seen.content,
      metadata: JSON.stringify({ ...(JSON.parse(seen.metadata) as object), ...changes }),
    };
  }
  return seen;
}

/** Puts that no operation has seen; the newest is shown, and up to sixteen are siblings. */
function foldSiblings(operations: readonly Happened[]): Seen | undefined {
  const live = operations.filter(
    ({ kind, version }) => kind === "put" && !operations.some(({ seen }) => seen.includes(version)),
  );
  const newest = live.at(-1);
  if (newest === undefined) return undefined;
  return { ...seenOf(newest), siblings: live.slice(-16).map(({ version }) => version) };
}

/** Siblings as `oneOf` in world.ts shows them, under the version of the newest. */
function foldResolved(operations: readonly Happened[]): Seen | undefined {
  const newest = foldSiblings(operations);
  const shown = (newest?.siblings ?? []).map((version) => foldVersion(operations, version));
  if (newest === undefined || shown.length < 2) return newest;
  const { version, siblings } = newest;
  if (shown.length === 2) return { ...shown[0]!, version, siblings };
  const metadata = shown.map((one) => JSON.parse(one.metadata) as object);
  return {
    version,
    siblings,
    vector: shown[0]!.vector,
    content: shown.at(-1)!.content,
    metadata: JSON.stringify(Object.assign({}, ...metadata)),
  };
}

function foldVersion(operations: readonly Happened[], version: string): Seen {
  return seenOf(operations.find((one) => one.version === version)!);
}

/** Field by field: the newest operation that writes it, unless a put or delete has seen that. */
function foldFields(operations: readonly Happened[]): Seen | undefined {
  const isTaken = (version: string): boolean =>
    operations.some(({ kind, seen }) => kind !== "patch" && seen.includes(version));
  const winner = (writes: (operation: Happened) => boolean): Happened | undefined => {
    const newest = operations.findLast(writes);
    return newest === undefined || isTaken(newest.version) ? undefined : newest;
  };
  const put = winner(({ kind }) => kind === "put");
  if (put === undefined) return undefined;
  const content = winner((one) => one.kind === "put" || one.content !== undefined);
  const winners = [put, ...(content === undefined ? [] : [content])];
  const metadata: Record<string, unknown> = {};
  const valuesOf = (one: Happened): Record<string, unknown> =>
    JSON.parse(one.metadata ?? "{}") as Record<string, unknown>;
  for (const key of new Set(operations.flatMap((one) => Object.keys(valuesOf(one))))) {
    const own = winner((one) => key in valuesOf(one));
    if (own === undefined) continue;
    metadata[key] = valuesOf(own)[key];
    winners.push(own);
  }
  return {
    version: winners
      .map(({ version }) => version)
      .toSorted()
      .at(-1)!,
    vector: content?.vector,
    content: content?.content ?? "",
    metadata: JSON.stringify(metadata),
  };
}

function seenOf({ version, vector, content, metadata }: Happened): Seen {
  return { version, vector, content: content ?? "", metadata: metadata ?? "{}" };
}

/** Whichever open put or delete counts hides all before it, so only patches multiply. */
function combinationsByVersion(
  sure: readonly Happened[],
  relevant: readonly Happened[],
): Combinations {
  const sets: (readonly Happened[])[] = [];
  let isComplete = true;
  const newestSure = sure.findLast(({ kind }) => kind !== "patch");
  for (const base of [newestSure, ...relevant.filter(({ kind }) => kind !== "patch")]) {
    const isAfter = ({ kind, version }: Happened): boolean =>
      kind === "patch" && version > (base?.version ?? "");
    const first = base === undefined ? [] : [base];
    const patches = relevant.filter(isAfter);
    isComplete &&= patches.length <= OPEN_MAX;
    for (const chosen of subsets(patches))
      sets.push([...first, ...sure.filter(isAfter), ...chosen]);
  }
  return { sets, isComplete };
}

function combinationsOfAll(sure: readonly Happened[], relevant: readonly Happened[]): Combinations {
  const sets = function* (): Generator<readonly Happened[]> {
    for (const chosen of subsets(relevant)) yield [...sure, ...chosen];
  };
  return { sets: sets(), isComplete: relevant.length <= OPEN_MAX };
}

function* subsets<T>(items: readonly T[]): Generator<T[]> {
  const tried = items.slice(0, OPEN_MAX);
  for (let bits = 0; bits < 2 ** tried.length; bits++) {
    yield tried.filter((_, i) => (bits & (1 << i)) !== 0);
  }
}

/** What was seen by something sure, and has seen nothing else, can show and hide nothing. */
function unseen(sure: readonly Happened[], open: readonly Happened[]): readonly Happened[] {
  const taken = new Set(sure.flatMap(({ kind, seen }) => (kind === "patch" ? [] : seen)));
  return open.filter(
    ({ version, seen }) => !taken.has(version) || seen.some((one) => !taken.has(one)),
  );
}

/** What is older than something sure in each of its fields, and has seen nothing else, is nothing. */
function undecided(sure: readonly Happened[], open: readonly Happened[]): readonly Happened[] {
  const taken = new Set(sure.flatMap(({ kind, seen }) => (kind === "patch" ? [] : seen)));
  const isDecided = (field: string, version: string): boolean =>
    sure.some((one) => one.version > version && fieldsOf(one).includes(field));
  return open.filter(
    (one) =>
      (one.kind !== "patch" && one.seen.some((version) => !taken.has(version))) ||
      fieldsOf(one).some((field) => !isDecided(field, one.version)),
  );
}

function fieldsOf({ kind, content, metadata = "{}" }: Happened): readonly string[] {
  const keys = Object.keys(JSON.parse(metadata) as object).map((key) => `key ${key}`);
  if (kind === "put") keys.push("existence");
  if (kind === "put" || content !== undefined) keys.push("content");
  return keys;
}

/** One for each setting. */
export const JUDGES: Readonly<Record<ConflictResolution | "resolver", Judge>> = {
  "last-write-wins": {
    fold: foldByVersion,
    relevant(sure, open) {
      const newest = sure.findLast(({ kind }) => kind !== "patch");
      return open.filter(({ version }) => version > (newest?.version ?? ""));
    },
    combinations: combinationsByVersion,
  },
  "vector-clock": { fold: foldSiblings, relevant: unseen, combinations: combinationsOfAll },
  resolver: { fold: foldResolved, relevant: unseen, combinations: combinationsOfAll },
  crdt: { fold: foldFields, relevant: undecided, combinations: combinationsOfAll },
};
