/** Connects the parts of the page. */

// The token is now in a cookie. Remove it from the address bar.
if (location.search !== '') history.replaceState(null, '', location.pathname);
const pagePath = location.pathname.replace(/\/+$/, '');

const catalog = new Catalog(pagePath, {
  select(event) {
    showView(false);
    find(event);
  },
  loaded() {
    const selected = list.selected === null ? undefined : list.events.get(list.selected);
    if (detail.isOpen && selected) detail.show(selected, list.fateOf(selected));
  },
});
const detail = new Detail(pagePath, catalog);
const list = new EventList((selected, shouldOpen) => {
  if (selected === null) return closeDetail();
  if (!shouldOpen && !detail.isOpen) return;
  detail.show(selected, list.fateOf(selected));
  // On a phone the details cover the page, so move the focus into them.
  if (shouldOpen && getComputedStyle(byId('detail')).position === 'fixed') byId('detail-close').focus();
});
const find = (/** @type {string} */ text) => {
  searchBox.value = text;
  search();
};
const names = new Names(find);
const sideTable = new SideTable(find);
const searchBox = /** @type {HTMLInputElement} */ (byId('search'));
/** @type {Chart[]} */
let charts = [];
/** @type {LiveSample[]} */
let samples = [];
/** @type {LiveLayout | null} */
let layout = null;
/** @type {LiveState | null} */
let state = null;
/** @type {number | null} */
let awaySince = null;
let clockSkew = 0;
let announced = '';
let run = '';
/** The search of the view that is not shown. */
let otherSearch = '';

connect(`${pagePath}/stream`, {
  snapshot(snapshot) {
    awaySince = null;
    clockSkew = snapshot.now - Date.now();
    run = snapshot.run;
    if (layout === null || JSON.stringify(layout) !== JSON.stringify(snapshot.layout)) showLayout(snapshot.layout);
    list.begin(snapshot);
    names.show(snapshot.names);
    sideTable.show(snapshot.table);
    catalog.show(snapshot.usage);
    samples = [...snapshot.samples];
    state = snapshot.state;
    showAll();
  },
  update(update) {
    list.change(update);
    if (update.names) names.show(update.names);
    if (update.table) sideTable.show(update.table);
    if (update.usage) catalog.show(update.usage);
    if (update.sample) samples = [...samples, update.sample].slice(-120);
    if (update.state) state = update.state;
    showAll();
  },
  away(since) {
    awaySince = since;
    showState();
  },
});
setInterval(showState, 1000);

/** @param {LiveLayout} next */
function showLayout(next) {
  layout = next;
  document.title = next.title;
  byId('title').textContent = next.title;
  byId('about').textContent = next.about;
  names.begin(next.counters);
  charts = next.charts.map((chart) => new Chart(chart));
  byId('charts').replaceChildren(...charts.map(({ figure }) => figure));
  byId('fates').replaceChildren(...next.fates.map((fate) => fateButton(fate)));
  const parts = next.hint.parts.map(({ text = '', code }) =>
    code === undefined ? make('p', '', text) : make('pre', '', code),
  );
  byId('hint').replaceChildren(make('h2', '', next.hint.title), ...parts);
}

/** @param {LiveFate} fate */
function fateButton({ id, label, tone }) {
  const button = make('button', '', make('i'), make('span', '', label), make('b'));
  button.setAttribute('type', 'button');
  button.setAttribute('aria-pressed', 'false');
  button.dataset.fate = id;
  button.dataset.tone = tone;
  button.addEventListener('click', () => {
    if (!list.shownFates.delete(id)) list.shownFates.add(id);
    button.setAttribute('aria-pressed', String(list.shownFates.has(id)));
    list.filter();
    showCounts();
  });
  return button;
}

/** @param {boolean} isCatalog shows the catalog instead of the events */
function showView(isCatalog) {
  if (isCatalog === isCatalogShown()) return true;
  document.body.classList.toggle('in-catalog', isCatalog);
  byId('catalog').hidden = !isCatalog;
  byId('show-events').setAttribute('aria-pressed', String(!isCatalog));
  byId('show-catalog').setAttribute('aria-pressed', String(isCatalog));
  searchBox.placeholder = isCatalog ? 'Search name, owner, property, any text' : 'Search name, distinct id, any text';
  searchBox.setAttribute('aria-label', isCatalog ? 'Search definitions' : 'Search events');
  [searchBox.value, otherSearch] = [otherSearch, searchBox.value];
  search();
  return true;
}

function isCatalogShown() {
  return !byId('catalog').hidden;
}

function showCatalog() {
  const count = state?.definitions;
  byId('views').hidden = count === undefined;
  byId('catalog-key').hidden = count === undefined;
  if (count !== undefined) void catalog.follow(count, run);
}

function showAll() {
  showCatalog();
  for (const chart of charts) chart.show(samples);
  showState();
  showCounts();
}

