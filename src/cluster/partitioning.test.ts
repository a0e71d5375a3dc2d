import fc from "fast-check";
import { expect, test } from "vitest";
import { AffinityPartitioner } from "./affinity-partitioner.ts";
import { ConsistentHashRing } from "./consistent-hash-ring.ts";
import { HashPartitioner } from "./hash-partitioner.ts";

const ids = (count: number): string[] => Array.from({ length: count }, (_, i) => `record-${i}`);
const nodeNames = fc.uniqueArray(fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/), {
  minLength: 1,
  maxLength: 8,
});

// Golden values: records stay where they are. If this fails, the hash changed; change it back.
test("the partition of an id is frozen", () => {
  const partitioner = new HashPartitioner({ partitionCount: 100 });
  for (const [id, name] of [
    ["", "vectors/p021"],
    ["a", "vectors/p055"],
    ["bären/🐻", "vectors/p009"],
    ["01J9ZQ6Z3E8Y7W6V5T4S3R2Q1P", "vectors/p005"],
    ["priority-7", "vectors/p067"],
  ] as const) {
    expect(partitioner.getPartition(id), id).toBe(name);
  }
});

test("the ring is frozen", () => {
  const ring = new ConsistentHashRing(["w1", "w2", "w3"]);
  const keys = ["", "a", "bären/🐻", "vectors/p000", "vectors/p099"];
  expect(keys.map((key) => ring.getNode(key))).toEqual(["w3", "w3", "w2", "w2", "w2"]);
});

test("every id has one partition, with three digits, below the count", () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1, max: 1000 }), (id, partitionCount) => {
      const partitioner = new HashPartitioner({ settings: { partitionCount } });
      const name = partitioner.getPartition(id);
      expect(name).toMatch(/^vectors\/p\d{3}$/);
      expect(Number(name.slice(-3))).toBeLessThan(partitionCount);
      expect(new HashPartitioner({ partitionCount }).getPartition(id)).toBe(name);
    }),
  );
});

test("ids spread evenly over partitions", () => {
  const counts = new Map<string, number>();
  const partitioner = new HashPartitioner({ partitionCount: 100 });
  for (const id of ids(100_000)) {
    const name = partitioner.getPartition(id);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  expect(counts.size).toBe(100);
  // Six standard deviations of a fair spread.
  for (const count of counts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(190);
});

test("a partitioner can be extended", () => {
  class Custom extends HashPartitioner {
    override getPartition(id: string): string {
      return id.startsWith("priority-") ? "vectors/p000" : super.getPartition(id);
    }
  }
  const custom = new Custom({ partitionCount: 100 });
  expect(custom.getPartition("priority-7")).toBe("vectors/p000");
  const plain = new HashPartitioner({ partitionCount: 100 });
  for (const id of ids(50)) expect(custom.getPartition(id)).toBe(plain.getPartition(id));
});

for (const count of [0, 1_001, 1.5, Number.NaN, undefined]) {
  test(`${String(count)} partitions are refused`, () => {
    expect(() => new HashPartitioner({ settings: { partitionCount: count } })).toThrow(
      expect.objectContaining({ code: "BRAINY_INVALID_ARGUMENT" }),
    );
  });
}

test("a ring without nodes is refused", () => {
  expect(() => new ConsistentHashRing([])).toThrow(
    expect.objectContaining({ code: "BRAINY_INVALID_ARGUMENT" }),
  );
});

test("a ring does not depend on the order of its nodes, nor on naming one twice", () => {
  fc.assert(
    fc.property(nodeNames, fc.array(fc.string(), { maxLength: 20 }), (nodes, keys) => {
      const ring = new ConsistentHashRing(nodes);
      const other = new ConsistentHashRing([...nodes.toReversed(), ...nodes]);
      for (const key of keys) {
        expect(nodes).toContain(ring.getNode(key));
        expect(other.getNode(key)).toBe(ring.getNode(key));
      }
    }),
    { numRuns: 50 },
  );
});

test("a node that joins takes keys and moves no others; one that leaves gives back just those", () => {
  fc.assert(
    fc.property(nodeNames, (names) => {
      const [joining, ...rest] = ["joining!", ...names] as const;
      const before = new ConsistentHashRing(rest);
      const after = new ConsistentHashRing([...rest, joining]);
      for (const key of ids(200)) {
        const node = after.getNode(key);
        if (node !== joining) expect(node).toBe(before.getNode(key));
      }
    }),
    { numRuns: 50 },
  );
});

test("a ring gives each of eight nodes about an eighth", () => {
  const nodes = Array.from({ length: 8 }, (_, i) => `writer-${i}`);
  const ring = new ConsistentHashRing(nodes);
  const counts = new Map<string, number>();
  for (const key of ids(20_000)) {
    const node = ring.getNode(key);
    counts.set(node, (counts.get(node) ?? 0) + 1);
  }
  for (const node of nodes) {
    expect(counts.get(node)).toBeGreaterThan(2_500 * 0.65);
    expect(counts.get(node)).toBeLessThan(2_500 * 1.35);
  }
});

test("every partition is preferred by exactly one writer, and records stay where they are", () => {
  const writers = ["w1", "w2", "w3"];
  const config = { partitionCount: 100 };
  const all = writers.map((instanceId) => new AffinityPartitioner(config, { instanceId, writers }));
  const preferred = all.flatMap(({ preferredPartitions }) => [...preferredPartitions]);
  expect(preferred).toHaveLength(100);
  expect(new Set(preferred).size).toBe(100);
  const plain = new HashPartitioner(config);
  for (const id of ids(100)) {
    for (const one of all) expect(one.getPartition(id)).toBe(plain.getPartition(id));
    expect(all.filter((one) => one.prefers(id))).toHaveLength(1);
  }
  expect(() => new AffinityPartitioner(config, { instanceId: "w4", writers })).toThrow(/"w4"/);
});
