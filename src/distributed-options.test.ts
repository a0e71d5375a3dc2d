import { expect, test } from "vitest";
import type { Environment } from "./cluster/role.ts";
import { resolveOptions } from "./options.ts";
import type { BrainyOptions, DistributedOptions } from "./types.ts";

const INVALID = "BRAINY_INVALID_ARGUMENT";
const BUS = { publish: () => {}, subscribe: () => () => {}, close: async () => {} };
const WRITER = { role: "writer" } as const;

const REFUSED: readonly (readonly [name: string, code: string, RegExp, object, Environment?])[] = [
  ["an unknown name", INVALID, /heartbeatIntervall.*heartbeatInterval/, { heartbeatIntervall: 1 }],
  ["a role that is none", INVALID, /"boss".*writer, reader, hybrid, auto/, { role: "boss" }],
  ["an instance id with a dot", INVALID, /instanceId.*"a\.b".*letters/, { instanceId: "a.b" }],
  ["an instance id of 65", INVALID, /instanceId/, { instanceId: "a".repeat(65) }],
  ["an id that is a device on Windows", INVALID, /device/, { instanceId: "aux" }],
  [
    "a variable that is no id",
    INVALID,
    /BRAINY_INSTANCE_ID.*"a b"/,
    {},
    { BRAINY_INSTANCE_ID: "a b" },
  ],
  ["a heartbeat of no time", INVALID, /heartbeatInterval.*0/, { heartbeatInterval: 0 }],
  ["a timeout of a fraction", INVALID, /instanceTimeout.*1500\.5/, { instanceTimeout: 1500.5 }],
  ["enabled that is no boolean", INVALID, /enabled/, { enabled: 1 }],
  [
    "a way to coordinate that is none",
    INVALID,
    /coordinationMethod: "fax".*none, s3-polling, websocket, pubsub/,
    { coordinationMethod: "fax" },
  ],
  [
    "a look every tenth of a tenth",
    INVALID,
    /interval: 10 /,
    { coordinationMethod: "s3-polling", coordinator: { interval: 10 } },
  ],
  [
    "an address of the store",
    INVALID,
    /coordinator/,
    { coordinationMethod: "s3-polling", coordinator: "ws://a" },
  ],
  ["a coordinator without a method", INVALID, /needs.*coordinationMethod/, { coordinator: BUS }],
  ...(
    [
      ["no address", /must say where the relay is/, undefined],
      ["an address of another kind", /begin with ws:/, "http://a"],
      ["an address that is none", /begin with ws:/, "ws://"],
      ["a password in the address", /user, password/, "ws://a:b@c"],
      ["an address and a port", /either/, { url: "ws://a", listen: { port: 1 } }],
      ["neither", /either/, { token: "a" }],
      ["an unknown name", /urll.*url/, { urll: "ws://a" }],
      ["a port that is none", /listen\.port: 0/, { listen: { port: 0 } }],
      ["a token with spaces", /token/, { url: "ws://a", token: "a b" }],
      ["all the world without a token", /0\.0\.0\.0/, { listen: { port: 1, host: "0.0.0.0" } }],
    ] as const
  ).map(
    ([what, message, coordinator]) =>
      [
        `a relay with ${what}`,
        INVALID,
        message,
        { coordinationMethod: "websocket", coordinator },
      ] as const,
  ),
  [
    "a broker that Brainy does not know",
    "BRAINY_UNSUPPORTED",
    /"pubsub" without a bus of your own/,
    { coordinationMethod: "pubsub" },
  ],
  [
    "a bus that is none",
    INVALID,
    /coordinator is no event bus.*subscribe/,
    { coordinationMethod: "pubsub", coordinator: { publish: () => {} } },
  ],
  [
    "another place of the settings",
    INVALID,
    /configPath: "x\.json" is not _brainy\/config\.json.*prefix/,
    { configPath: "x.json" },
  ],
  [
    "a resolution",
    INVALID,
    /"newest" is none of last-write.*crdt/,
    { conflictResolution: "newest" },
  ],
  ["a resolver that is none", INVALID, /resolver must be a function/, { resolver: "newest" }],
  ["a resolver alone", INVALID, /resolver .*"vector-clock".*undefined/, { resolver: () => ({}) }],
  [
    "a resolver of what has no siblings",
    INVALID,
    /resolver .*"vector-clock".*"crdt"/,
    { conflictResolution: "crdt", resolver: () => ({}) },
  ],
];

