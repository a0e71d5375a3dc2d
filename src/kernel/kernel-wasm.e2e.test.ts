import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

test("[K6] the committed binary is what the source compiles to", () => {
  const script = fileURLToPath(new URL("../../scripts/build-kernel.mjs", import.meta.url));
  const output = execFileSync(process.execPath, [script, "--check"], { encoding: "utf8" });
  expect(output).toContain("the committed binary is what the source compiles to");
});
