import fc from "fast-check";
import { expect, test } from "vitest";
import { judge, type HistoryOperation, type HistoryRead, type Sighting } from "./judge.mjs";

/*
 * The judge of the fleet campaign: it must let pass whatever a fold of operations explains, and
 * name what none does.
 */

const version = (millis: number): string =>
  `${millis.toString(16).padStart(12, "0")}-000000-01J00000000000000000000000`;

let values = 0;

/** An operation that was stamped at `at`, and acknowledged 10 ms later unless it says otherwise. */
function operation(
  kind: HistoryOperation["kind"],
  at: number,
  more: Partial<HistoryOperation> = {},
): HistoryOperation {
  return {
    name: "w1 1.1",
    run: 1,
    isOff: false,
    id: "a",
    kind,
    value: ++values,
    startMs: at,
    stampMsMax: at + 5,
    version: version(at),
    ackedMs: at + 10,
    ...more,
  };
}

const OPEN = { version: undefined, ackedMs: undefined };

/** A read between two moments by a process that wrote nothing. */
function read(t0: number, seen: Sighting, more: Partial<HistoryRead> = {}): HistoryRead {
  const level = "strong" as const;
  return { run: 9, actor: "r1", what: "get", level, t0, t1: t0 + 5, seen: [seen], ...more };
}

const shown = (put: HistoryOperation, at: number): Sighting => [
  "a",
  version(at),
  put.value,
  null,
  null,
];

/** The first word of each problem. */
function kinds(operations: readonly HistoryOperation[], reads: readonly HistoryRead[]): string[] {
  return judge({ operations, reads }).map((problem) =>
    problem.replace(/^.*(?:\], |absent, )(\w+).*$/, "$1"),
  );
}

test("an acknowledged put that a strong read does not show is lost", () => {
  const put = operation("put", 100);
  expect(kinds([put], [read(200, ["a"])])).toEqual(["lost"]);
  const older = operation("put", 50);
  expect(kinds([older, put], [read(200, shown(older, 50))])).toEqual(["lost"]);
  expect(kinds([put], [read(200, shown(put, 100))])).toEqual([]);
});

test("before it was acknowledged, and for weaker reads of others, it may be missing", () => {
  const put = operation("put", 100);
  expect(kinds([put], [read(105, ["a"])])).toEqual([]);
  expect(kinds([put], [read(200, ["a"], { level: "eventual" })])).toEqual([]);
  expect(kinds([put], [read(200, ["a"], { level: "bounded", maxMs: 95 })])).toEqual([]);
  expect(kinds([put], [read(200, ["a"], { level: "bounded", maxMs: 80 })])).toEqual(["lost"]);
  expect(kinds([put], [read(200, ["a"], { level: "eventual", run: 1 })])).toEqual(["lost"]);
});

test("what was deleted and acknowledged is resurrected when it is shown without a later put", () => {
  const [put, gone] = [operation("put", 100), operation("delete", 120)];
  expect(kinds([put, gone], [read(200, shown(put, 100))])).toEqual(["resurrected"]);
  const again = operation("put", 130);
  expect(kinds([put, gone, again], [read(200, shown(again, 130))])).toEqual([]);
});

test("an operation whose outcome is open may be there or not", () => {
  const [put, open] = [operation("put", 100), operation("delete", 120, OPEN)];
  expect(kinds([put, open], [read(200, ["a"])])).toEqual([]);
  expect(kinds([put, open], [read(200, shown(put, 100))])).toEqual([]);
});

test("a delete that ended before a put was stamped does not explain that it is missing", () => {
  const [open, put] = [operation("delete", 100, OPEN), operation("put", 120)];
  expect(kinds([open, put], [read(200, ["a"])])).toEqual(["lost"]);
});

test("an acknowledged patch has to be there, or a newer one of its kind", () => {
  const put = operation("put", 100);
  const [first, second] = [operation("patch", 110), operation("patch", 120)];
  const seen = (patch: HistoryOperation, at: number): Sighting => {
    return ["a", version(at), put.value, patch.value, null];
  };
  expect(kinds([put, first, second], [read(200, seen(second, 120))])).toEqual([]);
  expect(kinds([put, first, second], [read(200, seen(first, 110))])).toEqual(["lost"]);
  expect(kinds([put, first], [read(200, shown(put, 100))])).toEqual(["lost"]);
});

