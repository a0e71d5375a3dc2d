import { abortableClock } from "./base/clock.ts";
import { BrainyError, invalid } from "./base/errors.ts";
import { refuseUnknownKeys } from "./base/nearest-name.ts";
import { partsOf, quote, refuseUnknownSearch } from "./call-options.ts";
import type { Database } from "./engine/database.ts";
import { compileFilter } from "./engine/filter.ts";
import { checkId, checkK, checkVector } from "./engine/record-input.ts";
import { findRecord, readVectors } from "./engine/records.ts";
import { searchSnapshot } from "./engine/search.ts";
import { score } from "./kernel/metric.ts";
import { presentHit } from "./present.ts";
import { isVector } from "./record-encoder.ts";
import type { Session } from "./session.ts";
import type { Hit, Query, RecordPart, SearchOptions, VectorInput } from "./types.ts";

const HIT_PARTS: readonly RecordPart[] = ["metadata", "data", "text"];

/** `brain.search`: checks the call, finds candidates on one snapshot, reads what is wanted. */
export async function searchQuery<Metadata extends object>(
  session: Session,
  query: Query,
  options: SearchOptions<Metadata>,
): Promise<Hit<Metadata>[]> {
  refuseUnknownSearch(options);
  const { k = 10, minScore, signal } = options;
  checkK(k);
  if (minScore !== undefined && !Number.isFinite(minScore)) {
    throw invalid(`minScore: ${String(minScore)} is not a number`);
  }
  const filter = options.filter === undefined ? undefined : compileFilter(options.filter);
  const include = partsOf(options.include, HIT_PARTS);
  const database = await session.open();
  const clock = abortableClock(session.options.clock, signal);
  const { metric } = database;
  const target = typeof query === "string" ? await embedQuery(session, query, signal) : query;
  return database.read(session.freshness(options), async (view) => {
    const { vector, exclude } = await resolveQuery(target, database, clock.nowMs());
    if (vector === undefined) return [];
    const candidates = await searchSnapshot({
      snapshot: await view.snapshot(() => clock.breathe()),
      metric,
      query: vector,
      k: exclude === undefined ? k : k + 1,
      filter,
      clock,
      signal,
    });
    const isWanted = ({ id, ordering }: { readonly id: string; readonly ordering: number }) =>
      id !== exclude && (minScore === undefined || score(metric, ordering) >= minScore);
    const chosen = candidates.filter(isWanted).slice(0, k);
    const records = await session.readAll(chosen, include);
    return chosen.map(({ ordering }, i) =>
      presentHit<Metadata>(records[i]!, { include, metric, ordering }),
    );
  });
}

async function embedQuery(
  session: Session,
  text: string,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  if (text.trim() === "") throw invalid("search: the query is empty");
  return (await session.embed([text], signal))[0]!;
}

/** `vector: undefined`: nothing was ever written, so nothing can be near. */
async function resolveQuery(
  query: VectorInput | { readonly id: string },
  database: Database,
  nowMs: number,
): Promise<{
  readonly vector: Float32Array | undefined;
  readonly exclude: string | undefined;
}> {
  const { dimensions, metric, view } = database;
  if (isVector(query)) {
    const vector = checkVector(query, { dimensions, metric });
    return { vector: dimensions === undefined ? undefined : vector, exclude: undefined };
  }
  if (typeof query !== "object" || query === null) {
    throw invalid(`search: ${String(query)} is no vector, text or { id }`);
  }
  refuseUnknownKeys(query, ["id"], "query");
  const id = checkId(query.id);
  const found = view === undefined ? undefined : findRecord(view, id, nowMs);
  if (found === undefined) {
    throw new BrainyError("BRAINY_NOT_FOUND", `there is no record with id ${quote(id)}`);
  }
  const [vector] = await readVectors([found]);
  return { vector, exclude: id };
}
