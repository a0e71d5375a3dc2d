import * as fc from "fast-check";
import { expect, test } from "vitest";
import { linearize, type Call } from "./linearizable.ts";

function sure(
  begun: number,
  ended: number,
  from: string | undefined,
  to: string | undefined,
): Call {
  return { begun, ended, from, to: [to], isSure: true, name: `${from} to ${to}` };
}

function open(begun: number, from: string | undefined, to: string | undefined): Call {
  return { begun, ended: undefined, from, to: [to], isSure: false, name: `${from} to ${to}?` };
}

test("[B7] calls one after the other, and calls at one time, are linearizable", () => {
  expect(linearize([])).toBe("linearizable");
  expect(linearize([sure(1, 2, undefined, "a"), sure(3, 4, "a", "b")])).toBe("linearizable");
  expect(linearize([sure(1, 9, "a", "b"), sure(2, 8, undefined, "a")])).toBe("linearizable");
});

test("[B7] two winners, a lost update and a call before what it was made from are not", () => {
  const [first, second] = [sure(1, 4, undefined, "a"), sure(2, 3, undefined, "b")];
  expect(linearize([first, second])).toBe("not linearizable");
  const base = sure(1, 2, undefined, "a");
  expect(linearize([base, sure(3, 6, "a", "b"), sure(4, 5, "a", "c")])).toBe("not linearizable");
  expect(linearize([sure(1, 2, "a", "b"), sure(3, 4, undefined, "a")])).toBe("not linearizable");
});

test("[B7] a read of what was already replaced when it began is found", () => {
  const calls = [sure(1, 2, undefined, "a"), sure(3, 4, "a", "b")];
  expect(linearize([...calls, sure(5, 6, "b", "b")])).toBe("linearizable");
  expect(linearize([...calls, sure(3, 6, "a", "a")])).toBe("linearizable");
  expect(linearize([...calls, sure(5, 6, "a", "a")])).toBe("not linearizable");
});

test("[B7] a call without an answer may take effect, late, or never, but not before it began", () => {
  const calls = [sure(1, 2, undefined, "a"), open(3, "a", undefined)];
  expect(linearize([...calls, sure(8, 9, undefined, "b")])).toBe("linearizable");
  expect(linearize([...calls, sure(8, 9, "a", "b")])).toBe("linearizable");
  const early = [sure(1, 2, undefined, "a"), sure(3, 4, undefined, "b"), open(5, "a", undefined)];
  expect(linearize(early)).toBe("not linearizable");
});

test("[B7] what was made one by one is linearizable however it overlaps, and is not once a step is lost", () => {
  const steps = fc.array(
    fc.record({ isDelete: fc.boolean(), before: fc.nat(5), after: fc.nat(5) }),
    { minLength: 3, maxLength: 12 },
  );
  fc.assert(
    fc.property(steps, fc.nat(), (made, lost) => {
      let at: string | undefined;
      const calls = made.map(({ isDelete, before, after }, i): Call => {
        const from = at;
        at = isDelete && from !== undefined ? undefined : `v${i}`;
        return sure(3 * i - before, 3 * i + 1 + after, from, at);
      });
      expect(linearize(calls)).toBe("linearizable");
      const at1 = lost % (made.length - 1);
      const { from, to } = calls[at1]!;
      // Two deletes in a row cannot be told from one, so only what leads somewhere else is lost.
      if (from === to[0] || calls[at1 + 1]!.from === from) return;
      const isUnique = calls.filter((call) => call.to[0] === to[0]).length === 1;
      if (isUnique) expect(linearize(calls.toSpliced(at1, 1))).toBe("not linearizable");
    }),
    { numRuns: 200 },
  );
});

test("[B7] more states than asked for are no verdict", () => {
  const calls = Array.from({ length: 12 }, () => sure(1, 100, undefined, undefined));
  expect(linearize([...calls, sure(1, 100, "a", "b")], 100)).toBe("too many");
});
