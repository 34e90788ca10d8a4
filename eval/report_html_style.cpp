#include "eval/report_html_parts.h"

namespace tacit::html {

// c0 .. c6: Okabe and Ito's colours (eval/plot/marks.h); the last is that of the text. The plots' own rules are
// kPlotStyle.
const char* const kStyle = R"css(
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--soft:#5b6570;--rule:#d9dee3;--grid:#e7eaee;--panel:#f6f8fa;
--ok:#006b4e;--no:#b34700;--heat:0 114 178;--onheat:#fff;
--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#cc79a7;--c4:#e69f00;--c5:#56b4e9;--c6:#1b1f24}
@media screen and (prefers-color-scheme:dark){:root{--bg:#14171b;--fg:#e4e8ec;--soft:#9aa5b1;--rule:#343b43;--grid:#272d34;
--panel:#1b1f25;--ok:#4cc9a0;--no:#f0883e;--heat:86 180 233;--onheat:#0b0e11;--c0:#2b8fd0;--c1:#e8711a;--c2:#12b487;--c6:#e4e8ec}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem 1.25rem 3rem;max-width:74rem;background:var(--bg);color:var(--fg);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;-webkit-text-size-adjust:100%}
h1{font-size:1.75rem;line-height:1.2;margin:.2rem 0 .3rem;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:2.4rem 0 .5rem;padding-top:.7rem;border-top:1px solid var(--rule)}
h3{font-size:1rem;margin:0 0 .5rem}h4 code{font-size:1em;font-weight:400}h4{font-size:.95rem;margin:0 0 .35rem;font-weight:600;overflow-wrap:anywhere}
p{margin:.4rem 0}.lead,.sub,figcaption,.more{color:var(--soft)}.lead{max-width:62rem}
nav{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;margin:.6rem 0 0;font-size:.93rem}
a{color:inherit;text-decoration-color:var(--soft);text-underline-offset:.2em}
code,.question,.chain,pre,.id{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.88em}
.notes{background:var(--panel);border-left:4px solid var(--c1);padding:.6rem .9rem;margin:1.1rem 0}
.notes h2{border:0;padding:0;margin:0 0 .2rem;font-size:1rem}.notes ul{margin:0;padding-left:1.15rem}
.notes li{margin:.2rem 0;overflow-wrap:anywhere}
.wide{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
.sort,.controls{width:100%;font-size:.93rem}
.sort th,.sort td,.controls th,.controls td{padding:.34rem .6rem;border-bottom:1px solid var(--grid);text-align:left;vertical-align:middle}
.sort thead th,.controls thead th,.scale{color:var(--soft);font-weight:500;border-bottom:1px solid var(--rule);vertical-align:bottom;line-height:1.25}
.sort th.n,.sort td.n,.controls th.n,.controls td.n{text-align:right}.sort td.n,.controls td.n{white-space:nowrap}.takes{min-width:15rem}
tbody th{font-weight:600}tbody th span{overflow-wrap:anywhere}.key+span{display:inline-block;max-width:calc(100% - 1.6rem);vertical-align:top}.sort tbody th:first-child,.controls tbody th:first-child{min-width:7.5rem;max-width:20rem}
tbody th:first-child{position:sticky;left:0;background:var(--bg);z-index:1}
.controls tbody{border-bottom:1px solid var(--rule)}.controls .in{font-weight:400;padding-left:2rem}.clean{font-weight:600}
.base th:first-child span::after{content:" (baseline)";font-weight:400;color:var(--soft)}
.sortable{cursor:pointer}.sortable:hover{color:var(--fg)}[aria-sort]{color:var(--fg)!important}
[aria-sort=descending]::after{content:" ↓"}[aria-sort=ascending]::after{content:" ↑"}
.key{width:14px;height:14px;margin-right:.45rem;vertical-align:-.13em;overflow:visible}
.b,.scale{width:24%;min-width:9rem}.sort td.scale,.controls td.scale{padding-bottom:.34rem;white-space:nowrap}
.scale{font-size:0}.scale span{display:inline-block;width:33.3%;font-size:.8rem;text-align:center}.scale span:first-child{text-align:left}.scale span:last-child{text-align:right}
.bar{display:block;position:relative;height:16px;background:var(--grid);border-radius:2px}
.bar>*{position:absolute;display:block}
.bar i{left:0;top:0;bottom:0;width:calc(var(--v)*1%);background:currentColor;opacity:.5;border-radius:2px}
.bar u{left:calc(var(--c)*1%);top:-3px;bottom:-3px;border-left:1px dashed var(--fg);opacity:.65}
.bar b{left:calc(var(--l)*1%);width:max(2px,calc(var(--w)*1%));top:7px;height:2px;background:var(--fg)}
.bar b::before,.bar b::after{content:"";position:absolute;top:-3px;height:8px;width:2px;background:var(--fg)}
.bar b::before{left:0}.bar b::after{right:0}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,29rem),1fr));gap:1.4rem 2rem}
figure{margin:0;max-width:36rem;break-inside:avoid}figure h3{margin:0}figcaption{font-size:.88rem;margin-top:.2rem}
svg.plot{display:block;width:100%;height:auto;font-size:13px;overflow:visible}
.point:hover .mark{stroke:var(--fg);stroke-width:1.5}
.ex{border:1px solid var(--rule);border-radius:6px;padding:.9rem 1rem;margin:.8rem 0}
.id{color:var(--soft);font-weight:400;margin-left:.4rem}
.question,.chain{overflow-wrap:anywhere;white-space:pre-wrap;unicode-bidi:isolate}.question{background:var(--panel);padding:.5rem .7rem;border-radius:4px}
code{unicode-bidi:isolate;overflow-wrap:anywhere;white-space:pre-wrap}
.rows{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,21rem),1fr));gap:1.1rem 2rem;margin-top:.8rem}.row{min-width:0;break-inside:avoid}
.ok{color:var(--ok);font-style:normal;font-weight:600}.no{color:var(--no);font-style:normal;font-weight:600}
.heat{font-size:.82rem}.heat th{font-weight:400;color:var(--soft);padding:0 .5rem .1rem;white-space:nowrap}.heat thead th{padding:0 0 .15rem;text-align:center}
.heat tbody th{text-align:right;color:var(--fg);position:static}
.heat tbody td{min-width:2.15rem;height:1.45rem;text-align:center;padding:0 .2rem;border:1px solid var(--bg);background:var(--grid)}
.heat td[style]{background:linear-gradient(rgb(var(--heat)/calc(.08 + var(--p)*.0092)) 0 0),var(--bg)}.heat .d{color:var(--onheat)}
.more{font-size:.82rem}.chips{line-height:1.9}.chip{white-space:nowrap;border:1px solid var(--rule);border-radius:4px;padding:.1rem .4rem;font-size:.85rem;margin-right:.15rem}
details{margin:1.2rem 0}summary{cursor:pointer;color:var(--soft)}summary:hover{color:var(--fg)}
.choose{display:flex;flex-wrap:wrap;gap:.35rem}
.choose button{font:inherit;min-width:2.3rem;padding:.2rem .5rem;border:1px solid var(--rule);border-radius:4px;background:var(--bg);color:var(--fg);cursor:pointer}
.choose [aria-pressed=true]{background:var(--fg);color:var(--bg)}
:focus-visible{outline:2px solid var(--c0);outline-offset:2px}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--panel);padding:.7rem .9rem;border-radius:4px;margin:.5rem 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1.1rem;margin:.6rem 0}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
#tip{position:fixed;z-index:9;max-width:22rem;padding:.25rem .55rem;border-radius:4px;background:var(--fg);color:var(--bg);font-size:.85rem;pointer-events:none}
[hidden]{display:none}
@media (max-width:40rem){body{padding:1rem .75rem 2rem}h1{font-size:1.4rem}.sort tbody th:first-child,.controls tbody th:first-child{max-width:9rem}.sort th,.sort td,.controls th,.controls td{padding:.3rem .4rem}
.ex{padding:.6rem}dl{display:block}dd{margin-bottom:.4rem}.controls .in{padding-left:1rem}.b,.scale{min-width:6.5rem}}
@media print{html{font-size:11px}body{max-width:none;padding:0;font-size:10.5px}.ex{break-inside:avoid}nav,.choose,#tip{display:none}.ex[hidden]{display:block}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
.wide{overflow:visible}h2,h3,h4{break-after:avoid}tr{break-inside:avoid}.figures{grid-template-columns:1fr 1fr}tbody th:first-child{position:static}}
)css";

}  // namespace tacit::html
