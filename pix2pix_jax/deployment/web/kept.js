/**
 * The first things that were added, as long as all together are not too large, and the last one.
 *
 * Of things that are used in turn, more are still there at their next use than if those used last
 * were kept.
 */
export class Kept {
  /**
   * @param most The largest total size; what was added last stays even if it is larger.
   * @param release Called with what is no longer kept.
   */
  constructor(most, release) {
    Object.assign(this, { most, release, entries: [] });
  }

  get(key) {
    return this.entries.find((entry) => entry.key === key)?.value;
  }

  add(key, value, size) {
    let total = this.entries.reduce((sum, entry) => sum + entry.size, size);
    while (total > this.most && this.entries.length) {
      const last = this.entries.pop();
      total -= last.size;
      this.release(last.value);
    }
    this.entries.push({ key, value, size });
  }
}
