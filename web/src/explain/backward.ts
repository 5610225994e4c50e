/** How one gradient is made from the gradients after it: towards an input, through an activation, at a fork. */
import { slopeAt } from '../engine/activations';
import { isElementwise } from '../engine/activations';
import { consumersOf } from '../engine/network';
import { merges } from '../engine/merging';
import { targetDistribution } from '../engine/losses';
import { poolingWindow, wholeMap, type PoolingOptions } from '../engine/pooling';
import { negated, paddingSources, upsamplingTaps } from '../engine/shaping';
import type { Tensor } from '../engine/tensor';
import { statisticsAt } from './forward';
import {
  cellRect, flat, indexed, inputOf, lookAt, read, shapeOf, sumOf, total, unflat,
  type At, type Context, type Explanation, type Group, type Line, type Rect, type Term,
} from './types';

type Parts = Omit<Explanation, 'target'>;
type InputExplainer = (at: At, input: number, index: number[], dy: Tensor) => Parts;

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
  return [{ node, channel, top, left, height: rows[rows.length - 1].o - top + 1, width: columns[columns.length - 1].o - left + 1 }];
}

function summed(groups: Group[], rects: Rect[], equation: string, label = 'Σ over the outputs'): Parts {
  const result = total(groups);
  return { groups, lines: [{ label, value: result }], result, rects, equation };
}

/** Convolutions of all kinds: for each output channel, the cells that saw this input times the weight that saw it. */
function convolutionGroups(
  at: At, [iy, ix]: number[], dy: Tensor, w: Tensor, outputs: number[], weight: (ky: number, kx: number, f: number) => number[],
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
    return { title: `filter ${f}`, names, rows: rows.length, columns: columns.length, terms, sum: sumOf(terms), channel: f };
  });
  const rects = outputs.length === dy.shape[2]
    ? outputRect(at.node, rows, columns, null)
    : outputs.flatMap((f) => outputRect(at.node, rows, columns, f));
  return summed(groups, rects, 'conv2d-dx');
}

const range = (n: number, start = 0): number[] => Array.from({ length: n }, (_, i) => start + i);

const convolution: InputExplainer = (at, _, index, dy) => {
  const w = at.parameters.get('kernel')!;
  const [, , perGroup, filters] = w.shape;
  const span = filters / at.options.groups;
  const group = Math.floor(index[2] / perGroup);
  return convolutionGroups(at, index, dy, w, range(span, group * span), (ky, kx, f) => [ky, kx, index[2] % perGroup, f]);
};

const depthwise: InputExplainer = (at, _, index, dy) => {
  const w = at.parameters.get('kernel')!;
  const m = w.shape[3];
  return convolutionGroups(at, index, dy, w, range(m, index[2] * m), (ky, kx, f) => [ky, kx, index[2], f % m]);
};

/** The gradient between the two halves of a separable convolution: `Σ over f of dy[f]·pointwise[k, f]`. */
function middleGradient(at: At, dy: Tensor): Tensor {
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

const separable: InputExplainer = (at, _, index, dy) => {
  const w = at.parameters.get('depthwise_kernel')!;
  const m = w.shape[3];
  const middle = middleGradient(at, dy);
  const parts = convolutionGroups(at, index, middle, w, range(m, index[2] * m), (ky, kx, f) => [ky, kx, index[2], f % m]);
  return { ...parts, note: 'Here dy is the gradient after the depthwise half: Σ over f of dy[f]·pointwise[f].' };
};

const transposed: InputExplainer = (at, _, [iy, ix, c], dy) => {
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
    return { title: `filter ${f}`, names, rows: rows.length, columns: columns.length, terms, sum: sumOf(terms), channel: f };
  });
  return summed(groups, outputRect(at.node, rows, columns, null), 'transposed-dx');
};

const dense: InputExplainer = (at, _, index, dy) => {
  const w = at.parameters.get('kernel')!;
  const [n, units] = [index[index.length - 1], w.shape[1]];
  const row = index.slice(0, -1);
  const terms = range(units).map((f): Term => {
    const [a, b] = [read(dy, [...row, f]), read(w, [n, f])];
    return { a, b, product: a * b, label: `${indexed('dy', [...row, f])} · ${indexed('w', [n, f])}`, from: [...row, f] };
  });
  const group: Group = { title: `${units} outputs`, names, rows: units, columns: 1, terms, sum: sumOf(terms), channel: 0 };
  const rects = row.length ? [] : [{ node: at.node, channel: null, top: 0, left: 0, height: 1, width: units }];
  return summed([group], rects, 'dense-dx');
};

