import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

/*
 * The real thing: a process that writes through the built package is killed by SIGKILL, 20 times
 * over one folder. `node scripts/test-crash.mjs` does the same for longer.
 */

const SCRIPT = fileURLToPath(new URL("../../scripts/test-crash.mjs", import.meta.url));
const SEED = Number(process.env["BRAINY_TEST_CRASH_SEED"] ?? 1);
const KILLS = 20;

interface Summary {
  readonly kills: number;
  readonly acknowledged: number;
  readonly lost: number;
  readonly resurrected: number;
  readonly verifyErrors: number;
  readonly reopenMs: { readonly p50: number; readonly max: number };
  readonly problems: readonly string[];
}

/** The summary is printed whether or not there were problems. */
function runScript(kills: number, seed: number): Promise<Summary> {
  const args = [SCRIPT, "--json", "--kills", String(kills), "--seed", String(seed)];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      if (stdout === "") reject(error ?? new Error(stderr));
      else resolve(JSON.parse(stdout) as Summary);
    });
  });
}

test(`${KILLS} kills lose nothing acknowledged and bring nothing deleted back`, async () => {
  const summary = await runScript(KILLS, SEED);
  console.log(
    `seed ${SEED}: ${summary.acknowledged} operations acknowledged, ` +
      `reopened in ${summary.reopenMs.p50} ms (median), ${summary.reopenMs.max} ms (longest)`,
  );
  expect(summary.problems).toEqual([]);
  const { kills, lost, resurrected, verifyErrors } = summary;
  expect({ kills, lost, resurrected, verifyErrors }).toEqual({
    kills: KILLS,
    lost: 0,
    resurrected: 0,
    verifyErrors: 0,
  });
  // A writer that never got to write would have lost nothing either.
  expect(summary.acknowledged).toBeGreaterThan(20 * KILLS);
  // On an idle machine it is a few milliseconds; this only notices what is out of all proportion.
  expect(summary.reopenMs.max).toBeLessThan(5_000);
});
