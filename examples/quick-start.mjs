/*
 * Add, search, filter. Keeps nothing: leave `storage` out, or say "memory".
 *
 *   node examples/quick-start.mjs
 */

import { Brainy } from "brainy";

const brain = new Brainy();

await brain.add("The quick brown fox jumps over the lazy dog", { animal: "fox", legs: 4 });
await brain.add("A raven sits on the roof and calls", { animal: "raven", legs: 2 });
await brain.add("Foxes hunt at dusk and sleep through the day", { animal: "fox", legs: 4 });

for (const { score, text } of await brain.search("what do foxes do at dusk?", 2)) {
  console.log(score.toFixed(3), text);
}

const birds = await brain.search("an animal on a roof", { k: 5, filter: { legs: { $lt: 3 } } });
console.log(birds.map(({ metadata }) => metadata.animal));

await brain.close();
