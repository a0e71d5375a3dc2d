import type { Attributes, Operation } from "../../src/format/operation.ts";
import type { SegmentRow } from "../../src/format/segment.ts";
import { makeVersion, type LaneId, type Version } from "../../src/format/version.ts";
import type { Draw } from "./draw.ts";
import { NASTY_TEXTS, anyJson } from "./mutate-json.ts";

/*
 * Sound objects of many shapes. With `isHostile` the texts of records are what no encoder of ours
 * writes: those are not looked at before somebody asks for them.
 */

const ALPHABET = Array.from("0123456789ABCDEFGHJKMNPQRSTVWXYZ");

/** The run that has written all samples. */
export const RUN = "01JCZ0M3V8Q6T4R2W0Y9X7S5RN";
/** The database that all samples are of. */
export const DATABASE = "01JCZ0M3V8Q6T4R2W0Y9X7S5DB";

/** Any lane. */
export function laneOf(draw: Draw): LaneId {
  return draw.list(26, (i) => (i === 0 ? "0" : draw.pick(ALPHABET))).join("") as LaneId;
}

/** A version near the others, so that they meet. */
export function versionOf(draw: Draw, lane = laneOf(draw)): Version {
  return makeVersion(1_732_000_000_000 + draw.below(1_000), draw.below(50), lane);
}

/** Text of a record: plain, long, or of characters of several bytes. */
export function textOf(draw: Draw): string {
  return draw.one<string>(
    [4, () => `t${draw.below(1_000)}`],
    [2, () => draw.pick(["zwölf Boxkämpfer", "🐻".repeat(draw.below(20)), "日本語"])],
    [1, () => "word ".repeat(draw.below(200))],
    [1, () => ""],
  );
}

/** The id of record `i`; no two are the same. */
export function idOf(draw: Draw, i: number): string {
  return draw.pick(["", "a/", "ß", "🐻 "]) + String(i);
}

/** JSON text of an object, or of anything. */
export function metadataOf(draw: Draw, isHostile: boolean): string {
  if (isHostile) return hostileText(draw);
  return JSON.stringify({
    n: draw.below(10),
    s: textOf(draw),
    ...(draw.chance(0.3) && { l: [1] }),
  });
}

/** JSON text of `{ data?, text? }`, or of anything. */
export function contentOf(draw: Draw, isHostile: boolean): string {
  if (isHostile) return hostileText(draw);
  return draw.chance(0.3) ? "" : JSON.stringify({ text: textOf(draw), data: { n: draw.below(5) } });
}

function hostileText(draw: Draw): string {
  return draw.one<string>(
    [3, () => JSON.stringify(anyJson(draw))],
    [
      2,
      () => draw.pick(['{"__proto__":{"polluted":1}}', '{"n":1', "[]", "null", "7", '"x"', "{}"]),
    ],
    [1, () => draw.pick(NASTY_TEXTS)],
    [0.2, () => "[".repeat(5_000) + "]".repeat(5_000)],
    [0.2, () => `${'{"a":'.repeat(9_000)}1${"}".repeat(9_000)}`],
  );
}

/** Those of a put, or of a patch. */
export function attributesOf(draw: Draw, kind: "put" | "patch"): Attributes | undefined {
  if (draw.chance(0.4)) return undefined;
  return {
    ...(draw.chance(0.5) && { type: textOf(draw) }),
    ...(draw.chance(0.3) && { domain: "d" }),
    ...(draw.chance(0.3) && { expiresAtMs: 1_900_000_000_000 + draw.below(10) }),
    ...(kind === "patch" && draw.chance(0.4) && { unset: ["n", "ß.b"] }),
    ...(kind === "patch" && draw.chance(0.2) && { clear: ["domain"] as const }),
  };
}

interface OperationsShape {
  readonly lane: LaneId;
  readonly count: number;
  readonly dimension: number;
  readonly isHostile: boolean;
  /** Of records that exist already, beside new ones. */
  readonly ids?: readonly string[] | undefined;
  readonly millis?: number | undefined;
}

/** Operations in version order. */
export function operationsOf(draw: Draw, shape: OperationsShape): Operation[] {
  const { lane, count, dimension, ids = [], millis = 1_732_000_000_000 } = shape;
  const hasVectors = dimension > 0 && draw.chance(0.8);
  let [at, counter] = [millis, 0];
  return draw.list(count, (i): Operation => {
    if (draw.chance(0.3)) [at, counter] = [at + draw.between(1, 50), -1];
    const isHostile = shape.isHostile && draw.chance(0.4);
    const kind = draw.pick(["put", "put", "put", "patch", "delete"] as const);
    const id = ids.length > 0 && draw.chance(0.6) ? draw.pick(ids) : idOf(draw, i);
    const version = makeVersion(at, ++counter, lane);
    const seen = draw.chance(0.2) ? [versionOf(draw), versionOf(draw)].toSorted() : undefined;
    if (kind === "delete") return { kind, id, version, seen };
    const isWhole = kind === "put" || draw.chance(0.4);
    const vector = isWhole && hasVectors ? vectorOf(draw, dimension) : undefined;
    return {
      kind,
      id,
      version,
      vector,
      content: isWhole ? contentOf(draw, isHostile) : undefined,
      metadata: kind === "put" || draw.chance(0.7) ? metadataOf(draw, isHostile) : undefined,
      attributes: attributesOf(draw, kind),
      seen,
    };
  });
}

/** A vector of small numbers. */
export function vectorOf(draw: Draw, dimension: number): Float32Array {
  return Float32Array.from({ length: dimension }, () => draw.between(-4, 4) + 0.25);
}

/** Rows of a segment: live ones with a vector, live ones without, dead ones; some keep operations. */
export function segmentRowsOf(
  draw: Draw,
  { count, dimension, isHostile }: { count: number; dimension: number; isHostile: boolean },
): SegmentRow[] {
  const lanes = draw.list(draw.between(1, 3), () => laneOf(draw));
  return draw.list(count, (i): SegmentRow => {
    const lane = draw.pick(lanes);
    const id = idOf(draw, i);
    const live = draw.chance(0.8);
    const version = versionOf(draw, lane);
    const keeps = draw.chance(0.2);
    const residual = keeps
      ? operationsOf(draw, {
          lane,
          count: draw.between(1, 3),
          dimension,
          isHostile,
          ids: [id],
        }).map((operation) => ({ ...operation, id }))
      : undefined;
    if (!live) return { id, version, live, content: "", metadata: "", attributes: "", residual };
    const isStrange = isHostile && draw.chance(0.3);
    const attributes = attributesOf(draw, "put");
    return {
      id,
      version,
      live,
      vector: dimension > 0 && draw.chance(0.8) ? vectorOf(draw, dimension) : undefined,
      content: contentOf(draw, isStrange),
      metadata: metadataOf(draw, isStrange),
      attributes: isStrange
        ? hostileText(draw)
        : JSON.stringify(attributes ?? "").replace('""', ""),
      residual,
    };
  });
}
