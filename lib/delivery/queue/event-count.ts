/** A count of events and of their bytes. */
export class EventCount {
  events = 0;
  bytes = 0;

  add(event: { readonly bytes: number }): void {
    this.events += 1;
    this.bytes += event.bytes;
  }

  subtract(event: { readonly bytes: number }): void {
    this.events -= 1;
    this.bytes -= event.bytes;
  }

  addAll(other: EventCount): void {
    this.events += other.events;
    this.bytes += other.bytes;
  }

  subtractAll(other: EventCount): void {
    this.events -= other.events;
    this.bytes -= other.bytes;
  }
}
