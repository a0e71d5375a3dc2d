/** First in, first out, of bounded length: the oldest make room, and are counted. */
export class BoundedQueue<Item> {
  readonly #lengthMax: number;
  readonly #items: Item[] = [];
  droppedCount = 0;

  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax;
  }

  get length(): number {
    return this.#items.length;
  }

  push(item: Item): void {
    this.#items.push(item);
    while (this.#items.length > this.#lengthMax) {
      this.#items.shift();
      this.droppedCount++;
    }
  }

  /** The oldest. */
  shift(): Item | undefined {
    return this.#items.shift();
  }

  /** Everything that waits, oldest first. */
  takeAll(): Item[] {
    return this.#items.splice(0);
  }
}
