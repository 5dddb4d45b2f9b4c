"""The one style sheet of the pages, for light and dark, wide and narrow."""

from __future__ import annotations

__all__ = ["STYLE"]

STYLE = """
:root{color-scheme:light dark;
--bg:#f6f7f8;--card:#fff;--ink:#16202a;--soft:#55616e;--line:#e0e4e8;--faint:#eef0f2;--link:#0b6b63;
--done:#15803d;--skipped:#6b7785;--failed:#c8281e;--running:#1d63d8;--interrupted:#a85b00;
--pending:#5f6b78;--track:#dde2e7;--mark:#0f766e;--area:#0f766e26;--shadow:0 1px 2px #16202a14}
@media (prefers-color-scheme:dark){:root{
--bg:#0e1317;--card:#171e24;--ink:#e6ebef;--soft:#9aa7b3;--line:#2a343d;--faint:#1f272e;--link:#5cd0c2;
--done:#4cc38a;--skipped:#94a1ad;--failed:#ff7b72;--running:#6cabff;--interrupted:#f0ad4e;
--pending:#94a1ad;--track:#303b45;--mark:#4fd1c0;--area:#4fd1c030;--shadow:none}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:1120px;padding:28px 24px 40px;background:var(--bg);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
a{color:var(--link);text-decoration-thickness:1px;text-underline-offset:3px}
a:hover{text-decoration-thickness:2px}
a:focus-visible,.scroll:focus-visible{outline:2px solid var(--link);outline-offset:2px;
border-radius:4px}
bdi{white-space:break-spaces;overflow-wrap:anywhere}
nav{font-size:14px;margin-bottom:14px}
.brand{display:flex;align-items:center;gap:8px;font-weight:600;color:var(--soft);font-size:14px;
margin:0 0 14px}
.brand svg{width:20px;height:20px}
h1{font-size:26px;line-height:1.25;letter-spacing:-.01em;margin:0;max-height:15em;overflow:hidden}
h2{font-size:16px;margin:32px 0 10px}
h2+.empty{margin-top:0}
h2 small{font-weight:400;color:var(--soft);font-size:13px;margin-left:6px}
.lead{color:var(--soft);margin:6px 0 0}
.head{display:flex;flex-wrap:wrap;align-items:center;gap:8px 14px}
.head h1{min-width:0}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;
box-shadow:var(--shadow);overflow:hidden}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(140px,1fr));gap:12px;
margin:20px 0 0;padding:0}
.tiles div{background:var(--card);border:1px solid var(--line);border-radius:12px;
padding:12px 16px;box-shadow:var(--shadow)}
.tiles dt{color:var(--soft);font-size:13px}
.tiles dd{margin:2px 0 0;font-size:20px;font-weight:600;font-variant-numeric:tabular-nums;
line-height:1.3}
.tiles dd small{font-size:13px;font-weight:400;color:var(--soft)}
.bar{display:block;width:100%;height:8px;border-radius:4px;background:var(--track)}
.big{padding:18px 18px 14px;margin-top:12px}
.big .bar{height:14px;border-radius:7px}
.legend{display:flex;flex-wrap:wrap;gap:4px 20px;list-style:none;margin:12px 0 0;padding:0;
font-size:14px;color:var(--soft)}
.legend b{color:var(--ink);font-variant-numeric:tabular-nums}
.legend svg{width:11px;height:11px;margin-right:6px}
.pill{display:inline-block;border:1px solid currentColor;border-radius:99px;padding:1px 10px;
font-size:13px;font-weight:600;line-height:1.5;white-space:nowrap}
.of{display:block;font-size:13px;color:var(--soft);font-variant-numeric:tabular-nums;
margin-bottom:3px}
.f-done{fill:var(--done)}.f-skipped{fill:var(--skipped)}.f-failed{fill:var(--failed)}
.f-running{fill:var(--running)}.f-interrupted{fill:var(--interrupted)}.f-pending{fill:var(--track)}
.f-active{fill:var(--running)}
.c-done{color:var(--done)}.c-skipped{color:var(--skipped)}.c-failed{color:var(--failed)}
.c-running,.c-active{color:var(--running)}.c-interrupted{color:var(--interrupted)}
.c-pending{color:var(--pending)}
table{width:100%;border-collapse:collapse}
th{font-size:13px;font-weight:600;color:var(--soft);text-align:left;padding:10px 16px;
border-bottom:1px solid var(--line);white-space:nowrap}
td{padding:10px 16px;border-bottom:1px solid var(--faint);vertical-align:top}
tbody tr:last-child td{border-bottom:0}
tbody tr:hover td{background:var(--faint)}
td.name{min-width:180px}
td.name a,td.name strong{font-weight:600}
td.name a{text-decoration:none}
td.name a:hover{text-decoration:underline}
td.name small{display:block;color:var(--soft)}
td.prog{width:270px}
td.who{min-width:130px}
.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.when{white-space:nowrap;font-variant-numeric:tabular-nums}
.clock{color:var(--soft)}
.quiet{color:var(--soft)}
.mark{color:var(--mark);white-space:nowrap}
.scroll{overflow-x:auto}
.empty{margin-top:20px;padding:48px 24px;text-align:center;color:var(--soft)}
.empty strong{display:block;color:var(--ink);font-size:17px;margin-bottom:4px}
.note{color:var(--soft);font-size:14px;margin:12px 4px 0}
.time{display:block;min-width:760px;width:100%;height:auto}
.time text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;
fill:var(--soft)}
.time .label{fill:var(--ink)}
.time .grid{stroke:var(--line);stroke-width:1}
.time .row{stroke:var(--faint);stroke-width:1}
.time .gap{fill:var(--faint)}
.time .cut{stroke:var(--line);stroke-dasharray:2 4}
.time .area{fill:var(--area)}
.time .edge{fill:none;stroke:var(--mark);stroke-width:1.5;stroke-linejoin:round}
.time .dot{fill:var(--mark);stroke:var(--card);stroke-width:1.5}
footer{margin-top:32px;color:var(--soft);font-size:13px}
@media (max-width:720px){
body{padding:18px 14px 32px}
h1{font-size:22px}
.tiles{grid-template-columns:1fr 1fr;gap:10px}
.tiles div{padding:10px 12px}
.tiles dd{font-size:17px}
.list thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.list,.list tbody{display:block}
.list tr{display:grid;grid-template-columns:1fr auto;gap:4px 12px;padding:12px 14px;
border-bottom:1px solid var(--faint)}
.list tbody tr:last-child{border-bottom:0}
.list td{display:block;padding:0;border:0;min-width:0;width:auto}
.list td.prog,.list td.when{grid-column:1/-1}
.list td.num{text-align:left;color:var(--soft);font-size:13px;white-space:normal}
.list td.num:before{content:attr(data-label) " "}
.list td.when{color:var(--soft);font-size:13px}
.list td.none{display:none}}
@media print{body{max-width:none;background:#fff}.card,.tiles div{box-shadow:none}}
"""
