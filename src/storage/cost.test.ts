import { expect, test } from "vitest";
import { MemoryStore } from "./adapters/memory.ts";
import { estimateRequestCost } from "./cost.ts";
import { metered } from "./layers/metered.ts";

test("[X9] requests cost what the price list says, lost and missing ones included", async () => {
  const { store, counters } = metered(new MemoryStore());
  const body = new Uint8Array(1);
  await store.put("a", body);
  await store.put("a", body, { condition: { ifAbsent: true } }).catch(() => undefined);
  await store.get("absent");
  await store.head("a");
  for await (const page of store.list()) expect(page.objects.length).toBe(1);
  await store.deleteMany(["a"]);
  const { byKindUsd, totalUsd } = estimateRequestCost(counters);
  expect(byKindUsd.put).toBeCloseTo(2 * 5e-6, 12);
  expect(byKindUsd.list).toBeCloseTo(5e-6, 12);
  expect(byKindUsd.get).toBeCloseTo(0.4e-6, 12);
  expect(byKindUsd.head).toBeCloseTo(0.4e-6, 12);
  expect(byKindUsd.delete).toBe(0);
  expect(totalUsd).toBeCloseTo(15.8e-6, 12);
});
