/** Outputs that are sums over a window: convolutions of all kinds, dense layers, pooling, upsampling. */
import { poolingWindow, wholeMap, type PoolingOptions } from '../engine/pooling';
import { upsamplingTaps } from '../engine/shaping';
import { type Tensor } from '../engine/tensor';
import {
  cellRect,
  indexed,
  inputOf,
  read,
  shapeOf,
  sumOf,
  total,
  type At,
  type Explanation,
  type Group,
  type Line,
  type Rect,
  type Term,
} from './types';

export type Parts = Pick<Explanation, 'groups' | 'lines' | 'rects' | 'equation'> & { result: number; note?: string };
export type Explainer = (at: At, index: number[]) => Parts;

export const empty = (equation: string): Parts => ({ groups: [], lines: [], rects: [], equation, result: NaN });

/** The window of one input channel times one slice of the kernel, cell by cell. */
function windowTerms(
  x: Tensor,
  w: Tensor,
  [oy, ox]: number[],
  channel: number,
  weight: (ky: number, kx: number) => number[],
  o: At['options'],
): Term[] {
  const [kh, kw] = w.shape;
  const terms: Term[] = [];
  for (let ky = 0; ky < kh; ky++)
    for (let kx = 0; kx < kw; kx++) {
      const iy = oy * o.strides[0] + ky * o.dilation[0] - o.pads[0][0];
      const ix = ox * o.strides[1] + kx * o.dilation[1] - o.pads[1][0];
      const outside = iy < 0 || iy >= x.shape[0] || ix < 0 || ix >= x.shape[1];
      const a = outside ? 0 : read(x, [iy, ix, channel]);
      const b = read(w, weight(ky, kx));
      const label = `${outside ? 'padding' : indexed('x', [iy, ix, channel])} · ${indexed('w', weight(ky, kx))}`;
      terms.push({ a, b, product: a * b, label, ...(outside ? { mark: 'outside' as const } : {}) });
    }
  return terms;
}

function windowRect(
  node: number,
  [oy, ox]: number[],
  [kh, kw]: readonly number[],
  o: At['options'],
  channel: number | null,
): Rect {
  return {
    node,
    channel,
    top: oy * o.strides[0] - o.pads[0][0],
    left: ox * o.strides[1] - o.pads[1][0],
    height: (kh - 1) * (o.dilation?.[0] ?? 1) + 1,
    width: (kw - 1) * (o.dilation?.[1] ?? 1) + 1,
  };
}

const productNames = { a: 'x', b: 'w', product: 'x·w' };

function withBias(at: At, groups: Group[], f: number): { lines: Line[]; result: number } {
  const sum = total(groups);
  const bias = at.parameters.get('bias');
  const lines: Line[] = [{ label: groups.length > 1 ? 'Σ over the channels' : 'Σ', value: sum }];
  if (!bias) return { lines, result: sum };
  lines.push({ label: `+ b[${f}]`, value: bias.data[f] });
  return { lines, result: sum + bias.data[f] };
}

export const convolution: Explainer = (at, [oy, ox, f]) => {
  const [x, w] = [inputOf(at), at.parameters.get('kernel')];
  if (!x || !w) return empty('conv2d');
  const [kh, kw, perGroup, filters] = w.shape;
  const first = Math.floor(f / (filters / at.options.groups)) * perGroup;
  const groups = Array.from({ length: perGroup }, (_, c): Group => {
    const terms = windowTerms(x, w, [oy, ox], first + c, (ky, kx) => [ky, kx, c, f], at.options);
    return {
      title: `channel ${first + c}`,
      names: productNames,
      rows: kh,
      columns: kw,
      terms,
      sum: sumOf(terms),
      channel: first + c,
    };
  });
  const whole = perGroup === x.shape[2];
  const rects = whole
    ? [windowRect(at.inputs[0], [oy, ox], w.shape, at.options, null)]
    : groups.map((group) => windowRect(at.inputs[0], [oy, ox], w.shape, at.options, group.channel));
  return { groups, ...withBias(at, groups, f), rects, equation: 'conv2d' };
};

