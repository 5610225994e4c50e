/** Gradients that are sums over the outputs an input reaches: convolutions of all kinds, dense layers, pooling, upsampling. */
import { poolingWindow, wholeMap, type PoolingOptions } from '../engine/pooling';
import { upsamplingTaps } from '../engine/shaping';
import { type Tensor } from '../engine/tensor';
import {
  cellRect,
  flat,
  indexed,
  inputOf,
  read,
  shapeOf,
  sumOf,
  total,
  unflat,
  type At,
  type Explanation,
  type Group,
  type Rect,
  type Term,
} from './types';

export type Parts = Omit<Explanation, 'target'>;
export type InputExplainer = (at: At, input: number, index: number[], dy: Tensor) => Parts;

/** The output positions along one axis whose window covers input position `i`, each with its kernel position. */
export function reachedBy(i: number, k: number, outputs: number, stride: number, pad: number, dilation: number) {
  const reached: { o: number; k: number }[] = [];
  for (let tap = k - 1; tap >= 0; tap--) {
    const o = (i + pad - tap * dilation) / stride;
    if (Number.isInteger(o) && o >= 0 && o < outputs) reached.push({ o, k: tap });
  }
  return reached;
}

const names = { a: 'dy', b: 'w', product: 'dy·w' };

function outputRect(node: number, rows: { o: number }[], columns: { o: number }[], channel: number | null): Rect[] {
  if (!rows.length || !columns.length) return [];
  const [top, left] = [rows[0].o, columns[0].o];
  return [
    {
      node,
      channel,
      top,
      left,
      height: rows[rows.length - 1].o - top + 1,
      width: columns[columns.length - 1].o - left + 1,
    },
  ];
}

function summed(groups: Group[], rects: Rect[], equation: string, label = 'Σ over the outputs'): Parts {
  const result = total(groups);
  return { groups, lines: [{ label, value: result }], result, rects, equation };
}

/** Convolutions of all kinds: for each output channel, the cells that saw this input times the weight that saw it. */
function convolutionGroups(
  at: At,
  [iy, ix]: number[],
  dy: Tensor,
  w: Tensor,
  outputs: number[],
  weight: (ky: number, kx: number, f: number) => number[],
): Parts {
  const o = at.options;
  const rows = reachedBy(iy, w.shape[0], dy.shape[0], o.strides[0], o.pads[0][0], o.dilation[0]);
  const columns = reachedBy(ix, w.shape[1], dy.shape[1], o.strides[1], o.pads[1][0], o.dilation[1]);
  const groups = outputs.map((f): Group => {
    const terms = rows.flatMap((y) =>
      columns.map((x): Term => {
        const [a, b] = [read(dy, [y.o, x.o, f]), read(w, weight(y.k, x.k, f))];
        const label = `${indexed('dy', [y.o, x.o, f])} · ${indexed('w', weight(y.k, x.k, f))}`;
        return { a, b, product: a * b, label, from: [y.o, x.o, f] };
      }),
    );
    return {
      title: `filter ${f}`,
      names,
      rows: rows.length,
      columns: columns.length,
      terms,
      sum: sumOf(terms),
      channel: f,
    };
  });
  const rects =
    outputs.length === dy.shape[2]
      ? outputRect(at.node, rows, columns, null)
      : outputs.flatMap((f) => outputRect(at.node, rows, columns, f));
  return summed(groups, rects, 'conv2d-dx');
}

export const range = (n: number, start = 0): number[] => Array.from({ length: n }, (_, i) => start + i);

export const convolution: InputExplainer = (at, _, index, dy) => {
  const w = at.parameters.get('kernel')!;
  const [, , perGroup, filters] = w.shape;
  const span = filters / at.options.groups;
  const group = Math.floor(index[2] / perGroup);
  return convolutionGroups(at, index, dy, w, range(span, group * span), (ky, kx, f) => [
    ky,
    kx,
    index[2] % perGroup,
    f,
  ]);
};

export const depthwise: InputExplainer = (at, _, index, dy) => {
  const w = at.parameters.get('kernel')!;
  const m = w.shape[3];
  return convolutionGroups(at, index, dy, w, range(m, index[2] * m), (ky, kx, f) => [ky, kx, index[2], f % m]);
};

export const MIDDLE = 'Here dy is the gradient after the depthwise half: Σ over f of dy[f]·pointwise[f].';

/** The gradient between the two halves of a separable convolution: `Σ over f of dy[f]·pointwise[k, f]`. */
export function middleGradient(at: At, dy: Tensor): Tensor {
  const w = at.parameters.get('pointwise_kernel')!;
  const [, , k, f] = w.shape;
  const shape = [dy.shape[0], dy.shape[1], k];
  const data = new Float64Array(shape[0] * shape[1] * k);
  for (let i = 0; i < data.length; i++) {
    const [cell, channel] = [Math.floor(i / k), i % k];
    for (let j = 0; j < f; j++) data[i] += dy.data[cell * f + j] * w.data[channel * f + j];
  }
  return { shape, data };
}

export const separable: InputExplainer = (at, _, index, dy) => {
  const w = at.parameters.get('depthwise_kernel')!;
  const m = w.shape[3];
  const middle = middleGradient(at, dy);
  const parts = convolutionGroups(at, index, middle, w, range(m, index[2] * m), (ky, kx, f) => [
    ky,
    kx,
    index[2],
    f % m,
  ]);
  return { ...parts, note: MIDDLE };
};

