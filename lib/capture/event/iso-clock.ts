/** Writes moments as RFC 3339 in UTC, with milliseconds. Many events are captured within one, and writing it costs more than all their fields. */
export class IsoClock {
  #moment = NaN;
  #text = '';

  /** @param moment milliseconds since 1970 */
  at(moment: number): string {
    if (moment !== this.#moment) {
      this.#text = new Date(moment).toISOString();
      this.#moment = moment;
    }
    return this.#text;
  }
}
