import fc from "fast-check";
import { expect, test } from "vitest";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { COUNTER_MAX, makeVersion, type LaneId } from "../format/version.ts";
import { HybridClock } from "./hybrid-clock.ts";

const LANE = "01JCZ0M3V8Q6T4R2W0Y9X7S5P3" as LaneId;
const OTHER = "01JCZ0M3V8Q6T4R2W0Y9X7S5P4" as LaneId;

test("a stamp is above every one stamped or observed before, whatever the wall clock does", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("stamp" as const) }),
    fc.record({ kind: fc.constant("jump" as const), ms: fc.integer({ min: -9_000, max: 9_000 }) }),
    fc.record({
      kind: fc.constant("observe" as const),
      ms: fc.integer({ min: -9_000, max: 9_000 }),
      counter: fc.constantFrom(0, 7, COUNTER_MAX - 1, COUNTER_MAX),
    }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const clock = new FakeClock();
      const hybrid = new HybridClock({ clock, skewMsMax: 5_000 });
      let greatest = "";
      for (const next of steps) {
        if (next.kind === "jump") clock.jump(next.ms);
        else if (next.kind === "observe") {
          const seen = makeVersion(clock.nowMs() + next.ms, next.counter, OTHER);
          hybrid.observe(seen);
          if (seen > greatest) greatest = seen;
        } else {
          const stamp = hybrid.next(LANE);
          expect(stamp > greatest).toBe(true);
          greatest = stamp;
        }
      }
    }),
  );
});

test("a stamp carries wall time when nothing forbids it", () => {
  const clock = new FakeClock();
  const hybrid = new HybridClock({ clock, skewMsMax: 5_000 });
  expect(hybrid.next(LANE)).toBe(makeVersion(clock.nowMs(), 0, LANE));
  expect(hybrid.next(LANE)).toBe(makeVersion(clock.nowMs(), 1, LANE));
  clock.advance(10);
  expect(hybrid.next(LANE)).toBe(makeVersion(clock.nowMs(), 0, LANE));
});

test("a counter that is used up moves to the next millisecond", () => {
  const clock = new FakeClock();
  const hybrid = new HybridClock({ clock, skewMsMax: 5_000 });
  hybrid.observe(makeVersion(clock.nowMs(), COUNTER_MAX, OTHER));
  expect(hybrid.next(LANE)).toBe(makeVersion(clock.nowMs() + 1, 0, LANE));
});

test("the store's time goes on by the monotonic clock, so that a jump of the wall clock shows", () => {
  const clock = new FakeClock();
  const hybrid = new HybridClock({ clock, skewMsMax: 5_000 });
  expect(hybrid.isAnchored).toBe(false);
  hybrid.observeStore(clock.time.nowMs());
  expect(hybrid.isAnchored).toBe(true);
  clock.advance(3_600_000);
  expect(hybrid.skewMs()).toBe(0);
  clock.jump(5_000);
  expect([hybrid.skewMs(), hybrid.isSkewed()]).toEqual([5_000, false]);
  clock.jump(1);
  expect([hybrid.skewMs(), hybrid.isSkewed()]).toEqual([5_001, true]);
  clock.jump(-10_002);
  expect([hybrid.skewMs(), hybrid.isSkewed()]).toEqual([-5_001, true]);
});

test("a suspended machine's old answer says nothing: the next one puts it right", () => {
  const clock = new FakeClock();
  const hybrid = new HybridClock({ clock, skewMsMax: 5_000 });
  hybrid.observeStore(clock.time.nowMs());
  clock.suspend(60_000);
  expect(hybrid.isSkewed()).toBe(true);
  hybrid.observeStore(clock.time.nowMs());
  expect(hybrid.skewMs()).toBe(0);
});

test("an answer that was long on its way does not make this clock look fast", () => {
  const clock = new FakeClock();
  const hybrid = new HybridClock({ clock, skewMsMax: 5_000 });
  hybrid.observeStore(clock.nowMs());
  const sentMs = clock.nowMs();
  clock.advance(60_000);
  hybrid.observeStore(sentMs);
  expect(hybrid.skewMs()).toBe(0);
  // It does not speak for ever: a store whose clock was set back is believed in the end.
  clock.advance(10 * 60_000);
  hybrid.observeStore(clock.nowMs() - 3_000);
  expect(hybrid.skewMs()).toBe(3_000);
});
