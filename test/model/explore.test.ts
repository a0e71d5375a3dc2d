import { expect, test } from "vitest";
import { explore, type Model } from "./explore.ts";

/** Three hands that each put up to `fingersMax` fingers up, one at a time. */
function hands(fingersMax: number, forbidden = Number.POSITIVE_INFINITY): Model<readonly number[]> {
  return {
    start: [0, 0, 0],
    *moves(state) {
      for (const [hand, fingers] of state.entries()) {
        if (fingers < fingersMax) yield [`hand ${hand}`, state.with(hand, fingers + 1)];
      }
    },
    violation(state) {
      const sum = state.reduce((all, fingers) => all + fingers, 0);
      return sum === forbidden ? `${sum} fingers` : undefined;
    },
    encode: (state, order) => (order.length > 0 ? order.map((hand) => state[hand]!) : state),
  };
}

test("every state is visited once, whatever leads to it", () => {
  const { states, depth, found } = explore(hands(59));
  expect({ states, depth, found }).toEqual({ states: 60 ** 3, depth: 3 * 59, found: undefined });
});

test("states that differ only in who is who are one", () => {
  const weigh = (state: readonly number[], hand: number): number => state[hand]!;
  const alike = explore({ ...hands(59), alike: { count: 3, weigh } });
  expect(alike.states).toBe((60 * 61 * 62) / 6);
});

test("a bad state comes with a shortest run to it", () => {
  const { found } = explore(hands(3, 4));
  expect(found?.violation).toBe("4 fingers");
  expect(found?.trace).toEqual(["hand 0", "hand 0", "hand 0", "hand 1"]);
});

test("a model whose moves are not a function of its state is refused", () => {
  let calls = 0;
  const model: Model<number> = {
    start: 0,
    *moves(state) {
      yield ["jump", state + 1 + calls++];
    },
    violation: (state) => (state > 5 ? "too far" : undefined),
    encode: (state) => [state],
  };
  expect(() => explore(model)).toThrow("not always the same");
});
