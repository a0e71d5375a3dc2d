export { functionEmbedder } from "./embedder.ts";
export type { EmbedFunction, EmbedOptions, Embedder, FunctionEmbedderOptions } from "./embedder.ts";
export { lexicalEmbedder } from "./lexical-embedder.ts";
export { kindOfFile } from "./kind-of-file.ts";
export { cutPassages } from "./passages.ts";
export type { Passage, PassageKind, PassageOptions } from "./passages.ts";
