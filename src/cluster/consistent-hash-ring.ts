import { encodeText } from "../base/bytes.ts";
import { checksum64 } from "../base/checksum.ts";
import { invalid } from "../base/errors.ts";

/** Points of each node on the ring: shares differ by about a tenth at this number. */
const POINTS_PER_NODE = 128;

interface Point {
  readonly hash: bigint;
  readonly node: string;
}

/**
 * Spreads keys over nodes so that a node that comes or goes moves only its own share of them.
 *
 * Each node has many points on a circle of hashes; a key belongs to the first point at or after
 * its own hash. Every process that knows the same nodes, in any order, gives the same answers.
 */
export class ConsistentHashRing {
  readonly #points: readonly Point[];

  constructor(ids: Iterable<string>) {
    const points: Point[] = [];
    for (const node of new Set(ids)) {
      for (let i = 0; i < POINTS_PER_NODE; i++) points.push({ hash: hashOf(`${node}#${i}`), node });
    }
    if (points.length === 0) throw invalid("a hash ring needs at least one node");
    // Two points on one place are as good as impossible, and must not depend on the order given.
    this.#points = points.sort((a, b) =>
      a.hash === b.hash ? (a.node < b.node ? -1 : 1) : a.hash < b.hash ? -1 : 1,
    );
  }

  /** The node that this key belongs to. */
  getNode(key: string): string {
    const wanted = hashOf(key);
    const points = this.#points;
    let low = 0;
    let high = points.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (points[middle]!.hash < wanted) low = middle + 1;
      else high = middle;
    }
    return points[low % points.length]!.node;
  }
}

function hashOf(text: string): bigint {
  return checksum64(encodeText(text));
}
