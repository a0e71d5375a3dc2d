import { expect, test } from "vitest";
import { seededRandom } from "../../src/base/random.ts";
import { quantileMs, S3_READ, S3_WRITE } from "./latency.ts";

for (const [name, latency] of Object.entries({ S3_READ, S3_WRITE })) {
  test(`${name} has the median and the tail that were measured`, () => {
    const random = seededRandom(1);
    const times = Array.from({ length: 20_000 }, () => quantileMs(latency, random.next()));
    times.sort((a, b) => a - b);
    expect(times[10_000]! / latency.p50Ms).toBeCloseTo(1, 1);
    expect(times[19_800]! / latency.p99Ms).toBeCloseTo(1, 1);
    // Of a log-normal the shares above the median mirror those below it.
    const mirrored = (times[2_000]! * times[18_000]!) / latency.p50Ms ** 2;
    expect(mirrored).toBeCloseTo(1, 1);
    expect(times[0]!).toBeGreaterThan(latency.p50Ms / 10);
    expect(times.at(-1)!).toBeLessThan(latency.p99Ms * 10);
  });
}