const pooling = (kind: 'max' | 'mean'): InputExplainer => (at, _, index, dy) => {
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
      terms.push({ a: maps.data[output], b, product: maps.data[output] * b, label, from, ...(kind === 'max' && b ? { mark: 'winner' as const } : {}) });
      rects.push(cellRect(at.node, dy.shape, from));
    }
  const b = kind === 'max' ? 'switch' : 'share';
  const group = { title: `channel ${c}`, names: { a: 'dy', b, product: `dy·${b}` }, rows: 1, columns: terms.length, terms, sum: sumOf(terms), channel: c };
  const parts = summed([group], rects, kind === 'max' ? 'maxpool-dx' : 'avgpool-dx', 'Σ over the windows');
  return terms.length ? parts : { ...parts, groups: [], note: 'No window covers this cell, so no gradient reaches it.' };
};

const normalization: InputExplainer = (at, _, index, dy) => {
  const s = statisticsAt(at, index)!;
  const d = read(dy, index);
  const layerwise = at.layer.class === 'LayerNormalization';
  const rects = [cellRect(at.node, shapeOf(at), index)];
  const equation = layerwise ? 'layernorm-dx' : 'batchnorm-dx';
  if (!s.batch) {
    const lines = [
      { label: indexed('dy', index), value: d },
      { label: `· γ[${s.f}]`, value: s.gamma },
      { label: '· 1 / √(σ² + ε)', value: s.inverse },
      { label: 'dx', value: d * s.gamma * s.inverse },
    ];
    return { groups: [], lines, rects, equation, result: d * s.gamma * s.inverse, note: 'In inference μ and σ² are constants, so only one term is left.' };
  }
  // In layer normalisation γ differs along the axis that is averaged, so it stays inside the means.
  const gamma = at.parameters.get('gamma')?.data;
  let [meanD, meanDX, count] = [0, 0, 0];
  dy.data.forEach((value, i) => {
    if ((layerwise ? Math.floor(i / s.features) : i % s.features) !== s.k) return;
    const weighted = layerwise ? value * (gamma?.[i % s.features] ?? 1) : value;
    meanD += weighted;
    meanDX += weighted * s.cache.xhat[i];
    count += 1;
  });
  meanD /= count;
  meanDX /= count;
  const own = layerwise ? d * s.gamma : d;
  const factor = layerwise ? s.inverse : s.gamma * s.inverse;
  const g = layerwise ? 'γ·dy' : 'dy';
  const result = factor * (own - meanD - s.xhat * meanDX);
  const lines = [
    { label: `${g}, through x itself`, value: own },
    { label: `− mean(${g}), through μ`, value: -meanD, how: `over ${count} cells` },
    { label: `− x̂ · mean(${g}·x̂), through σ²`, value: -s.xhat * meanDX, how: `x̂ = ${s.xhat.toPrecision(4)}` },
    { label: layerwise ? '· 1 / √(σ² + ε)' : '· γ / √(σ² + ε)', value: factor },
    { label: 'dx', value: result },
  ];
  return { groups: [], lines, rects, equation, result };
};

/** One output passes `factor` of its gradient on. */
function single(at: At, from: number[], d: number, equation: string, factors: Line[] = []): Parts {
  const result = factors.reduce((product, line) => product * line.value, d);
  const lines = [{ label: indexed('dy', from), value: d }, ...factors, ...(factors.length ? [{ label: 'dx', value: result }] : [])];
  return { groups: [], lines, rects: [cellRect(at.node, shapeOf(at), from)], equation, result };
}

/** Of softmax: `p · (dy − Σ p·dy)`. */
function softmaxGradient(p: Tensor, dy: Tensor, index: number[], node: number): Parts {
  const row = index.slice(0, -1);
  const i = index[index.length - 1];
  const terms = range(p.shape[p.shape.length - 1]).map((k): Term => {
    const [a, b] = [read(p, [...row, k]), read(dy, [...row, k])];
    return { a, b, product: a * b, label: `${indexed('p', [...row, k])} · ${indexed('dy', [...row, k])}`, from: [...row, k] };
  });
  const sum = sumOf(terms);
  const [pi, di] = [terms[i].a, terms[i].b];
  const group = { title: 'p·dy', names: { a: 'p', b: 'dy', product: 'p·dy' }, rows: terms.length, columns: 1, terms, sum, channel: 0 };
  const lines = [
    { label: 'Σ p·dy', value: sum },
    { label: indexed('dy', index), value: di },
    { label: indexed('p', index), value: pi },
    { label: 'p · (dy − Σ p·dy)', value: pi * (di - sum) },
  ];
  return { groups: [group], lines, rects: [{ node, channel: null, top: 0, left: 0, height: 1, width: terms.length }], equation: 'softmax-dx', result: pi * (di - sum) };
}