for (const [name, code, message, given, environment = {}] of REFUSED) {
  test(`distributed: ${name} is refused`, () => {
    const options = { distributed: { ...WRITER, ...given } } as BrainyOptions;
    expect(() => resolveOptions(options, environment)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
}

test("what is refused is refused although it is not enabled", () => {
  const options = { distributed: { enabled: false, instanceId: "a b" } };
  expect(() => resolveOptions(options, {})).toThrow(/instanceId/);
});

test("every option of a fleet has its documented default", () => {
  expect(resolveOptions({ distributed: WRITER }, {}).distributed).toEqual({
    role: { role: "writer", because: 'distributed.role: "writer"', overrides: [] },
    instanceId: undefined,
    endpoint: undefined,
    consistencyLevel: "eventual",
    maxClockSkewMs: undefined,
    coordination: { method: "none" },
  });
  expect(resolveOptions({ distributed: WRITER }, {}).limits.maxClockSkewMs).toBe(5_000);
});

test("a relay is reached where it is, and hosted where it is reached", () => {
  const resolve = (coordinator: NonNullable<DistributedOptions["coordinator"]>): unknown => {
    const distributed = { ...WRITER, coordinationMethod: "websocket", coordinator } as const;
    return resolveOptions({ distributed }, {}).distributed?.coordination;
  };
  const relay = { method: "websocket", token: undefined, listen: undefined };
  expect(resolve("wss://a/b")).toEqual({ ...relay, url: "wss://a/b" });
  const listen = { port: 70, host: "0.0.0.0" };
  expect(resolve({ listen, token: "t" })).toEqual({
    ...relay,
    url: "ws://127.0.0.1:70",
    token: "t",
    listen,
  });
  expect(resolve({ listen: { port: 70, host: "::1" } })).toMatchObject({ url: "ws://[::1]:70" });
});

test("the environment goes before the options", () => {
  const environment = {
    BRAINY_INSTANCE_ID: "env-1",
    SERVICE_ENDPOINT: "http://a",
    BRAINY_ROLE: "reader",
  };
  const options = { distributed: { ...WRITER, instanceId: "option-1" } };
  const { distributed, readOnly } = resolveOptions(options, environment);
  expect(distributed).toMatchObject({ instanceId: "env-1", endpoint: "http://a" });
  expect(readOnly).toBe(true);
});

test("two limits of clock skew that differ are refused, one counts wherever it is given", () => {
  const distributed = { ...WRITER, maxClockSkew: 900 };
  expect(resolveOptions({ distributed }, {}).limits.maxClockSkewMs).toBe(900);
  const both = { distributed, limits: { maxClockSkew: 900 } };
  expect(resolveOptions(both, {}).limits.maxClockSkewMs).toBe(900);
  const other = { distributed, limits: { maxClockSkew: 901 } };
  expect(() => resolveOptions(other, {})).toThrow(/900.*901/);
});

test("a checkpoint is for readers", () => {
  const distributed = { role: "auto" } as const;
  expect(resolveOptions({ distributed, checkpoint: "c" }, {}).readOnly).toBe(true);
  expect(resolveOptions({ distributed: true, checkpoint: "c" }, {}).readOnly).toBe(true);
  expect(() => resolveOptions({ distributed: WRITER, checkpoint: "c" }, {})).toThrow(/checkpoint/);
});
