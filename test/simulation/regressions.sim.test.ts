import { expect, test } from "vitest";
import { resultOf } from "./campaign/run-task.ts";
import { REGRESSIONS } from "./regressions.ts";

for (const { found, ...task } of REGRESSIONS) {
  const replay = `npm run test:campaign -- --replay '${JSON.stringify(task)}'`;
  test(`[Z1] [Z4] it is not so that ${found}: ${replay}`, async () => {
    const result = await resultOf(task);
    expect(result.checks).toBeGreaterThan(0);
  });
}
