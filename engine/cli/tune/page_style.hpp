// The style sheet of a tuning's report page; colours for light and dark surroundings.
#pragma once

#include <string_view>

namespace multifd::tuning {

inline constexpr std::string_view kPageStyle = R"css(
:root {
  color-scheme: light dark;
  --page: #f7f7f5; --card: #ffffff; --edge: #e2e1dc; --ink: #16161a; --soft: #56554f;
  --faint: #7b7a73;
  --grid: #e8e7e2; --axis: #b9b8b1; --track: #eeede8; --stop: #f4eee0; --bad: #b3261e;
  --good: #0c6b45;
  --c0: #2a78d6; --c1: #e2612b; --c2: #169b6b; --c3: #c98a00; --c4: #7a5cc7; --c5: #d3568a;
  --c6: #008a9a; --c7: #8a6d3b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #111113; --card: #1b1b1e; --edge: #303035; --ink: #f3f3f1; --soft: #bdbcb5;
    --faint: #95948d;
    --grid: #2b2b2f; --axis: #55555b; --track: #2a2a2e; --stop: #2a2619; --bad: #ff8a80;
    --good: #5fd0a0;
    --c0: #4a94ec; --c1: #ee7d4b; --c2: #2fb384; --c3: #dba32a; --c4: #a08ae6; --c5: #e67ca8;
    --c6: #31b0c0; --c7: #b79760;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 26px; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 18px; margin: 0 0 4px; }
h3 { font-size: 14px; margin: 12px 0 0; font-weight: 600; }
p { margin: 0 0 10px; }
.lead { color: var(--soft); margin-bottom: 20px; }
.card { background: var(--card); border: 1px solid var(--edge); border-radius: 10px;
  padding: 18px 20px;
  margin: 0 0 18px; overflow-x: auto; }
.verdict { border-left: 5px solid var(--c0); font-size: 17px; }
.verdict.partial { border-left-color: var(--bad); }
.hint { color: var(--soft); font-size: 13px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 14px;
  margin: 0 0 18px; }
.tile { background: var(--card); border: 1px solid var(--edge); border-radius: 10px;
  padding: 14px 18px; }
.tile b { display: block; font-size: 25px; line-height: 1.25; font-weight: 650; }
.tile.words b { font-size: 17px; line-height: 1.35; padding: 3px 0; }
.tile span { color: var(--soft); font-size: 13px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 18px; }
.pair .card { min-width: 0; } .pair .hint { min-height: 3.9em; }
svg { display: block; width: 100%; height: auto; min-width: 380px; }
svg.wide { min-width: 720px; }
svg text { font: 12px system-ui, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans",
  sans-serif; fill: var(--ink); }
svg .tick { fill: var(--faint); font-variant-numeric: tabular-nums; }
svg .note { fill: var(--soft); }
svg .value { font-variant-numeric: tabular-nums; }
svg .strong { font-weight: 700; }
svg .start { text-anchor: start; } svg .middle { text-anchor: middle; }
svg .end { text-anchor: end; }
.grid { stroke: var(--grid); stroke-width: 1; } .axis { stroke: var(--axis); stroke-width: 1; }
.track { fill: var(--track); } .stopped { fill: var(--stop); }
.curve { fill: none; stroke: var(--c); stroke-width: 2; stroke-linejoin: round; }
.spread { stroke: var(--c); stroke-width: 2; stroke-linecap: round; opacity: 0.45; }
.dot { fill: var(--c); stroke: var(--card); stroke-width: 1.5; }
.part, .area { fill: var(--c); } .area { opacity: 0.85; }
.c0 { --c: var(--c0); } .c1 { --c: var(--c1); } .c2 { --c: var(--c2); } .c3 { --c: var(--c3); }
.c4 { --c: var(--c4); } .c5 { --c: var(--c5); } .c6 { --c: var(--c6); } .c7 { --c: var(--c7); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 4px 0 8px; padding: 0;
  list-style: none;
  font-size: 13px; color: var(--soft); }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 3px;
  background: var(--c);
  margin-right: 7px; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px;
  font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 6px 10px; border-bottom: 1px solid var(--edge);
  white-space: nowrap; }
th { color: var(--soft); font-weight: 600; }
th.text, td.text { text-align: left; } td.wrap { white-space: normal; min-width: 260px; }
tr.best td { font-weight: 700; } td.bad { color: var(--bad); } td.muted,
  td span { color: var(--faint); }
tr.best td:first-child::after { content: " best"; color: var(--good); }
pre { background: var(--track); border-radius: 8px; padding: 12px 14px; overflow-x: auto;
  margin: 8px 0 0;
  font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
)css";

}  // namespace multifd::tuning
