/** The style of the page at `/`: two columns on a desktop, one on a phone, light or dark as the system is. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #f6f6f3; --panel: #fff; --ink: #1c1e22; --quiet: #5b616b; --line: #e2e2dc; --code: #f0f0ec;
  --accent: #2456d6; --on-accent: #fff; --idle: #5b616b; --busy: #2456d6; --good: #17734a; --warn: #8a5800; --bad: #b92536;
  font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #121418; --panel: #1a1d22; --ink: #e7e9ed; --quiet: #9ca3af; --line: #2c3038; --code: #24282f;
    --accent: #84a9ff; --on-accent: #10131a; --idle: #9ca3af; --busy: #84a9ff; --good: #5acb90; --warn: #e6b052; --bad: #ff8088;
  }
}
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 76rem; padding: 1.75rem 1.5rem; background: var(--ground); color: var(--ink) }
h1, h2, p, ol, pre { margin: 0; padding: 0 }
h1 { font-size: 1.6rem; line-height: 1.2; letter-spacing: -.02em }
h2 { font-size: 1rem; line-height: 1.35 }
header { display: flex; flex-wrap: wrap; align-items: end; justify-content: space-between; gap: .75rem 2rem; margin-bottom: 1.25rem }
header p, .card p, .quiet { color: var(--quiet) }
nav { display: flex; flex-wrap: wrap; gap: .5rem }
nav a, button {
  padding: .45rem .9rem; border: 1px solid var(--line); border-radius: .6rem; background: var(--panel);
  color: inherit; font: inherit; font-weight: 550; text-decoration: none; cursor: pointer;
}
nav a:hover { border-color: var(--accent) }
button { border-color: var(--accent); background: var(--accent); color: var(--on-accent) }
button:hover { filter: brightness(1.08) }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
main { display: grid; grid-template: auto 1fr / minmax(0, 5fr) minmax(0, 7fr); gap: 1rem }
.try { grid-row: 1 / 3; display: grid; gap: 1rem; align-content: start }
.card { padding: 1rem 1.15rem; border: 1px solid var(--line); border-radius: .9rem; background: var(--panel) }
.card p { margin: .15rem 0 .7rem; font-size: .93rem }
.buttons { display: flex; flex-wrap: wrap; gap: .5rem }
.head { display: flex; align-items: baseline; justify-content: space-between; gap: 1rem; margin-bottom: .5rem }
code, pre { font: .82rem/1.55 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
pre { padding: .6rem .8rem; border-radius: .5rem; background: var(--code); white-space: pre-wrap; overflow-wrap: anywhere }
.response { display: flex; flex-direction: column; gap: .5rem }
.response .head { margin: 0 }
#answer { max-height: 11rem; overflow: auto }
#status { font-weight: 600; color: var(--tone) }
ol { list-style: none; display: grid; grid-template-columns: auto auto minmax(0, 1fr) auto; gap: 0 1rem }
li { display: grid; grid-template-columns: subgrid; grid-column: 1 / -1; padding: .4rem 0; border-top: 1px solid var(--line); font-size: .93rem }
li > * { overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
li b { font-weight: 600 }
li .fate { color: var(--tone); font-weight: 550; text-align: right; font-variant-numeric: tabular-nums }
.fate::before { content: ''; display: inline-block; width: .5rem; height: .5rem; margin-right: .45rem; border-radius: 50%; background: var(--tone) }
[data-tone=idle] { --tone: var(--idle) }
[data-tone=busy] { --tone: var(--busy) }
[data-tone=good] { --tone: var(--good) }
[data-tone=warn] { --tone: var(--warn) }
[data-tone=bad] { --tone: var(--bad) }
@media (max-width: 760px) {
  body { padding: 1rem .9rem }
  h1 { font-size: 1.3rem }
  header { margin-bottom: .8rem }
  main { display: flex; flex-direction: column; gap: .7rem }
  .try { gap: .7rem }
  .card { padding: .75rem .9rem }
  header p { display: none }
  #sent { order: 1 }
  .card p { margin-bottom: .5rem }
  ol { display: block }
  li { grid-template-columns: minmax(0, 1fr) auto }
  li .more { display: none }
  li .who { grid-row: 2 }
  li .fate { grid-column: 2; grid-row: 1 }
}
`;
