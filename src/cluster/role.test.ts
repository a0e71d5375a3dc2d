import { expect, test } from "vitest";
import { decideAuto, decideRole, type Environment, type RoleOptions } from "./role.ts";

const READ_ONLY: RoleOptions = { readOnly: "readOnly: true" };
const LAMBDA: Environment = { AWS_LAMBDA_FUNCTION_NAME: "search" };

/** Who wins over whom: every source alone, and every pair. */
const FOUND: readonly [
  environment: Environment,
  options: RoleOptions,
  role: string,
  because: string,
  overrides?: readonly string[],
][] = [
  [{ BRAINY_ROLE: "writer" }, {}, "writer", "BRAINY_ROLE=writer"],
  [{ BRAINY_ROLE: "reader" }, {}, "reader", "BRAINY_ROLE=reader"],
  [{ BRAINY_ROLE: "hybrid" }, {}, "hybrid", "BRAINY_ROLE=hybrid"],
  [{}, { role: "writer" }, "writer", 'distributed.role: "writer"'],
  [{}, { role: "auto" }, "auto", 'distributed.role: "auto"'],
  [{}, READ_ONLY, "reader", "readOnly: true"],
  [{ BRAINY_MODE: "read-only" }, {}, "reader", "BRAINY_MODE=read-only"],
  [{ BRAINY_ROLE: "", BRAINY_MODE: "" }, READ_ONLY, "reader", "readOnly: true"],
  [
    { BRAINY_ROLE: "writer" },
    { role: "reader" },
    "writer",
    "BRAINY_ROLE=writer",
    ['distributed.role: "reader"'],
  ],
  [{ BRAINY_ROLE: "writer" }, READ_ONLY, "writer", "BRAINY_ROLE=writer", ["readOnly: true"]],
  [
    { BRAINY_ROLE: "writer", BRAINY_MODE: "read-only" },
    {},
    "writer",
    "BRAINY_ROLE=writer",
    ["BRAINY_MODE=read-only"],
  ],
  [{ BRAINY_ROLE: "reader" }, READ_ONLY, "reader", "BRAINY_ROLE=reader", []],
  [
    {},
    { role: "hybrid", ...READ_ONLY },
    "hybrid",
    'distributed.role: "hybrid"',
    ["readOnly: true"],
  ],
  [
    { BRAINY_MODE: "read-only" },
    { role: "writer" },
    "writer",
    'distributed.role: "writer"',
    ["BRAINY_MODE=read-only"],
  ],
  [{ BRAINY_MODE: "read-only" }, READ_ONLY, "reader", "readOnly: true", []],
  [
    { BRAINY_ROLE: "search", BRAINY_MODE: "read-only" },
    {},
    "reader",
    "BRAINY_MODE=read-only with the label BRAINY_ROLE=search",
  ],
  [
    { BRAINY_ROLE: "search", BRAINY_MODE: "read-only" },
    { role: "writer" },
    "reader",
    "BRAINY_MODE=read-only with the label BRAINY_ROLE=search",
    ['distributed.role: "writer"'],
  ],
  [{ BRAINY_MODE: "write-only" }, {}, "writer", "BRAINY_MODE=write-only"],
  [{}, { writeOnly: "writeOnly: true" }, "writer", "writeOnly: true"],
  [
    { BRAINY_ROLE: "hybrid" },
    { writeOnly: "writeOnly: true" },
    "hybrid",
    "BRAINY_ROLE=hybrid",
    ["writeOnly: true"],
  ],
  [
    { BRAINY_ROLE: "crawler", BRAINY_MODE: "write-only" },
    {},
    "writer",
    "BRAINY_MODE=write-only with the label BRAINY_ROLE=crawler",
  ],
  [LAMBDA, { role: "auto" }, "reader", 'distributed.role: "auto" on AWS Lambda'],
  [LAMBDA, { role: "writer" }, "writer", 'distributed.role: "writer"'],
  [{ ...LAMBDA, BRAINY_ROLE: "hybrid" }, {}, "hybrid", "BRAINY_ROLE=hybrid"],
];

for (const [environment, options, role, because, overrides] of FOUND) {
  const said = JSON.stringify({ ...environment, ...options });
  test(`${said} is a ${role}`, () => {
    const decision = decideRole(environment, options);
    expect(decision).toMatchObject({ role, because });
    if (overrides !== undefined) expect(decision.overrides).toEqual(overrides);
  });
}

const REFUSED: readonly [Environment, RoleOptions, code: string, message: RegExp][] = [
  [{}, {}, "BRAINY_INVALID_ARGUMENT", /BRAINY_ROLE.*distributed: \{ role/],
  [LAMBDA, {}, "BRAINY_INVALID_ARGUMENT", /no role/],
  [{ BRAINY_ROLE: "github" }, {}, "BRAINY_INVALID_ARGUMENT", /github.*label.*BRAINY_MODE/],
  [{ BRAINY_ROLE: "wirter" }, { role: "reader" }, "BRAINY_INVALID_ARGUMENT", /mean writer\?/],
  [{ BRAINY_ROLE: "auto" }, {}, "BRAINY_INVALID_ARGUMENT", /distributed: \{ role: 'auto' \}/],
  [{ BRAINY_MODE: "read" }, READ_ONLY, "BRAINY_INVALID_ARGUMENT", /BRAINY_MODE=read /],
];

for (const [environment, options, code, message] of REFUSED) {
  test(`${JSON.stringify({ ...environment, ...options })} is refused, and the error teaches`, () => {
    expect(() => decideRole(environment, options)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
}

test("auto is a writer only where no live writer is registered", () => {
  expect(decideAuto("auto", false)).toMatchObject({ role: "writer" });
  expect(decideAuto("auto", true)).toMatchObject({ role: "reader" });
  expect(decideAuto("auto", true).because).toMatch(/a live writer/);
});
