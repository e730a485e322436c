// The panel of layers: a switch, what to show, its scale with unit, and settings (opacity, colours, range, filter).
// Built once per run and language; `update` writes what changes with the step. Texts of a file are shown as text.
import { PALETTES, SCALES } from './colours.js';
import { label, word, written } from './words.js';

export const make = (tag, text, more = {}) => Object.assign(document.createElement(tag), text === undefined ? {} : { textContent: text }, more);
const bracketed = (item) => (item.units ? ` [${item.units}]` : '');
export const titled = (item) => `${label(item)}${bracketed(item)}`;

function options(select, items, chosen, none) {
  select.append(make('option', none, { value: '' }));
  for (const [title, still] of [['results', false], ['properties', true]]) {
    const group = make('optgroup', undefined, { label: word(title) });
    for (const item of items.filter((i) => i.still === still)) group.append(make('option', label(item), { value: item.name, selected: item.name === chosen?.name }));
    if (group.children.length) select.append(group);
  }
  return select;
}

const number = (text) => (text.trim() === '' ? NaN : Number(text));

// `change(name, what)` is called after a setting of a layer has changed: 'on', 'item', 'scale', 'look' or 'filter'.
export function buildPanel(root, layers, { change, relief, setRelief, opened }) {
  const updates = [];
  const cards = Object.entries(layers).map(([name, layer]) => {
    const card = make('div', undefined, { className: 'layer', id: `layer-${name}` });
    const head = make('div', undefined, { className: 'name' });
    const on = make('input', undefined, { type: 'checkbox', checked: layer.on, id: `on-${name}` });
    on.onchange = () => {
      layer.on = on.checked;
      change(name, 'on');
    };
    head.append(on, make('label', word(name), { htmlFor: on.id }));
    card.append(head);
    const shown = make('div', undefined, { className: 'shown' });
    card.append(shown);
    if (!layer.items) {
      updates.push(() => {
        on.checked = layer.on;
        card.classList.toggle('off', !layer.on);
      });
      return card;
    }
    const dots = make('button', '⋯', { className: 'dots', id: `more-${name}`, title: `${word('more')} ${word(name)}`, ariaLabel: `${word('more')} ${word(name)}` });
    head.append(dots);
    const choice = options(make('select', undefined, { id: `item-${name}`, ariaLabel: word(name) }), layer.items, layer.item, word('none'));
    choice.onchange = () => {
      layer.item = layer.items.find((i) => i.name === choice.value);
      layer.mode = 'run';
      change(name, 'item');
    };
    const legend = make('div', undefined, { className: 'legend' });
    const more = make('div', undefined, { className: 'more', hidden: !opened.has(name) });
    dots.ariaExpanded = String(!more.hidden);
    dots.onclick = () => {
      more.hidden = !more.hidden;
      dots.ariaExpanded = String(!more.hidden);
      opened[more.hidden ? 'delete' : 'add'](name);
    };
    shown.append(choice, legend, more);

    const opacity = make('input', undefined, { type: 'range', min: 0.05, max: 1, step: 0.05, value: layer.opacity, id: `opacity-${name}`, ariaLabel: word('opacity') });
    opacity.oninput = () => {
      layer.opacity = Number(opacity.value);
      change(name, 'look');
    };
    const palette = make('select', undefined, { id: `palette-${name}`, ariaLabel: word('colours') });
    palette.append(...PALETTES.map((p) => make('option', p, { value: p, selected: p === layer.palette })));
    palette.onchange = () => {
      layer.palette = palette.value;
      change(name, 'look');
    };
    const mode = make('select', undefined, { id: `mode-${name}`, ariaLabel: word('scale') });
    mode.append(...['run', 'step', 'given'].map((m) => make('option', word(`mode${m[0].toUpperCase()}${m.slice(1)}`), { value: m })));
    const ends = ['low', 'high'].map((end, k) => make('input', undefined, { type: 'number', step: 'any', id: `${end}-${name}`, ariaLabel: word(k ? 'highest' : 'lowest') }));
    mode.onchange = () => {
      layer.mode = mode.value;
      change(name, 'scale');
    };
    for (const end of ends) {
      end.onchange = () => {
        const given = ends.map((e) => number(e.value) / layer.item.factor);
        if (!(given[0] < given[1])) return;
        Object.assign(layer, { mode: 'given', given });
        change(name, 'scale');
      };
    }
    const pair = make('div', undefined, { className: 'pair wide' });
    pair.append(...ends);
    more.append(make('span', word('opacity')), opacity, make('span', word('colours')), palette, make('span', word('scale')), mode, pair);
    more.append(...filterRows(name, layer, change, updates));

    updates.push(() => {
      on.checked = layer.on;
      card.classList.toggle('off', !layer.on);
      palette.disabled = mode.disabled = ends[0].disabled = ends[1].disabled = !layer.item || Boolean(layer.kinds);
      mode.value = layer.mode;
      if (layer.item && layer.range) {
        ends.forEach((e, k) => {
          if (document.activeElement !== e) e.value = Number((layer.range[k] * layer.item.factor).toPrecision(4));
        });
      }
      legend.replaceChildren(...(layer.on && layer.item && layer.range ? legendOf(layer) : []));
    });
    return card;
  });
  const foot = make('div', undefined, { id: 'foot' });
  const high = make('label', word('relief'));
  const slider = make('input', undefined, { type: 'range', min: 1, max: 80, value: relief, id: 'relief' });
  const times = make('span', `${relief}×`);
  slider.oninput = () => {
    times.textContent = `${slider.value}×`;
    setRelief(Number(slider.value));
  };
  high.append(slider, times);
  const grey = make('div');
  grey.append(make('span', undefined, { className: 'grey' }), word('missing'));
  foot.append(high, grey);
  root.replaceChildren(...cards, foot);
  return () => updates.forEach((update) => update());
}