/** Where the last activation and the cross-entropy are taken together: `p − t`. */
function fusedGradient(at: At, index: number[]): Parts | null {
  const k = at.context.record.losses.findIndex((loss) => loss.node === at.node && loss.fused);
  if (k < 0) return null;
  const loss = at.context.record.losses[k];
  const target = at.context.targets[k];
  const p = at.context.values.nodes[at.node].output;
  if (!target || !p) return null;
  const n = p.data.length;
  const t = targetDistribution(loss.class, target, n, loss.options.label_smoothing ?? 0);
  const i = flat(p.shape, index);
  const share = loss.weight / (loss.class === 'BinaryCrossentropy' ? n : 1);
  const lines: Line[] = [
    { label: `p[${i}]`, value: p.data[i] },
    { label: `− t[${i}]`, value: -t.data[i], how: t.data[i] ? 'the true class' : 'not the true class' },
    ...(share === 1 ? [] : [{ label: '· weight', value: share }]),
    { label: share === 1 ? 'p − t' : '(p − t) · weight', value: (p.data[i] - t.data[i]) * share },
  ];
  return { groups: [], lines, rects: [cellRect(at.node, p.shape, index)], equation: 'p-minus-t', result: (p.data[i] - t.data[i]) * share };
}

const activation: InputExplainer = (at, _, index, dy) => {
  const x = inputOf(at)!;
  const y = at.context.values.nodes[at.node].output!;
  if (!isElementwise(at.options.name)) return softmaxGradient(y, dy, index, at.node);
  const slope = slopeAt(read(x, index), read(y, index), at.options as never);
  return single(at, index, read(dy, index), 'activation-dx', [{ label: `· ${at.options.name}′(x)`, value: slope, how: `x = ${read(x, index).toPrecision(4)}` }]);
};

const merging = (name: string): InputExplainer => (at, input, index, dy) => {
  const values = at.inputs.map((_, k) => read(inputOf(at, k), index));
  return single(at, index, read(dy, index), 'merge-dx', [{ label: `· slope of ${name}`, value: merges.get(name)!.slope(values, input) }]);
};

const concatenation: InputExplainer = (at, input, index, dy) => {
  const before = at.inputs.slice(0, input).reduce((sum, from) => sum + shapeOf(at, from)[index.length - 1], 0);
  const from = [...index.slice(0, -1), index[index.length - 1] + before];
  return single(at, from, read(dy, from), 'copy-dx');
};

const padding = (direction: 1 | -1): InputExplainer => (at, _, index, dy) => {
  const shape = shapeOf(at, at.inputs[0]);
  const { source, shape: outer } = paddingSources(shape, direction === 1 ? at.options.pads : negated(at.options.pads));
  const o = source.indexOf(flat(shape, index));
  if (o < 0) return { groups: [], lines: [], rects: [], equation: 'copy-dx', result: 0, note: 'This cell is cropped away, so no gradient reaches it.' };
  const from = unflat(outer, o);
  return single(at, from, read(dy, from), 'copy-dx');
};

const reshaping: InputExplainer = (at, _, index, dy) => {
  const from = unflat(dy.shape, flat(shapeOf(at, at.inputs[0]), index));
  return single(at, from, read(dy, from), 'copy-dx');
};

const upsampling: InputExplainer = (at, _, [iy, ix, c], dy) => {
  const [h, w] = shapeOf(at, at.inputs[0]);
  const { size, interpolation } = at.options;
  const terms: Term[] = [];
  const rects: Rect[] = [];
  upsamplingTaps(h, size[0], interpolation).forEach((ys, oy) =>
    upsamplingTaps(w, size[1], interpolation).forEach((xs, ox) => {
      const share = (taps: typeof ys, i: number) => taps.filter((tap) => tap.from === i).reduce((sum, tap) => sum + tap.weight, 0);
      const b = share(ys, iy) * share(xs, ix);
      if (!b) return;
      const a = read(dy, [oy, ox, c]);
      terms.push({ a, b, product: a * b, label: `${indexed('dy', [oy, ox, c])} · share`, from: [oy, ox, c] });
      rects.push({ node: at.node, channel: c, top: oy, left: ox, height: 1, width: 1 });
    }),
  );
  const group = { title: `channel ${c}`, names: { a: 'dy', b: 'share', product: 'dy·share' }, rows: 1, columns: terms.length, terms, sum: sumOf(terms), channel: c };
  return summed([group], rects, 'upsampling-dx');
};

