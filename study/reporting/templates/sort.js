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
