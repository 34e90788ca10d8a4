#include "eval/report_html_parts.h"

namespace tacit::html {

// What the page does beyond being read: titles of marks at the pointer, tables sorted by a column, one example at a
// time.
const char* const kScript = R"js(
'use strict';
(function () {
  var tip = document.createElement('div');
  tip.id = 'tip';
  tip.hidden = true;
  document.body.appendChild(tip);
  document.querySelectorAll('svg.plot g > title').forEach(function (title) {
    var mark = title.parentNode;
    mark.setAttribute('data-tip', title.textContent);
    mark.setAttribute('aria-label', title.textContent);
    mark.setAttribute('role', 'img');
    title.remove();
  });
  document.addEventListener('pointerover', function (event) {
    var mark = event.target.closest ? event.target.closest('[data-tip]') : null;
    tip.hidden = !mark;
    if (mark) tip.textContent = mark.getAttribute('data-tip');
  });
  document.addEventListener('pointermove', function (event) {
    if (tip.hidden) return;
    var width = tip.offsetWidth, height = tip.offsetHeight;
    tip.style.left = Math.max(4, Math.min(event.clientX + 12, innerWidth - width - 4)) + 'px';
    tip.style.top = (event.clientY + 18 + height > innerHeight ? event.clientY - height - 10 : event.clientY + 18) + 'px';
  });

  function value(row, index) {
    var text = row.cells[index].textContent.trim();
    var found = /^[<−+-]?\s*(\d*\.?\d+)(?:\s*([kMGTP]))?/.exec(text);
    if (!found) return text;
    var number = parseFloat(found[1]) * Math.pow(1000, found[2] ? 'kMGTP'.indexOf(found[2]) + 1 : 0);
    return text[0] === '−' || text[0] === '-' ? -number : text[0] === '<' ? number / 2 : number;
  }
  function compare(a, b) {
    if (typeof a === typeof b) return typeof a === 'number' ? a - b : a.localeCompare(b);
    return typeof a === 'number' ? -1 : 1;
  }
  document.querySelectorAll('table.sort').forEach(function (table) {
    var body = table.tBodies[0], heads = table.tHead.rows[0].cells;
    Array.prototype.forEach.call(heads, function (head, index) {
      if (head.tagName !== 'TH' || body.rows.length < 2) return;
      head.tabIndex = 0;
      head.classList.add('sortable');
      function sort() {
        var down = head.getAttribute('aria-sort') !== 'descending';
        Array.prototype.forEach.call(heads, function (other) { other.removeAttribute('aria-sort'); });
        head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
        Array.prototype.slice.call(body.rows)
          .sort(function (a, b) { return (down ? -1 : 1) * compare(value(a, index), value(b, index)); })
          .forEach(function (row) { body.appendChild(row); });
      }
      head.addEventListener('click', sort);
      head.addEventListener('keydown', function (event) {
        if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); sort(); }
      });
    });
  });

  var all = Array.prototype.slice.call(document.querySelectorAll('.exs > .ex')), at = 0;
  if (all.length > 1) {
    var bar = document.createElement('p'), buttons = [];
    bar.className = 'choose';
    function show(index) {
      at = (index + all.length) % all.length;
      all.forEach(function (each, i) { each.hidden = i !== at; });
      buttons.forEach(function (each, i) { each.setAttribute('aria-pressed', i === at); });
    }
    all.forEach(function (each, i) {
      var button = document.createElement('button');
      button.type = 'button';
      button.textContent = i + 1;
      button.setAttribute('aria-label', each.getAttribute('aria-label'));
      button.addEventListener('click', function () { show(i); });
      buttons.push(button);
      bar.appendChild(button);
    });
    all[0].parentNode.insertBefore(bar, all[0]);
    show(0);
  }
})();
)js";

}  // namespace tacit::html