const rescaling: InputExplainer = (at, _, index, dy) => {
  const { scale } = at.options;
  const value = Array.isArray(scale) ? scale[index[index.length - 1] % scale.length] : scale;
  return single(at, index, read(dy, index), 'rescaling-dx', [{ label: '· scale', value }]);
};

const passed: InputExplainer = (at, _, index, dy) => single(at, index, read(dy, index), 'copy-dx');

const explainers = new Map<string, InputExplainer>([
  ['Conv2D', convolution],
  ['DepthwiseConv2D', depthwise],
  ['SeparableConv2D', separable],
  ['Conv2DTranspose', transposed],
  ['Dense', dense],
  ['MaxPooling2D', pooling('max')],
  ['GlobalMaxPooling2D', pooling('max')],
  ['AveragePooling2D', pooling('mean')],
  ['GlobalAveragePooling2D', pooling('mean')],
  ['BatchNormalization', normalization],
  ['LayerNormalization', normalization],
  ...['Activation', 'ReLU', 'LeakyReLU', 'ELU', 'Softmax'].map((name): [string, InputExplainer] => [name, activation]),
  ...['Dropout', 'SpatialDropout2D', 'RandomFlip', 'RandomTranslation', 'RandomRotation', 'RandomZoom'].map(
    (name): [string, InputExplainer] => [name, passed],
  ),
  ['Flatten', reshaping],
  ['Reshape', reshaping],
  ['ZeroPadding2D', padding(1)],
  ['Cropping2D', padding(-1)],
  ['UpSampling2D', upsampling],
  ['Rescaling', rescaling],
  ['Concatenate', concatenation],
  ...[...merges.keys()].map((name): [string, InputExplainer] => [name, merging(name)]),
]);

const unknown = (target: string, note: string): Explanation => ({ target, groups: [], lines: [], rects: [], equation: 'other', result: NaN, note });

/** The gradient that node `consumer` sends to cell `index` of its input number `input`. */
export function explainInputGradient(context: Context, consumer: number, input: number, index: number[]): Explanation {
  const at = lookAt(context, consumer);
  const target = indexed('dx', index);
  const explain = explainers.get(at.layer.class);
  if (!explain || at.options.unsupported) return unknown(target, `The page does not compute the gradient of ${at.layer.class}.`);
  if (!at.layer.activation) {
    const fused = fusedGradient(at, index);
    if (fused) return { target, ...fused };
  }
  const { d_z } = context.values.nodes[consumer];
  if (!d_z || at.inputs.some((from) => !context.values.nodes[from].output)) return unknown(target, 'No gradient is known here: no label was given.');
  return { target, ...explain(at, input, index, d_z) };
}

/** The gate inside a layer: `dz = dy · f′(z)`, or `p − t` where the loss takes the activation along. */
export function explainGate(context: Context, node: number, index: number[]): Explanation {
  const at = lookAt(context, node);
  const target = indexed('dz', index);
  const fused = fusedGradient(at, index);
  if (fused) return { target, ...fused };
  const { output, z, d_output } = context.values.nodes[node];
  if (!at.layer.activation || !output || !z || !d_output) return unknown(target, 'There is no activation inside this layer.');
  if (!isElementwise(at.layer.activation.name)) return { target, ...softmaxGradient(output, d_output, index, node) };
  const slope = slopeAt(read(z, index), read(output, index), at.layer.activation);
  const factor = { label: `· ${at.layer.activation.name}′(z)`, value: slope, how: `z = ${read(z, index).toPrecision(4)}` };
  const parts = single(at, index, read(d_output, index), 'activation-dx', [factor]);
  return { target, ...parts, lines: parts.lines.map((line) => (line.label === 'dx' ? { ...line, label: 'dz' } : line)) };
}

/** The gradient of a cell that several layers read: the sum of what each of them sends back. */
export function explainFork(context: Context, node: number, index: number[]): Explanation {
  const consumers = consumersOf(context.record)[node];
  const lines = consumers.map(({ node: k, input }, i) => ({
    label: `${i ? '+ ' : ''}from ${context.record.nodes[k].name}`,
    value: read(context.values.nodes[k].d_inputs[input], index),
  }));
  const result = lines.reduce((sum, line) => sum + line.value, 0);
  return { target: indexed('dx', index), groups: [], lines: [...lines, { label: 'Σ at the fork', value: result }], rects: [], equation: 'fork', result };
}
