import { spawnSync } from "node:child_process";
import { pathToFileURL } from "node:url";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const dist = (path: string): string => JSON.stringify(pathToFileURL(join(root, "dist", path)).href);

/** A program that ends when nothing keeps it: a store that fails at first means waits of its own. */
const program = `
  import Brainy from ${dist("index.js")};
  import { MemoryStore } from ${dist("storage/index.js")};
  import { BrainyError } from ${dist("base/errors.js")};
  const inner = new MemoryStore();
  let failures = 4;
  const store = new Proxy(inner, {
    get(target, name) {
      if (name !== "put") return typeof target[name] === "function" ? target[name].bind(target) : target[name];
      return async (key, ...more) => {
        if (key.startsWith("_brainy/wal/") && failures-- > 0) {
          throw new BrainyError("BRAINY_UNAVAILABLE", "not now");
        }
        return target.put(key, ...more);
      };
    },
  });
  const brain = new Brainy({ storage: { type: "store", store }, pollInterval: 0 });
  await brain.add([1, 2], {}, { id: "a" });
  console.log("added");
  failures = 3;
  await brain.close();
  console.log("closed");
`;

test("a process does not end while a write or a close waits before it tries again", () => {
  const ended = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
    cwd: root,
    encoding: "utf8",
  });
  expect(ended.stderr).toBe("");
  expect(ended.stdout).toBe("added\nclosed\n");
  expect(ended.status).toBe(0);
});
