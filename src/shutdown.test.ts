import { expect, test } from "vitest";
import { shutdownOnSignals, type ShutdownOptions } from "./shutdown.ts";

const brain = { close: () => Promise.resolve() };

test("what is no signal, no time or no option is refused by name", () => {
  const refused = [
    [{ signals: ["SIGTRM"] }, /unknown signal "SIGTRM"; did you mean SIGTERM\?/],
    [{ signals: [] }, /signals must be a list/],
    [{ timeoutMs: -1 }, /timeoutMs: -1/],
    [{ timeout: 5 }, /unknown name "timeout"; did you mean "timeoutMs"\?/],
  ] as const;
  for (const [options, message] of refused) {
    expect(() => shutdownOnSignals(brain, options as unknown as ShutdownOptions)).toThrow(message);
  }
});

test("what it returns takes its listeners away, and nobody else's", () => {
  const before = process.listenerCount("SIGHUP");
  const undo = shutdownOnSignals(brain, { signals: ["SIGHUP"] });
  const undoOther = shutdownOnSignals(brain, { signals: ["SIGHUP"] });
  expect(process.listenerCount("SIGHUP")).toBe(before + 2);
  undo();
  undo();
  expect(process.listenerCount("SIGHUP")).toBe(before + 1);
  undoOther();
  expect(process.listenerCount("SIGHUP")).toBe(before);
});
