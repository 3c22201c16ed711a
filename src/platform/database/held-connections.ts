/**
 * Counts the connections of a driver that are held, which are waited for before it closes. A Set of them would have V8
 * keep what each of them was used for until it collects its old generation, for a Set that grew knows the one before.
 */
export class HeldConnections {
  #count = 0;
  #onLastRelease: (() => void) | undefined;

  acquired(): void {
    this.#count += 1;
  }

  released(): void {
    this.#count -= 1;
    if (this.#count === 0) this.#onLastRelease?.();
  }

  /** Waits until none is held: called once, when nobody gets one any more. */
  async allReleased(): Promise<void> {
    if (this.#count === 0) return;
    await new Promise<void>((resolve) => {
      this.#onLastRelease = resolve;
    });
  }
}
