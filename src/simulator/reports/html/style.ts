/** The style sheet of all reports: one column on a phone, two where there is room, light or dark as the reader has it. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #ffffff; --card: #f7f8fa; --ink: #1a1f26; --soft: #59636e; --rule: #dfe3e8; --mark: #b42318; --good: #18794e;
  --s0: #1f63c4; --s1: #c2500a; --s2: #0b7a6b; --s3: #a8327d; --s4: #7a6100; --s5: #6541bd; --s6: #4d5a66; --s7: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12161b; --card: #1a2027; --ink: #e8ecf1; --soft: #a3adb8; --rule: #313a44; --mark: #ff8a7a; --good: #5fd39a;
    --s0: #6ea8ff; --s1: #ff9d5c; --s2: #4fd1bd; --s3: #f08cc6; --s4: #e0c04a; --s5: #b39bff; --s6: #aebac6; --s7: #ff8f85;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.25rem clamp(.75rem, 3vw, 2.5rem) 3rem; max-width: 90rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; font-variant-numeric: tabular-nums;
}
h1 { font-size: clamp(1.35rem, 1rem + 1.6vw, 2rem); line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.25rem 0 .75rem; }
header p { margin: 0; color: var(--soft); max-width: 110ch; overflow-wrap: anywhere; }
.note { color: var(--soft); max-width: 75ch; margin: .25rem 0 .75rem; }
.alarm { margin-top: 1rem; border-left: 4px solid var(--mark); padding: .5rem .75rem; background: var(--card); }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .75rem; margin: 1.25rem 0 0; padding: 0; }
.tiles div { background: var(--card); border: 1px solid var(--rule); border-radius: .5rem; padding: .6rem .75rem; }
.tiles dt { color: var(--soft); font-size: .8rem; }
.tiles dd { margin: 0; font-size: 1.2rem; font-weight: 600; line-height: 1.3; }
.tiles dd small { display: block; font-size: .8rem; font-weight: 400; color: var(--soft); }
.charts { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1rem; }
@media (min-width: 60rem) { .charts { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
.chart { margin: 0; min-width: 0; background: var(--card); border: 1px solid var(--rule); border-radius: .5rem; padding: .75rem .9rem; }
.chart.wide { grid-column: 1 / -1; }
figcaption strong { display: block; }
figcaption span { color: var(--soft); font-size: .85rem; }
.empty { color: var(--soft); }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .1rem 1rem; margin: .5rem 0 0; padding: 0; font-size: .85rem; }
.legend svg { width: 1.75rem; height: .5rem; margin-right: .4rem; vertical-align: middle; }
.frame { margin-top: .5rem; font-size: .75rem; color: var(--soft); }
.y-label { margin-bottom: .4rem; }
.x-label { text-align: right; }
.plot { position: relative; height: clamp(11rem, 26vw, 16rem); margin: 0 .9rem 1.5rem 4rem; }
.plot svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible; }
.plot path, .legend path { fill: none; vector-effect: non-scaling-stroke; }
path.grid { stroke: var(--rule); stroke-width: 1; }
path.line { stroke: var(--c); stroke-width: 2; stroke-linejoin: round; }
path.dots { stroke: var(--c); stroke-width: 8; stroke-linecap: round; }
.plot path.band { fill: var(--c); opacity: .16; }
path.mark { stroke: var(--mark); stroke-width: 1.5; stroke-dasharray: 4 4; }
.mark-label { position: absolute; color: var(--mark); white-space: nowrap; padding: 0 .3rem; background: var(--card); border-radius: .2rem; line-height: 1.3; }
.mark-label.x { bottom: .3rem; margin-left: .25rem; }
.mark-label.x.back { transform: translateX(-100%); margin-left: -.25rem; }
.mark-label.y { right: 0; margin-bottom: .15rem; }
.mark-label.y.back { transform: translateY(100%); margin-bottom: -.15rem; }
.s0 { --c: var(--s0); } .s1 { --c: var(--s1); } .s2 { --c: var(--s2); } .s3 { --c: var(--s3); }
.s4 { --c: var(--s4); } .s5 { --c: var(--s5); } .s6 { --c: var(--s6); } .s7 { --c: var(--s7); }
.line.s1, .line.s5 { stroke-dasharray: 7 4; } .line.s2, .line.s6 { stroke-dasharray: 2 3; } .line.s3, .line.s7 { stroke-dasharray: 10 3 2 3; }
.tick { position: absolute; white-space: nowrap; line-height: 1; }
.tick.x { top: calc(100% + .45rem); transform: translateX(-50%); }
.tick.x.last { transform: translateX(-80%); }
.tick.y { right: calc(100% + .45rem); transform: translateY(50%); }
@media (max-width: 34rem) { .tick.x.optional { display: none; } .plot { margin-left: 3.6rem; } }
details { margin-top: .5rem; font-size: .85rem; }
summary { cursor: pointer; color: var(--soft); }
.scroll { overflow-x: auto; }
details .scroll { max-height: 18rem; overflow-y: auto; }
table { border-collapse: collapse; min-width: 100%; font-size: .9rem; }
.charts + .scroll, .scroll + .note { margin-top: 1rem; }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th { color: var(--soft); font-weight: 600; font-size: .85rem; }
th:first-child, td:first-child { text-align: left; }
tbody th { color: inherit; font-weight: 400; }
.better { color: var(--good); font-weight: 600; } .worse { color: var(--mark); font-weight: 600; }
pre { background: var(--card); border: 1px solid var(--rule); border-radius: .5rem; padding: .75rem; overflow-x: auto; font-size: .85rem; }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: 0; }
dl.facts dt { color: var(--soft); } dl.facts dd { margin: 0; overflow-wrap: anywhere; min-width: 0; }
@media print { body { font-size: 11px; } .chart { break-inside: avoid; } details { display: none; } }
`;
