import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { REPOSITORY_ROOT } from "./repository.ts";

/*
 * The package as its users get it: packed, installed into an empty folder, imported there.
 * `npm test` builds first; a missing `dist/` is a failure. Packages come from npm's cache where
 * it has them.
 */

const UNPACKED_BYTES_MAX = 3_000_000;
/** What `import("brainy")` must leave alone until it is used. */
const LOADED_ON_USE =
  /node:worker_threads|node:child_process|file-system|\/s3|@aws-sdk|commander|cli-progress|\/ws\/|web-socket/;

interface Packed {
  readonly filename: string;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

interface Manifest {
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly scripts?: Readonly<Record<string, string>>;
}

interface LockEntry {
  readonly dev?: boolean;
  readonly devOptional?: boolean;
}

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));
const manifest = readJson(join(REPOSITORY_ROOT, "package.json")) as Manifest;

let folder = "";
let packed: Packed;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "brainy-package-"));
  const output = npm(
    REPOSITORY_ROOT,
    "pack",
    "--json",
    "--ignore-scripts",
    `--pack-destination=${folder}`,
  );
  packed = (JSON.parse(output) as readonly Packed[])[0]!;
  writeConsumer(folder, packed.filename);
  npm(folder, "ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund");
});

afterAll(() => {
  if (folder !== "") rmSync(folder, { recursive: true, force: true });
});

test("the package is under 5 MB and holds no tests and no build state", () => {
  expect(packed.unpackedSize).toBeLessThan(UNPACKED_BYTES_MAX);
  const paths = packed.files.map(({ path }) => path);
  expect(paths).toEqual(expect.arrayContaining(["LICENSE", "dist/index.js", "dist/index.d.ts"]));
  expect(paths.filter((path) => /\.test\.|\.test-|tsbuildinfo|tsconfig/.test(path))).toEqual([]);
});

test("installing compiles nothing and runs nothing", () => {
  const offenders: string[] = [];
  for (const path of installedPackages(join(folder, "node_modules"))) {
    const { scripts = {} } = readJson(join(path, "package.json")) as Manifest;
    const hooks = ["preinstall", "install", "postinstall"].filter((name) => name in scripts);
    if (hooks.length > 0) offenders.push(`${path}: ${hooks.join(", ")}`);
    const native = readdirSync(path, { recursive: true, encoding: "utf8" }).filter((name) =>
      /(^|[\\/])binding\.gyp$|\.node$/.test(name),
    );
    offenders.push(...native.map((name) => join(path, name)));
  }
  expect(offenders).toEqual([]);
});

test("every dependency that is declared was installed, and none beside their own", () => {
  const names = installedPackages(join(folder, "node_modules")).map((path) =>
    path.slice(path.lastIndexOf("node_modules") + "node_modules/".length),
  );
  const lock = readLock();
  const expected = Object.keys(lock)
    .filter((path) => path !== "" && lock[path]!.dev !== true && lock[path]!.devOptional !== true)
    .map((path) => path.slice(path.lastIndexOf("node_modules") + "node_modules/".length));
  expect(names.toSorted()).toEqual([...expected, "brainy"].toSorted());
});

for (const [entry, names] of Object.entries(
  readJson(join(REPOSITORY_ROOT, "test/api-exports.json")) as Record<string, readonly string[]>,
)) {
  test(`"${entry}" exports what test/api-exports.json lists`, () => {
    const specifier = entry.replace(/^\./, "brainy");
    const script = `console.log(JSON.stringify(Object.keys(await import("${specifier}"))))`;
    const exported = JSON.parse(node("--input-type=module", "--eval", script)) as string[];
    expect(exported.toSorted()).toEqual(names.toSorted());
  });
}

