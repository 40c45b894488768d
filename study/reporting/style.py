"""How a report looks, and the few lines of script that sort its table."""

from __future__ import annotations

STYLE = """
:root{--ink:#1f2430;--muted:#667080;--rule:#e4e7eb;--soft:#f5f7f8;--best:#0072b2;--alert:#b94a00;--floor:#00734f}
*{box-sizing:border-box}
body{margin:0;background:#fff;color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",
"DejaVu Sans",Arial,sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1180px;margin:0 auto;padding:40px 32px 80px}
h1{font-size:34px;line-height:1.15;margin:2px 0 8px;letter-spacing:-.015em;overflow-wrap:anywhere}
h2{font-size:20px;margin:52px 0 14px;padding-top:14px;border-top:2px solid var(--ink);letter-spacing:-.005em}
.eyebrow{margin:0;color:var(--muted);font-size:13px;letter-spacing:.04em}
.lead{font-size:17px;margin:0 0 22px;max-width:46em;color:#3a4250}
.banner{background:#fff3e0;border-left:4px solid #e69f00;padding:8px 14px;margin:0 0 20px}
.tiles{display:flex;flex-wrap:wrap;gap:12px}
.tile{flex:1 1 190px;background:var(--soft);border-radius:6px;padding:12px 16px;display:flex;flex-direction:column}
.tile span{color:var(--muted);font-size:13px}
.tile b{font-size:28px;line-height:1.25;font-weight:620;font-variant-numeric:tabular-nums}
.tile small{color:var(--muted);font-size:13px}
.tile:first-child b{color:var(--best)}
table{border-collapse:collapse;width:100%;margin:10px 0;font-size:14px}
th,td{text-align:left;padding:6px 10px 6px 0;border-bottom:1px solid var(--rule);vertical-align:top}
thead th{border-bottom:1.5px solid var(--ink);font-weight:600;vertical-align:bottom}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td+td.n,th+th.n{padding-left:6px}
table.facts{width:auto;margin-bottom:18px}
table.facts th{font-weight:400;color:var(--muted);padding-right:28px;white-space:nowrap}
table.facts td,table.facts th{border:0;padding-top:3px;padding-bottom:3px}
.wide{overflow-x:auto}
.sortable th,.sortable th.n{padding-right:13px;white-space:normal}.sortable td{padding-right:13px;white-space:nowrap}
.sortable button{all:unset;cursor:pointer;font-weight:600;position:relative;display:inline-block;width:min-content}
.sortable button:focus-visible{outline:2px solid var(--best);outline-offset:3px}
.sortable button::after{content:"\\2195";color:#b8c0c9;font-size:11px;position:absolute;right:-11px;bottom:1px}
.sortable th[aria-sort=ascending] button::after{content:"\\2191";color:var(--ink)}
.sortable th[aria-sort=descending] button::after{content:"\\2193";color:var(--ink)}
tr.first td{background:#eaf4fa;font-weight:600}
tr.base td{background:var(--soft)}
tr.first td:first-child,tr.base td:first-child{padding-left:8px}
tr.group th{padding-top:16px;color:var(--muted);font-weight:600;font-size:13px}
td small{color:var(--muted);display:inline-block;min-width:3.6em}
th small{color:var(--muted);font-weight:400}
td.near{color:var(--floor);font-weight:600}
td.worse{color:var(--alert);font-weight:600}
td.better{color:var(--best);font-weight:600}
ul.notes{margin:8px 0 0;padding-left:18px;color:#3a4250;font-size:14px}
figure{margin:14px 0}
figure svg,figure img{display:block;width:100%;height:auto}
figure.narrow{max-width:720px}
figcaption,.caption,.quiet{color:var(--muted);font-size:13.5px;margin-top:6px}
figcaption.above{margin:0 0 2px;color:var(--ink);font-weight:600}
svg text{font-size:13px;font-family:inherit}
svg .curve:hover polyline{stroke-width:4}
.small{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:6px 24px}
.small figure{margin:8px 0}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:24px}
.pair img{image-rendering:auto;border-radius:3px}
@media(max-width:760px){.pair{grid-template-columns:1fr}main{padding:24px 16px}}
.k{display:inline-block;width:22px;height:0;border-top:3px solid;margin:0 5px 3px 12px;vertical-align:middle}
figcaption .k:first-child{margin-left:0}
.k.best{color:var(--best)}.k.baseline{color:#222;border-top-style:dashed}.k.other{color:#8a95a1}.k.stopped{color:#c3cad2}
.k.floor{border:0;height:12px;background:#e3ebe4}
pre{background:var(--soft);border-radius:6px;padding:14px 16px;overflow-x:auto;font:13px/1.55 ui-monospace,"SF Mono",
Menlo,Consolas,"DejaVu Sans Mono",monospace}
code{font:13px ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
summary{cursor:pointer;color:var(--best)}
.versions span{display:inline-block;margin-right:18px;color:var(--muted);font-size:13.5px}
.versions b{color:var(--ink);font-weight:500;overflow-wrap:anywhere}
@media print{main{max-width:none;padding:0}section{break-inside:avoid-page}details{display:none}}
"""

SORT_SCRIPT = """
document.querySelectorAll('table.sortable').forEach(function(table){
  var body=table.tBodies[0],heads=table.tHead.rows[0].cells;
  Array.prototype.forEach.call(heads,function(head,column){
    head.querySelector('button').addEventListener('click',function(){
      var up=head.getAttribute('aria-sort')!=='ascending';
      Array.prototype.forEach.call(heads,function(h){h.removeAttribute('aria-sort')});
      head.setAttribute('aria-sort',up?'ascending':'descending');
      var key=function(row){var c=row.cells[column],k=c.dataset.k===undefined?c.textContent:c.dataset.k;
        return k!==''&&isFinite(k)?Number(k):k};
      Array.prototype.slice.call(body.rows).sort(function(a,b){var x=key(a),y=key(b);
        if(typeof x!==typeof y)return typeof x==='number'?-1:1;
        return (x<y?-1:x>y?1:0)*(up?1:-1)}).forEach(function(row){body.appendChild(row)});
    });
  });
});
"""