function filterRows(name, layer, change, updates) {
  const by = options(make('select', undefined, { id: `filter-${name}`, ariaLabel: word('filter') }), layer.items, layer.filter?.item, word('filterNone'));
  const ends = ['from', 'to'].map((end, k) => make('input', undefined, { type: 'number', step: 'any', id: `${end}-${name}`, placeholder: word(k ? 'highest' : 'lowest'), ariaLabel: `${word('filter')}: ${word(k ? 'highest' : 'lowest')}` }));
  const pair = make('div', undefined, { className: 'pair wide' });
  pair.append(...ends);
  const kinds = make('div', undefined, { className: 'kinds' });
  const count = make('p', '', { className: 'wide', id: `count-${name}` });
  const draw = () => {
    const { filter } = layer;
    pair.hidden = !filter || Boolean(filter.kinds);
    kinds.hidden = !filter?.kinds;
    if (filter?.kinds) {
      kinds.replaceChildren(...[...filter.item.kinds].map(([value, meaning]) => {
        const box = make('label');
        const tick = make('input', undefined, { type: 'checkbox', checked: filter.kinds.has(value) });
        tick.onchange = () => {
          filter.kinds[tick.checked ? 'add' : 'delete'](value);
          change(name, 'filter');
        };
        box.append(tick, ` ${meaning}`);
        return box;
      }));
    } else if (filter) [filter.low, filter.high].forEach((v, k) => (ends[k].value = Number.isFinite(v) ? v * filter.item.factor : ''));
  };
  by.onchange = () => {
    const item = layer.items.find((i) => i.name === by.value);
    layer.filter = item ? { item, low: -Infinity, high: Infinity, kinds: item.kinds && new Set(item.kinds.keys()) } : null;
    draw();
    change(name, 'filter');
  };
  ends.forEach((end, k) => {
    end.onchange = () => {
      const v = number(end.value) / layer.filter.item.factor;
      layer.filter[k ? 'high' : 'low'] = Number.isNaN(v) ? (k ? Infinity : -Infinity) : v;
      change(name, 'filter');
    };
  });
  updates.push(() => {
    const n = layer.filter && layer.mask ? layer.mask.reduce((sum, v) => sum + v, 0) : 0;
    count.textContent = layer.filter && layer.mask ? word('shownOf', { n, m: layer.mask.length }) : '';
  });
  draw();
  return [make('span', word('filter')), by, pair, kinds, count];
}

function legendOf(layer) {
  const parts = [];
  if (layer.kinds) {
    const chips = make('div', undefined, { className: 'chips' });
    for (const [value, meaning] of layer.item.kinds) {
      const chip = make('span');
      const dot = make('i');
      dot.style.background = layer.kinds.colours.get(value);
      chip.append(dot, meaning);
      chips.append(chip);
    }
    parts.push(chips);
  } else {
    const bar = make('div', undefined, { className: 'bar' });
    bar.style.background = SCALES[layer.scale].css;
    bar.style.opacity = Math.max(0.3, layer.opacity);
    const [low, high] = layer.range.map((v) => v * layer.item.factor);
    const ends = make('div', undefined, { className: 'ends' });
    const middle = make('span', `${written((low + high) / 2)}`);
    middle.append(make('span', layer.item.units ? ` ${layer.item.units}` : '', { className: 'unit' }));
    ends.append(make('span', written(low)), middle, make('span', written(high)));
    parts.push(bar, ends);
  }
  if (layer.item.note) parts.push(make('p', word(layer.item.note)));
  if (layer.item.made) parts.push(make('p', word('made')));
  return parts;
}