test("importing the package loads no adapter, worker or command-line code", () => {
  const hook = `
    import { writeSync } from "node:fs";
    export async function resolve(specifier, context, next) {
      const resolved = await next(specifier, context);
      writeSync(1, resolved.url + "\\n");
      return resolved;
    }`;
  const hookUrl = `data:text/javascript,${encodeURIComponent(hook)}`;
  const script = `
    const { register } = await import("node:module");
    register(${JSON.stringify(hookUrl)});
    await import("brainy");`;
  const loaded = node("--input-type=module", "--eval", script).trim().split("\n");
  const own = pathToFileURL(join(folder, "node_modules/brainy/dist/index.js")).href;
  expect(loaded.some((url) => url.endsWith(new URL(own).pathname))).toBe(true);
  expect(loaded.filter((url) => LOADED_ON_USE.test(url))).toEqual([]);
});

for (const moduleResolution of ["nodenext", "bundler"]) {
  test(`declarations compile for a user under ${moduleResolution}, with no types of ours`, () => {
    const entries = ["brainy", "brainy/storage", "brainy/storage/conformance"];
    const lines = entries.map((name, index) => `export * as entry${index} from "${name}";\n`);
    writeFileSync(join(folder, "consumer.ts"), lines.join(""));
    const options = {
      target: "es2023",
      lib: ["es2023", "dom", "esnext.disposable"],
      module: moduleResolution === "nodenext" ? "nodenext" : "esnext",
      moduleResolution,
      types: [],
      strict: true,
      skipLibCheck: false,
      noEmit: true,
    };
    const config = join(folder, `tsconfig.${moduleResolution}.json`);
    writeFileSync(config, JSON.stringify({ compilerOptions: options, files: ["consumer.ts"] }));
    expect(run(join(REPOSITORY_ROOT, "node_modules/.bin/tsc"), ["-p", config])).toBe("");
  });
}

test("the installed command runs and knows its version", () => {
  const command = join(folder, "node_modules/.bin/brainy");
  expect(run(command, ["--version"]).trim()).toContain(manifest.version);
});

/** An empty project whose lock file is ours without what only development needs. */
function writeConsumer(into: string, tarball: string): void {
  const project = { name: "consumer", version: "1.0.0", type: "module", private: true };
  const dependencies = { brainy: `file:${tarball}` };
  const shipped = Object.entries(readLock()).filter(
    ([path, entry]) => path !== "" && entry.dev !== true && entry.devOptional !== true,
  );
  const packages = {
    "": { ...project, dependencies },
    ...Object.fromEntries(shipped),
    "node_modules/brainy": {
      version: manifest.version,
      resolved: `file:${tarball}`,
      dependencies: manifest.dependencies,
      bin: { brainy: "dist/cli/main.js" },
    },
  };
  const lock = { ...project, lockfileVersion: 3, requires: true, packages };
  writeFileSync(join(into, "package.json"), JSON.stringify({ ...project, dependencies }));
  writeFileSync(join(into, "package-lock.json"), JSON.stringify(lock));
}

function readLock(): Readonly<Record<string, LockEntry>> {
  const lock = readJson(join(REPOSITORY_ROOT, "package-lock.json")) as {
    readonly packages: Readonly<Record<string, LockEntry>>;
  };
  return lock.packages;
}

/** Folders of all packages below a `node_modules`, scoped and nested ones included. */
function installedPackages(modules: string): string[] {
  if (!existsSync(modules)) return [];
  const names = readdirSync(modules).flatMap((name) => {
    if (name.startsWith(".")) return [];
    if (!name.startsWith("@")) return [name];
    return readdirSync(join(modules, name)).map((inner) => `${name}/${inner}`);
  });
  return names.flatMap((name) => {
    const path = join(modules, name);
    return [path, ...installedPackages(join(path, "node_modules"))];
  });
}

function npm(cwd: string, ...args: readonly string[]): string {
  return run("npm", args, cwd);
}

function node(...args: readonly string[]): string {
  return run(process.execPath, args);
}

/** Runs a program without what an enclosing `npm` says about its own project. */
function run(command: string, args: readonly string[], cwd: string = folder): string {
  const enclosing = /^npm_(package|lifecycle|config_local_prefix|config_ignore_scripts)/;
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !enclosing.test(name) && name !== "INIT_CWD"),
  );
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    env,
    encoding: "utf8",
  });
  if (status === 0) return stdout;
  throw new Error(`${command} ${args.join(" ")} failed:\n${stdout}${stderr}`, { cause: error });
}