test("a process never goes back behind what it has shown", () => {
  const [old, young] = [operation("put", 100, OPEN), operation("put", 120, OPEN)];
  const weak = { level: "eventual" } as const;
  const reads = [read(200, shown(young, 120), weak), read(300, shown(old, 100), weak)];
  expect(kinds([old, young], reads)).toEqual(["gone"]);
  const gone = [read(200, shown(young, 120), weak), read(300, ["a"], weak)];
  expect(kinds([old, young], gone)).toEqual(["gone"]);
  expect(kinds([old, young], [reads[0]!, { ...reads[1]!, run: 8 }])).toEqual([]);
});

test("what nobody wrote, what had not begun and what a wrong clock wrote is invented", () => {
  const late = operation("put", 500);
  expect(kinds([], [read(200, ["a", version(1), 12_345, null, null])])).toEqual(["invented"]);
  expect(kinds([late], [read(200, shown(late, 500))])).toEqual(["invented"]);
  const off = operation("put", 100, { ...OPEN, isOff: true });
  expect(kinds([off], [read(200, shown(off, 100))])).toEqual(["invented"]);
});

test("an operation that has two versions was written twice", () => {
  const put = operation("put", 100);
  expect(kinds([put], [read(105, shown(put, 90))])).toEqual(["doubled"]);
  const open = operation("put", 100, OPEN);
  const twice = [read(200, shown(open, 101)), read(300, shown(open, 103))];
  expect(kinds([open], twice)).toEqual(["doubled"]);
});

test("of two operations under one condition only one is done, unless that was undone between", () => {
  const was = ["a"] as const;
  const [first, second] = [operation("put", 100, { was }), operation("put", 120, { was })];
  expect(judge({ operations: [first, second], reads: [] })).toHaveLength(1);
  const between = operation("delete", 110);
  expect(judge({ operations: [first, second, between], reads: [] })).toEqual([]);
  const after = operation("delete", 130);
  expect(judge({ operations: [first, second, after], reads: [] })).toHaveLength(1);

  const upon = { was: shown(first, 100) };
  const [one, other] = [operation("patch", 120, upon), operation("delete", 130, upon)];
  expect(judge({ operations: [first, one, other], reads: [] })).toHaveLength(1);
  const open = { ...other, ...OPEN };
  expect(judge({ operations: [first, one, open], reads: [] })).toEqual([]);
});

test("a whole read that leaves a record out says that it is not there", () => {
  const put = operation("put", 100);
  const whole = { ...read(200, ["b"]), seen: [], isWhole: true };
  expect(kinds([put], [whole])).toEqual(["lost"]);
});

test("whatever is a fold of what must and what may be there passes", () => {
  const kind = fc.constantFrom<HistoryOperation["kind"][]>("put", "put", "patch", "move", "delete");
  const step = fc.record({ kind, isOpen: fc.boolean(), isDone: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const operations = steps.map(({ kind: one, isOpen }, i) =>
        operation(one, 100 + 10 * i, isOpen ? OPEN : {}),
      );
      const there = operations.filter((_, i) => !steps[i]!.isOpen || steps[i]!.isDone);
      const at = (one: HistoryOperation): string => version(one.startMs);
      const base = there.findLast(({ kind: one }) => one === "put" || one === "delete");
      const above = base === undefined ? [] : there.slice(there.indexOf(base) + 1);
      const seen: Sighting =
        base === undefined || base.kind === "delete"
          ? ["a"]
          : [
              "a",
              at(above.at(-1) ?? base),
              base.value,
              above.findLast(({ kind: one }) => one === "patch")?.value ?? null,
              above.findLast(({ kind: one }) => one === "move")?.value ?? null,
            ];
      expect(judge({ operations, reads: [read(1_000, seen)] })).toEqual([]);
    }),
  );
});

test("a late delete takes a patch along that a reader had seen, and not what is over it", () => {
  const eventual = { level: "eventual" } as const;
  const put = operation("put", 100);
  const patch = operation("patch", 200, { startMs: 190 });
  const patched: Sighting = ["a", version(200), put.value, patch.value, null];
  const reads = [read(210, patched, eventual), read(300, ["a"], eventual)];
  // A clock that is behind stamped it between the two, after the patch had been read.
  const between = operation("delete", 150, { startMs: 215, stampMsMax: 230, ackedMs: 240 });
  expect(kinds([put, patch, between], reads)).toEqual([]);
  const before = operation("delete", 50, { startMs: 40, stampMsMax: 55, ackedMs: 60 });
  expect(kinds([put, patch, before], reads)).toEqual(["gone"]);
  const open = { ...put, ...OPEN };
  expect(kinds([open, patch, before], reads)).toEqual(["gone"]);
});
