import { expect, test } from "vitest";
import { VirtualTime, settle } from "../../test/support/virtual-time.ts";
import { systemClock } from "../base/clock.ts";
import { Coalesced } from "./coalesced.ts";

const never = new AbortController().signal;

test("who asks while it runs gets one more run, together with all others", async () => {
  const time = new VirtualTime();
  const clock = time.machine();
  const starts: number[] = [];
  const work = new Coalesced({
    clock,
    signal: never,
    spacingMs: 100,
    run: async () => {
      starts.push(clock.monotonicMs());
      await clock.sleep(30);
    },
  });
  for (let i = 0; i < 10; i++) work.request();
  await time.pass(10);
  for (let i = 0; i < 10; i++) work.request();
  await time.pass(1_000);
  expect(starts.map((ms) => ms - starts[0]!)).toEqual([0, 100]);
  work.request();
  await settle();
  expect(starts).toHaveLength(3);
});

test("no request is lost, at whatever moment of another run's end it comes", async () => {
  for (let turns = 0; turns < 12; turns++) {
    let said = "before";
    let heard = "";
    const run = async (): Promise<void> => {
      heard = said;
    };
    const work = new Coalesced({ clock: systemClock, signal: never, spacingMs: 0, run });
    work.request();
    for (let i = 0; i < turns; i++) await Promise.resolve();
    said = "after";
    work.request();
    await settle();
    expect(heard).toBe("after");
  }
});

test("a run that fails ends nothing, and after the signal nothing begins", async () => {
  const time = new VirtualTime();
  const stopping = new AbortController();
  let runs = 0;
  const work = new Coalesced({
    clock: time.machine(),
    signal: stopping.signal,
    spacingMs: 10,
    run: async () => {
      runs++;
      throw new Error("its own affair");
    },
  });
  work.request();
  await time.pass(20);
  work.request();
  await time.pass(0);
  expect(runs).toBe(2);
  work.request();
  stopping.abort();
  await work.settled();
  work.request();
  await time.pass(100);
  expect(runs).toBe(2);
});