function showState() {
  const line = byId('state');
  document.body.classList.toggle('is-away', awaySince !== null);
  const seconds = (/** @type {number} */ ms) => Math.max(0, Math.round(ms / 1000));
  let text = state?.text ?? 'Connecting …';
  if (state !== null && state.nextAt !== null) {
    text = text.replace('{next}', `${seconds(state.nextAt - Date.now() - clockSkew)} s`);
  }
  if (awaySince !== null) text = `Disconnected for ${seconds(Date.now() - awaySince)} s, reconnecting …`;
  const tone = awaySince === null ? (state?.tone ?? 'idle') : 'bad';
  line.dataset.tone = tone;
  if (byId('state-text').textContent !== text) byId('state-text').textContent = text;
  const remedy = awaySince === null ? (state?.remedy ?? '') : '';
  byId('remedy').textContent = sentence(remedy);
  byId('remedy').hidden = remedy === '';
  const detail = awaySince === null ? (state?.detail ?? '') : '';
  byId('state-detail').textContent = detail;
  byId('state-detail').hidden = detail === '';
  // A screen reader announces new states, not every count.
  const news = text.replaceAll(/\d+ (events?|s)\b/g, '$1');
  if (news === announced) return;
  announced = news;
  byId('announcement').textContent = text;
}

function showCounts() {
  const counts = list.counts();
  for (const button of byId('fates').querySelectorAll('button')) {
    const figure = button.querySelector('b');
    if (figure) figure.textContent = countText(counts.get(button.dataset.fate ?? '') ?? 0);
  }
  const all = list.events.size;
  const shown = list.shown.length;
  const isFiltered = list.search !== '' || list.shownFates.size > 0;
  byId('shown').textContent = isFiltered
    ? `${countText(shown)} of the last ${countText(all)} events`
    : `${all >= list.max ? 'The last ' : ''}${countText(all)} ${all === 1 ? 'event' : 'events'}, newest first`;
  byId('waiting').textContent = list.isPaused
    ? `Paused${list.missed > 0 ? `, ${countText(list.missed)} new` : ''}`
    : '';
  byId('hint').hidden = list.rows.size > 0;
  byId('list').hidden = list.rows.size === 0;
}

function search() {
  const wanted = searchBox.value.trim().toLowerCase();
  if (isCatalogShown()) return catalog.filter(wanted);
  list.search = wanted;
  list.filter();
  showCounts();
}

function togglePause() {
  list.isPaused = !list.isPaused;
  byId('pause').setAttribute('aria-pressed', String(list.isPaused));
  byId('pause').textContent = list.isPaused ? 'Resume' : 'Pause';
  if (!list.isPaused) list.draw();
  showCounts();
}

function closeDetail() {
  if (!detail.isOpen) return;
  const hadFocus = byId('detail').contains(document.activeElement);
  detail.close();
  if (hadFocus) byId('list').focus();
}

searchBox.addEventListener('input', search);
byId('show-events').addEventListener('click', () => showView(false));
byId('show-catalog').addEventListener('click', () => showView(true));
byId('pause').addEventListener('click', togglePause);
byId('detail-close').addEventListener('click', closeDetail);
byId('clear').addEventListener('click', () => {
  list.clear();
  showCounts();
});

/** @type {Record<string, number>} */
const STEPS = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target instanceof HTMLElement ? event.target : document.body;
  const isHandled = isCatalogShown() ? pressInCatalog(event.key, target) : pressInEvents(event.key, target);
  if (isHandled) event.preventDefault();
});

/** @param {string} key @param {HTMLElement} target */
function pressInCatalog(key, target) {
  const isTyping = target === searchBox;
  if (key === 'Escape') {
    if (searchBox.value === '') return showView(false);
    searchBox.value = '';
    search();
  } else if (isTyping) {
    if (key !== 'Enter' && key !== 'ArrowDown') return false;
    catalog.walk(1);
  } else if (key === '/') {
    startTyping();
  } else if (key === 'c') {
    return showView(false);
  } else if (key === 'ArrowDown' || key === 'ArrowUp') {
    catalog.walk(key === 'ArrowDown' ? 1 : -1);
  } else {
    return false;
  }
  return true;
}

/** @param {string} key @param {HTMLElement} target */
function pressInEvents(key, target) {
  const isTyping = target === searchBox;
  if (key === 'Escape') {
    if (isTyping && searchBox.value !== '') searchBox.value = '';
    else if (isTyping) byId('list').focus();
    else closeDetail();
    search();
  } else if (isTyping) {
    if (key !== 'Enter' && key !== 'ArrowDown') return false;
    byId('list').focus();
    list.walk(0);
  } else if (key === '/') {
    startTyping();
  } else if (key === 'c' && !byId('views').hidden) {
    return showView(true);
  } else if (key === 'p' || (key === ' ' && !['BUTTON', 'PRE', 'SUMMARY'].includes(target.tagName))) {
    togglePause();
  } else if (key in STEPS && (target === byId('list') || target === document.body)) {
    byId('list').focus();
    list.walk(STEPS[key] ?? 0);
  } else if (key === 'Enter' && target === byId('list') && list.selected !== null) {
    list.pick(list.selected, true);
  } else {
    return false;
  }
  return true;
}

function startTyping() {
  searchBox.focus();
  searchBox.select();
}