export const depthwise: Explainer = (at, [oy, ox, f]) => {
  const [x, w] = [inputOf(at), at.parameters.get('kernel')];
  if (!x || !w) return empty('depthwise');
  const [kh, kw, , multiplier] = w.shape;
  const channel = Math.floor(f / multiplier);
  const terms = windowTerms(x, w, [oy, ox], channel, (ky, kx) => [ky, kx, channel, f % multiplier], at.options);
  const groups = [
    { title: `channel ${channel}`, names: productNames, rows: kh, columns: kw, terms, sum: sumOf(terms), channel },
  ];
  return {
    groups,
    ...withBias(at, groups, f),
    rects: [windowRect(at.inputs[0], [oy, ox], w.shape, at.options, channel)],
    equation: 'depthwise',
  };
};

export const separable: Explainer = (at, [oy, ox, f]) => {
  const [x, w, pointwise] = [inputOf(at), at.parameters.get('depthwise_kernel'), at.parameters.get('pointwise_kernel')];
  if (!x || !w || !pointwise) return empty('separable');
  const [kh, kw, channels, multiplier] = w.shape;
  const groups = Array.from({ length: channels * multiplier }, (_, k): Group => {
    const [c, m] = [Math.floor(k / multiplier), k % multiplier];
    const terms = windowTerms(x, w, [oy, ox], c, (ky, kx) => [ky, kx, c, m], at.options);
    const factor = { name: indexed('pointwise', [k, f]), value: read(pointwise, [0, 0, k, f]) };
    return {
      title: `channel ${c}`,
      names: productNames,
      rows: kh,
      columns: kw,
      terms,
      sum: sumOf(terms),
      factor,
      channel: c,
    };
  });
  return {
    groups,
    ...withBias(at, groups, f),
    rects: [windowRect(at.inputs[0], [oy, ox], w.shape, at.options, null)],
    equation: 'separable',
  };
};

export const transposed: Explainer = (at, [oy, ox, f]) => {
  const [x, w] = [inputOf(at), at.parameters.get('kernel')];
  if (!x || !w) return empty('transposed');
  const o = at.options;
  const [kh, kw, , channels] = w.shape;
  const reached: [number, number, number, number][] = [];
  for (let ky = 0; ky < kh; ky++)
    for (let kx = 0; kx < kw; kx++) {
      const [iy, ix] = [
        (oy + o.pads[0][0] - ky * o.dilation[0]) / o.strides[0],
        (ox + o.pads[1][0] - kx * o.dilation[1]) / o.strides[1],
      ];
      if (Number.isInteger(iy) && Number.isInteger(ix) && iy >= 0 && iy < x.shape[0] && ix >= 0 && ix < x.shape[1])
        reached.push([iy, ix, ky, kx]);
    }
  const groups = Array.from({ length: channels }, (_, c): Group => {
    const terms = reached.map(([iy, ix, ky, kx]): Term => {
      const [a, b] = [read(x, [iy, ix, c]), read(w, [ky, kx, f, c])];
      return { a, b, product: a * b, label: `${indexed('x', [iy, ix, c])} · ${indexed('w', [ky, kx, f, c])}` };
    });
    return {
      title: `channel ${c}`,
      names: productNames,
      rows: 1,
      columns: terms.length,
      terms,
      sum: sumOf(terms),
      channel: c,
    };
  });
  const rects = reached.map(([iy, ix]): Rect => ({
    node: at.inputs[0],
    channel: null,
    top: iy,
    left: ix,
    height: 1,
    width: 1,
  }));
  return { groups, ...withBias(at, groups, f), rects, equation: 'transposed' };
};

