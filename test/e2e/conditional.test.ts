import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished, test } from "vitest";
import { countTogether } from "../support/conditional-processes.ts";

test("[L1] [L2] in a folder, processes that count and claim under conditions never do it twice", async () => {
  const folder = mkdtempSync(join(tmpdir(), "brainy-conditional-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  await countTogether(folder, 20);
}, 120_000);
