/** The list of events, its filters and the selected event. */

/** For events of which the server no longer reports the fate, for example after a restart. */
const LOST = { id: '', label: 'unknown', tone: 'idle', isFinal: true };

class EventList {
  /** @param {(event: LiveEvent | null, shouldOpen: boolean) => void} onSelect called with the selected event; `shouldOpen` opens its details */
  constructor(onSelect) {
    this.onSelect = onSelect;
    this.list = byId('list');
    /** @type {Map<string, LiveEvent>} oldest first */
    this.events = new Map();
    /** @type {Map<string, HTMLElement>} */
    this.rows = new Map();
    /** @type {Map<string, LiveFate>} */
    this.fates = new Map();
    /** @type {Set<string>} removed with `clear`; a snapshot may still contain them */
    this.cleared = new Set();
    /** @type {Set<string>} selected fates; empty: all */
    this.shownFates = new Set();
    this.search = '';
    this.max = 500;
    this.isPaused = false;
    this.missed = 0;
    /** @type {string | null} */
    this.selected = null;
    /** @type {WeakMap<LiveEvent, string>} */
    this.searchable = new WeakMap();
    this.list.addEventListener('click', (event) => {
      const row = event.target instanceof Element ? event.target.closest('li') : null;
      if (row?.dataset.id !== undefined) this.pick(row.dataset.id, true);
    });
  }

  /**
   * Applies a snapshot. After a reconnection, events that the server no longer has are kept as they were last shown.
   *
   * @param {LiveSnapshot} snapshot
   */
  begin({ layout, maxEvents, events }) {
    this.max = maxEvents;
    this.fates = new Map(layout.fates.map((fate) => [fate.id, fate]));
    const known = new Set(events.map(({ id }) => id));
    for (const [id, event] of this.events) {
      if (!known.has(id) && !this.fateOf(event).isFinal) this.events.set(id, { ...event, fate: LOST.id, note: '' });
    }
    for (const event of events) if (!this.cleared.has(event.id)) this.events.set(event.id, event);
    this.trim();
    if (!this.isPaused) this.draw();
  }