export const transposed: InputExplainer = (at, _, [iy, ix, c], dy) => {
  const w = at.parameters.get('kernel')!;
  const [kh, kw, filters] = w.shape;
  const o = at.options;
  const reach = (i: number, k: number, n: number, axis: number) =>
    range(k)
      .map((tap) => ({ o: i * o.strides[axis] + tap * o.dilation[axis] - o.pads[axis][0], k: tap }))
      .filter((p) => p.o >= 0 && p.o < n);
  const [rows, columns] = [reach(iy, kh, dy.shape[0], 0), reach(ix, kw, dy.shape[1], 1)];
  const groups = range(filters).map((f): Group => {
    const terms = rows.flatMap((y) =>
      columns.map((x): Term => {
        const [a, b] = [read(dy, [y.o, x.o, f]), read(w, [y.k, x.k, f, c])];
        const label = `${indexed('dy', [y.o, x.o, f])} · ${indexed('w', [y.k, x.k, f, c])}`;
        return { a, b, product: a * b, label, from: [y.o, x.o, f] };
      }),
    );
    return {
      title: `filter ${f}`,
      names,
      rows: rows.length,
      columns: columns.length,
      terms,
      sum: sumOf(terms),
      channel: f,
    };
  });
  return summed(groups, outputRect(at.node, rows, columns, null), 'transposed-dx');
};

export const dense: InputExplainer = (at, _, index, dy) => {
  const w = at.parameters.get('kernel')!;
  const [n, units] = [index[index.length - 1], w.shape[1]];
  const row = index.slice(0, -1);
  const terms = range(units).map((f): Term => {
    const [a, b] = [read(dy, [...row, f]), read(w, [n, f])];
    return {
      a,
      b,
      product: a * b,
      label: `${indexed('dy', [...row, f])} · ${indexed('w', [n, f])}`,
      from: [...row, f],
    };
  });
  const group: Group = {
    title: `${units} outputs`,
    names,
    rows: units,
    columns: 1,
    terms,
    sum: sumOf(terms),
    channel: 0,
  };
  const rects = row.length ? [] : [{ node: at.node, channel: null, top: 0, left: 0, height: 1, width: units }];
  return summed([group], rects, 'dense-dx');
};

export const pooling =
  (kind: 'max' | 'mean'): InputExplainer =>
  (at, _, index, dy) => {
    const x = inputOf(at)!;
    const global = at.layer.class.startsWith('Global');
    const o: PoolingOptions = global ? wholeMap(x.shape) : (at.options as PoolingOptions);
    const [iy, ix, c] = index;
    const maps: Tensor = global ? { shape: [1, 1, x.shape[2]], data: dy.data } : dy;
    const winner = at.context.values.nodes[at.node].cache as Int32Array;
    const terms: Term[] = [];
    const rects: Rect[] = [];
    for (let oy = 0; oy < maps.shape[0]; oy++)
      for (let ox = 0; ox < maps.shape[1]; ox++) {
        const { top, bottom, left, right } = poolingWindow(x.shape, o, oy, ox);
        if (iy < top || iy >= bottom || ix < left || ix >= right) continue;
        const output = flat(maps.shape, [oy, ox, c]);
        const count = (bottom - top) * (right - left);
        const b = kind === 'mean' ? 1 / count : winner[output] === flat(x.shape, index) ? 1 : 0;
        const from = unflat(dy.shape, output);
        const label = `${indexed('dy', from)} · ${kind === 'mean' ? `1/${count}` : b ? 'the winner' : 'not the winner'}`;
        terms.push({
          a: maps.data[output],
          b,
          product: maps.data[output] * b,
          label,
          from,
          ...(kind === 'max' && b ? { mark: 'winner' as const } : {}),
        });
        rects.push(cellRect(at.node, dy.shape, from));
      }
    const b = kind === 'max' ? 'switch' : 'share';
    const group = {
      title: `channel ${c}`,
      names: { a: 'dy', b, product: `dy·${b}` },
      rows: 1,
      columns: terms.length,
      terms,
      sum: sumOf(terms),
      channel: c,
    };
    const parts = summed([group], rects, kind === 'max' ? 'maxpool-dx' : 'avgpool-dx', 'Σ over the windows');
    return terms.length
      ? parts
      : { ...parts, groups: [], note: 'No window covers this cell, so no gradient reaches it.' };
  };

export const upsampling: InputExplainer = (at, _, [iy, ix, c], dy) => {
  const [h, w] = shapeOf(at, at.inputs[0]);
  const { size, interpolation } = at.options;
  const terms: Term[] = [];
  const rects: Rect[] = [];
  upsamplingTaps(h, size[0], interpolation).forEach((ys, oy) =>
    upsamplingTaps(w, size[1], interpolation).forEach((xs, ox) => {
      const share = (taps: typeof ys, i: number) =>
        taps.filter((tap) => tap.from === i).reduce((sum, tap) => sum + tap.weight, 0);
      const b = share(ys, iy) * share(xs, ix);
      if (!b) return;
      const a = read(dy, [oy, ox, c]);
      terms.push({ a, b, product: a * b, label: `${indexed('dy', [oy, ox, c])} · share`, from: [oy, ox, c] });
      rects.push({ node: at.node, channel: c, top: oy, left: ox, height: 1, width: 1 });
    }),
  );
  const group = {
    title: `channel ${c}`,
    names: { a: 'dy', b: 'share', product: 'dy·share' },
    rows: 1,
    columns: terms.length,
    terms,
    sum: sumOf(terms),
    channel: c,
  };
  return summed([group], rects, 'upsampling-dx');
};
