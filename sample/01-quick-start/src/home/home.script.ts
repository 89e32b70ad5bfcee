/** The script of the page at `/`: sends what a button says, and follows the events on the inspector's stream. */
export const SCRIPT = `
const byId = (id) => document.getElementById(id);
const make = (className, text, tag = 'span') => Object.assign(document.createElement(tag), { className, textContent: text });

for (const button of document.querySelectorAll('button')) button.onclick = async () => {
  const { path, body } = button.dataset;
  const headers = { 'Content-Type': 'application/json' };
  byId('sent').textContent = "curl " + location.origin + path + " -H 'Content-Type: application/json' -d '" + body + "'";
  byId('answer').textContent = '…';
  showStatus('', 'idle');
  try {
    const response = await fetch(path, { method: 'POST', headers, body });
    showStatus('HTTP ' + response.status, response.ok ? 'good' : 'bad');
    byId('answer').textContent = JSON.stringify(await response.json(), null, 2);
  } catch {
    showStatus('no answer', 'bad');
    byId('answer').textContent = 'The shop does not answer. Is it still running?';
  }
};

function showStatus(text, tone) {
  byId('status').textContent = text;
  byId('status').dataset.tone = tone;
}

const SHOWN = 6;
const events = new Map();
let fates = [];
const stream = new EventSource('/_posthog/stream');
stream.addEventListener('snapshot', ({ data }) => {
  const snapshot = JSON.parse(data);
  fates = snapshot.layout.fates;
  show(snapshot.events, []);
});
stream.addEventListener('update', ({ data }) => {
  const { added, moved } = JSON.parse(data);
  show(added, moved);
});
stream.onerror = () => {
  byId('live').textContent = 'disconnected';
};
stream.onopen = () => {
  byId('live').textContent = 'live';
};

function show(added, moved) {
  for (const event of added) events.set(event.id, { ...event, tookMs: null });
  for (const { id, ...progress } of moved) if (events.has(id)) Object.assign(events.get(id), progress);
  for (const id of [...events.keys()].slice(0, -SHOWN)) events.delete(id);
  byId('events').replaceChildren(...[...events.values()].reverse().map(rowOf));
  byId('none').hidden = events.size > 0;
}

function rowOf(event) {
  const fate = fates.find(({ id }) => id === event.fate) ?? { label: event.fate, tone: 'idle' };
  if (fate.isFinal) event.tookMs ??= Date.now() - event.at;
  const took = event.tookMs === null ? '' : ', ' + (event.tookMs / 1000).toFixed(1) + ' s';
  const badge = make('fate', fate.label + took);
  badge.dataset.tone = fate.tone;
  badge.title = event.note;
  const row = make('', '', 'li');
  row.append(make('name', event.name, 'b'), make('who quiet', event.who), make('more quiet', propertiesOf(event)), badge);
  return row;
}

function propertiesOf({ text, isCut }) {
  if (text === '' || isCut) return '';
  const own = Object.entries(JSON.parse(text).properties ?? {}).filter(([name]) => !name.startsWith('$') && name !== 'id');
  return own.map(([name, value]) => name + ': ' + JSON.stringify(value)).join('  ');
}
`;
