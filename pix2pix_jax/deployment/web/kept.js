/** What was used last, as long as all of it together is not too large. */
export class Kept {
  /**
   * @param most The largest total size; what was added last stays even if it is larger.
   * @param release Called with what is no longer kept.
   */
  constructor(most, release) {
    Object.assign(this, { most, release, entries: new Map() }); // in the order of their last use
  }

  get(key) {
    const entry = this.entries.get(key);
    if (!entry) return null;
    this.entries.delete(key);
    this.entries.set(key, entry);
    return entry.value;
  }

  add(key, value, size) {
    this.entries.set(key, { value, size });
    let total = [...this.entries.values()].reduce((sum, each) => sum + each.size, 0);
    for (const [oldest, entry] of this.entries) {
      if (total <= this.most || oldest === key) break;
      total -= entry.size;
      this.entries.delete(oldest);
      this.release(entry.value);
    }
  }
}
