import { expect, test } from "vitest";
import { HybridMode, OperationalMode, ReadOnlyMode, WriteOnlyMode } from "./operational-mode.ts";

const MODES = [
  { mode: new ReadOnlyMode(), reads: true, writes: false, hot: 0.8 },
  { mode: new WriteOnlyMode(), reads: false, writes: true, hot: 0.2 },
  { mode: new HybridMode(), reads: true, writes: true, hot: 0.5 },
];

for (const { mode, reads, writes, hot } of MODES) {
  test(`${mode.constructor.name} ${reads ? "reads" : "does not read"} and ${writes ? "writes" : "does not write"}`, () => {
    expect(mode).toBeInstanceOf(OperationalMode);
    expect([mode.canRead(), mode.canWrite(), mode.canDelete()]).toEqual([reads, writes, writes]);
    const strategy = mode.getCacheStrategy();
    expect(strategy.hotCacheRatio).toBe(hot);
    expect(strategy.writeBuffer).toBe(writes);
    expect(strategy.ttl).toBeGreaterThan(0);
  });
}