export const dense: Explainer = (at, index) => {
  const [x, w] = [inputOf(at), at.parameters.get('kernel')];
  if (!x || !w) return empty('dense');
  const [inputs, units] = w.shape;
  const f = index[index.length - 1];
  const row = index.slice(0, -1);
  const terms = Array.from({ length: inputs }, (_, n): Term => {
    const [a, b] = [read(x, [...row, n]), w.data[n * units + f]];
    return { a, b, product: a * b, label: `${indexed('x', [...row, n])} · ${indexed('w', [n, f])}` };
  });
  const groups = [
    { title: `${inputs} inputs`, names: productNames, rows: inputs, columns: 1, terms, sum: sumOf(terms), channel: 0 },
  ];
  const rects = row.length
    ? [cellRect(at.inputs[0], x.shape, [...row, 0])]
    : [{ node: at.inputs[0], channel: null, top: 0, left: 0, height: 1, width: inputs }];
  return { groups, ...withBias(at, groups, f), rects, equation: 'dense' };
};

const poolingSettings = (at: At): PoolingOptions =>
  at.layer.class.startsWith('Global') ? wholeMap(shapeOf(at, at.inputs[0])) : (at.options as PoolingOptions);

/** Of an output of pooling: its position on the map (a global pool has one window) and its channel. */
function pooledCell(index: number[]): [number, number, number] {
  return index.length === 3 ? [index[0], index[1], index[2]] : [0, 0, index[index.length - 1]];
}

export const pooling =
  (kind: 'max' | 'mean'): Explainer =>
  (at, index) => {
    const x = inputOf(at);
    if (!x) return empty(kind === 'max' ? 'maxpool' : 'avgpool');
    const [oy, ox, c] = pooledCell(index);
    const { top, bottom, left, right } = poolingWindow(x.shape, poolingSettings(at), oy, ox);
    const terms: Term[] = [];
    for (let iy = top; iy < bottom; iy++)
      for (let ix = left; ix < right; ix++) {
        const a = read(x, [iy, ix, c]);
        terms.push({ a, b: 1, product: a, label: indexed('x', [iy, ix, c]) });
      }
    const best = terms.reduce((winner, term, k) => (term.a > terms[winner].a ? k : winner), 0);
    if (kind === 'max') terms[best].mark = 'winner';
    const sum = sumOf(terms);
    const groups = [
      {
        title: `channel ${c}`,
        names: { a: 'x', b: '', product: 'x' },
        rows: bottom - top,
        columns: right - left,
        terms,
        sum,
        channel: c,
      },
    ];
    const rects = [{ node: at.inputs[0], channel: c, top, left, height: bottom - top, width: right - left }];
    if (kind === 'max')
      return {
        groups,
        rects,
        equation: 'maxpool',
        result: terms[best].a,
        lines: [{ label: `max, at ${terms[best].label}`, value: terms[best].a }],
      };
    const lines = [
      { label: 'Σ', value: sum },
      { label: `÷ ${terms.length} cells`, value: sum / terms.length },
    ];
    return { groups, rects, equation: 'avgpool', result: sum / terms.length, lines };
  };
export const upsampling: Explainer = (at, [oy, ox, c]) => {
  const x = inputOf(at);
  if (!x) return empty('upsampling');
  const { size, interpolation } = at.options;
  const terms: Term[] = [];
  const rects: Rect[] = [];
  for (const y of upsamplingTaps(x.shape[0], size[0], interpolation)[oy])
    for (const h of upsamplingTaps(x.shape[1], size[1], interpolation)[ox]) {
      const [a, b] = [read(x, [y.from, h.from, c]), y.weight * h.weight];
      terms.push({ a, b, product: a * b, label: indexed('x', [y.from, h.from, c]) });
      rects.push({ node: at.inputs[0], channel: c, top: y.from, left: h.from, height: 1, width: 1 });
    }
  const sum = sumOf(terms);
  const group = {
    title: `channel ${c}`,
    names: { a: 'x', b: 'share', product: 'x·share' },
    rows: 1,
    columns: terms.length,
    terms,
    sum,
    channel: c,
  };
  return { groups: [group], lines: [{ label: 'Σ', value: sum }], rects, equation: 'upsampling', result: sum };
};