  /** @param {LiveUpdate} update */
  change({ added, moved }) {
    for (const event of added) {
      this.cleared.delete(event.id);
      this.events.delete(event.id);
      this.events.set(event.id, event);
    }
    for (const progress of moved) {
      const event = this.events.get(progress.id);
      if (event) this.events.set(progress.id, { ...event, ...progress });
    }
    this.trim();
    if (this.isPaused) {
      this.missed += added.length;
      return;
    }
    for (const { id } of added) {
      this.rows.get(id)?.remove();
      this.rows.delete(id);
      const event = this.events.get(id);
      if (event) this.list.prepend(this.#row(event));
    }
    for (const { id } of moved) {
      const [event, row] = [this.events.get(id), this.rows.get(id)];
      if (event && row) this.#fill(row, event);
    }
    for (const [id, row] of this.rows) if (!this.events.has(id)) this.#drop(id, row);
    const { selected } = this;
    if (selected !== null && moved.some(({ id }) => id === selected))
      this.onSelect(this.events.get(selected) ?? null, false);
  }

  draw() {
    this.trim();
    this.missed = 0;
    this.rows.clear();
    const rows = [...this.events.values()].map((event) => this.#row(event)).reverse();
    this.list.replaceChildren(...rows);
    if (this.selected !== null) this.#mark(this.selected);
  }

  /** Applies the search and the selected fates. */
  filter() {
    for (const [id, row] of this.rows) {
      const event = this.events.get(id);
      row.hidden = !event || !this.matches(event);
    }
  }

  clear() {
    for (const id of this.events.keys()) this.cleared.add(id);
    this.events.clear();
    this.pick(null, false);
    this.draw();
  }

  /** @param {LiveEvent} event */
  matches(event) {
    if (this.shownFates.size > 0 && !this.shownFates.has(event.fate)) return false;
    if (this.search === '') return true;
    let text = this.searchable.get(event);
    if (text === undefined) {
      const { name, who, id, note, problems = [] } = event;
      text = [name, who, id, note, ...problems, event.text].join('\n').toLowerCase();
      this.searchable.set(event, text);
    }
    return text.includes(this.search);
  }

  /** @param {LiveEvent} event @returns {LiveFate} */
  fateOf(event) {
    return this.fates.get(event.fate) ?? /** @type {LiveFate} */ (LOST);
  }

  /** @returns {Map<string, number>} number of events by fate */
  counts() {
    const counts = new Map();
    for (const { fate } of this.events.values()) counts.set(fate, (counts.get(fate) ?? 0) + 1);
    return counts;
  }

  get shown() {
    return [...this.rows.values()].filter((row) => !row.hidden);
  }

  /**
   * Moves the selection.
   *
   * @param {number} steps down the list; Infinity for its end
   */
  walk(steps) {
    const shown = this.shown;
    const rows = [...shown].sort((one, other) => (one.compareDocumentPosition(other) & 4 ? -1 : 1));
    const at = rows.findIndex(({ dataset }) => dataset.id === this.selected);
    const next = at === -1 ? 0 : Math.max(0, Math.min(rows.length - 1, at + steps));
    this.pick(rows[next]?.dataset.id ?? null, false);
  }

  /**
   * @param {string | null} id event to select; null for none
   * @param {boolean} shouldOpen open its details
   */
  pick(id, shouldOpen) {
    const before = this.selected === null ? undefined : this.rows.get(this.selected);
    before?.setAttribute('aria-selected', 'false');
    this.selected = id;
    if (id === null) this.list.removeAttribute('aria-activedescendant');
    else this.#mark(id)?.scrollIntoView({ block: 'nearest' });
    this.onSelect(id === null ? null : (this.events.get(id) ?? null), shouldOpen);
  }

  /** Removes the oldest events. While paused, the shown events are kept in addition to new ones. */
  trim() {
    const max = this.max + (this.isPaused ? this.rows.size : 0);
    for (const id of this.events.keys()) {
      if (this.events.size <= max) break;
      if (!this.isPaused || !this.rows.has(id)) this.events.delete(id);
    }
    for (const id of this.cleared) {
      if (this.cleared.size <= this.max) break;
      this.cleared.delete(id);
    }
  }

  /** @param {string} id */
  #mark(id) {
    const row = this.rows.get(id);
    row?.setAttribute('aria-selected', 'true');
    if (row) this.list.setAttribute('aria-activedescendant', row.id);
    return row;
  }

  /** @param {string} id @param {HTMLElement} row */
  #drop(id, row) {
    row.remove();
    this.rows.delete(id);
    if (this.selected === id) this.list.removeAttribute('aria-activedescendant');
  }

  /** @param {LiveEvent} event */
  #row(event) {
    const row = make('li');
    row.setAttribute('role', 'option');
    row.setAttribute('aria-selected', String(event.id === this.selected));
    row.id = `row-${event.id}`;
    row.dataset.id = event.id;
    const time = make('time', '', clockText(event.at));
    time.setAttribute('datetime', new Date(event.at).toISOString());
    const name = make('span', 'name', visible(event.name));
    const who = make('span', 'who', event.who === '' ? '–' : visible(event.who));
    row.append(time, make('span', 'fate'), name, who, make('span', 'more'));
    this.rows.set(event.id, row);
    this.#fill(row, event);
    return row;
  }

  /** Updates the parts of a row that change. @param {HTMLElement} row @param {LiveEvent} event */
  #fill(row, event) {
    row.hidden = !this.matches(event);
    const { tone } = this.fateOf(event);
    row.querySelector('.fate')?.replaceWith(fateBadge(event, this.fateOf(event)));
    const more = row.querySelector('.more');
    if (!more) return;
    const isNote = event.note !== '';
    more.className = isNote ? 'more note' : 'more';
    more.setAttribute('data-tone', tone);
    more.textContent = isNote ? visible(event.note) : preview(event);
  }
}

/**
 * The fate and, if there was more than one attempt, their number.
 *
 * @param {LiveEvent} event
 * @param {LiveFate} fate
 */
function fateBadge({ attempts }, { label, tone, isFinal }) {
  const times = attempts > 1 || (attempts > 0 && tone === 'warn' && !isFinal) ? ` (${attempts})` : '';
  const badge = make('span', 'fate', make('i'), label + times);
  badge.dataset.tone = tone;
  return badge;
}
