import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { REPOSITORY_ROOT, readRepository } from "./repository.ts";

/*
 * Whoever has a message looks for it in the guide: the texts that it quotes are those of the code.
 */

const guide = readFileSync(join(REPOSITORY_ROOT, "docs/guide/operations.md"), "utf8");
const section = guide.slice(guide.indexOf("\n## Troubleshooting"));

/** Texts of the code, those that are put together over several lines as one. */
const code = readRepository()
  .filter(({ path }) => /^src\/.*\.ts$/.test(path) && !path.includes(".test"))
  .map(({ text }) => text.replaceAll(/["'`]\s*\+\s*["'`]/g, ""))
  .join("\n");

/** The first column of the table, and what is quoted in it. */
const quoted = section
  .split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| you see"))
  .flatMap((line) => [...line.split(" | ")[0]!.matchAll(/`([^`]+)`/g)].map((match) => match[1]!));

test("the guide quotes messages", () => {
  expect(quoted.length).toBeGreaterThan(12);
});

for (const text of quoted) {
  test(`the message that the guide quotes is one of the code: ${text}`, () => {
    // Said by the store, or a state and no message.
    if (text === "SlowDown" || text === "stale") return expect(code).toContain(`"${text}"`);
    expect(code).toContain(text);
  });
}
