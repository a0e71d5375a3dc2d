import type { PassageKind } from "./passages.ts";

const MARKDOWN = new Set(["md", "markdown", "mdx", "mdown"]);

const CODE = new Set(
  (
    "astro bash c cc clj cljs cpp cs css cts cxx dart elm erl ex exs fish fs fsx go gql graphql " +
    "groovy h hcl hh hpp hs htm html hxx java jl js json json5 jsonc jsx kt kts less lua m mjs " +
    "cjs ml mli mm mts nim nix php pl pm proto ps1 py pyi r rb rs sass scala scss sh sol sql " +
    "svelte swift tf toml ts tsx v vb vue wat xml yaml yml zig zsh"
  ).split(" "),
);

const CODE_NAMES = new Set(["dockerfile", "makefile", "gemfile", "rakefile", "jenkinsfile"]);

/** How `cutPassages` should read a file, by its name alone; what is unknown is plain text. */
export function kindOfFile(name: string): PassageKind {
  const base = name
    .slice(Math.max(name.lastIndexOf("/"), name.lastIndexOf("\\")) + 1)
    .toLowerCase();
  const dot = base.lastIndexOf(".");
  const extension = dot > 0 ? base.slice(dot + 1) : "";
  if (MARKDOWN.has(extension)) return "markdown";
  return CODE.has(extension) || CODE_NAMES.has(base) ? "code" : "text";
}
