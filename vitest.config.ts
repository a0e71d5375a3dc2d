import { defineConfig } from "vitest/config";

/*
 * Two projects: `fast` is everything that runs inside one process, `e2e` starts processes of
 * its own and therefore waits longer. Simulations and models are ordinary files of `fast`;
 * their seeds and depth come from the environment.
 */

const E2E = ["src/**/*.e2e.test.ts", "test/**/*.e2e.test.ts", "test/e2e/**/*.test.ts"];

export default defineConfig({
  test: {
    globals: false,
    pool: "forks",
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: "fast",
          include: ["src/**/*.test.ts", "test/**/*.test.ts"],
          exclude: [...E2E, "test/package.test.ts"],
          testTimeout: 20_000,
          hookTimeout: 20_000,
        },
      },
      {
        extends: true,
        test: {
          name: "e2e",
          include: [...E2E, "test/package.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
