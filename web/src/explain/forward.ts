/** How one number of a layer's output is made from the numbers before it. */
import { poolingWindow, wholeMap, type PoolingOptions } from '../engine/pooling';
import { negated, paddingSources, upsamplingTaps } from '../engine/shaping';
import type { NormalizationCache } from '../engine/normalization';
import type { Tensor } from '../engine/tensor';
import { activationForward } from '../engine/activations';
import {
  cellRect, flat, indexed, inputOf, lookAt, outputOf, read, shapeOf, sumOf, total, unflat,
  type At, type Context, type Explanation, type Group, type Line, type Rect, type Term,
} from './types';

type Parts = Pick<Explanation, 'groups' | 'lines' | 'rects' | 'equation'> & { result: number; note?: string };
type Explainer = (at: At, index: number[]) => Parts;

const empty = (equation: string): Parts => ({ groups: [], lines: [], rects: [], equation, result: NaN });

/** The window of one input channel times one slice of the kernel, cell by cell. */
function windowTerms(
  x: Tensor, w: Tensor, [oy, ox]: number[], channel: number, weight: (ky: number, kx: number) => number[], o: At['options'],
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

function windowRect(node: number, [oy, ox]: number[], [kh, kw]: readonly number[], o: At['options'], channel: number | null): Rect {
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

const convolution: Explainer = (at, [oy, ox, f]) => {
  const [x, w] = [inputOf(at), at.parameters.get('kernel')];
  if (!x || !w) return empty('conv2d');
  const [kh, kw, perGroup, filters] = w.shape;
  const first = Math.floor(f / (filters / at.options.groups)) * perGroup;
  const groups = Array.from({ length: perGroup }, (_, c): Group => {
    const terms = windowTerms(x, w, [oy, ox], first + c, (ky, kx) => [ky, kx, c, f], at.options);
    return { title: `channel ${first + c}`, names: productNames, rows: kh, columns: kw, terms, sum: sumOf(terms), channel: first + c };
  });
  const whole = perGroup === x.shape[2];
  const rects = whole
    ? [windowRect(at.inputs[0], [oy, ox], w.shape, at.options, null)]
    : groups.map((group) => windowRect(at.inputs[0], [oy, ox], w.shape, at.options, group.channel));
  return { groups, ...withBias(at, groups, f), rects, equation: 'conv2d' };
};

const depthwise: Explainer = (at, [oy, ox, f]) => {
  const [x, w] = [inputOf(at), at.parameters.get('kernel')];
  if (!x || !w) return empty('depthwise');
  const [kh, kw, , multiplier] = w.shape;
  const channel = Math.floor(f / multiplier);
  const terms = windowTerms(x, w, [oy, ox], channel, (ky, kx) => [ky, kx, channel, f % multiplier], at.options);
  const groups = [{ title: `channel ${channel}`, names: productNames, rows: kh, columns: kw, terms, sum: sumOf(terms), channel }];
  return { groups, ...withBias(at, groups, f), rects: [windowRect(at.inputs[0], [oy, ox], w.shape, at.options, channel)], equation: 'depthwise' };
};

const separable: Explainer = (at, [oy, ox, f]) => {
  const [x, w, pointwise] = [inputOf(at), at.parameters.get('depthwise_kernel'), at.parameters.get('pointwise_kernel')];
  if (!x || !w || !pointwise) return empty('separable');
  const [kh, kw, channels, multiplier] = w.shape;
  const groups = Array.from({ length: channels * multiplier }, (_, k): Group => {
    const [c, m] = [Math.floor(k / multiplier), k % multiplier];
    const terms = windowTerms(x, w, [oy, ox], c, (ky, kx) => [ky, kx, c, m], at.options);
    const factor = { name: indexed('pointwise', [k, f]), value: read(pointwise, [0, 0, k, f]) };
    return { title: `channel ${c}`, names: productNames, rows: kh, columns: kw, terms, sum: sumOf(terms), factor, channel: c };
  });
  return { groups, ...withBias(at, groups, f), rects: [windowRect(at.inputs[0], [oy, ox], w.shape, at.options, null)], equation: 'separable' };
};

const transposed: Explainer = (at, [oy, ox, f]) => {
  const [x, w] = [inputOf(at), at.parameters.get('kernel')];
  if (!x || !w) return empty('transposed');
  const o = at.options;
  const [kh, kw, , channels] = w.shape;
  const reached: [number, number, number, number][] = [];
  for (let ky = 0; ky < kh; ky++)
    for (let kx = 0; kx < kw; kx++) {
      const [iy, ix] = [(oy + o.pads[0][0] - ky * o.dilation[0]) / o.strides[0], (ox + o.pads[1][0] - kx * o.dilation[1]) / o.strides[1]];
      if (Number.isInteger(iy) && Number.isInteger(ix) && iy >= 0 && iy < x.shape[0] && ix >= 0 && ix < x.shape[1]) reached.push([iy, ix, ky, kx]);
    }
  const groups = Array.from({ length: channels }, (_, c): Group => {
    const terms = reached.map(([iy, ix, ky, kx]): Term => {
      const [a, b] = [read(x, [iy, ix, c]), read(w, [ky, kx, f, c])];
      return { a, b, product: a * b, label: `${indexed('x', [iy, ix, c])} · ${indexed('w', [ky, kx, f, c])}` };
    });
    return { title: `channel ${c}`, names: productNames, rows: 1, columns: terms.length, terms, sum: sumOf(terms), channel: c };
  });
  const rects = reached.map(([iy, ix]): Rect => ({ node: at.inputs[0], channel: null, top: iy, left: ix, height: 1, width: 1 }));
  return { groups, ...withBias(at, groups, f), rects, equation: 'transposed' };
};

const dense: Explainer = (at, index) => {
  const [x, w] = [inputOf(at), at.parameters.get('kernel')];
  if (!x || !w) return empty('dense');
  const [inputs, units] = w.shape;
  const f = index[index.length - 1];
  const row = index.slice(0, -1);
  const terms = Array.from({ length: inputs }, (_, n): Term => {
    const [a, b] = [read(x, [...row, n]), w.data[n * units + f]];
    return { a, b, product: a * b, label: `${indexed('x', [...row, n])} · ${indexed('w', [n, f])}` };
  });
  const groups = [{ title: `${inputs} inputs`, names: productNames, rows: inputs, columns: 1, terms, sum: sumOf(terms), channel: 0 }];
  const rects = row.length ? [cellRect(at.inputs[0], x.shape, [...row, 0])] : [{ node: at.inputs[0], channel: null, top: 0, left: 0, height: 1, width: inputs }];
  return { groups, ...withBias(at, groups, f), rects, equation: 'dense' };
};

const poolingSettings = (at: At): PoolingOptions =>
  at.layer.class.startsWith('Global') ? wholeMap(shapeOf(at, at.inputs[0])) : (at.options as PoolingOptions);

/** Of an output of pooling: its position on the map (a global pool has one window) and its channel. */
function pooledCell(index: number[]): [number, number, number] {
  return index.length === 3 ? [index[0], index[1], index[2]] : [0, 0, index[index.length - 1]];
}

const pooling = (kind: 'max' | 'mean'): Explainer => (at, index) => {
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
  const groups = [{ title: `channel ${c}`, names: { a: 'x', b: '', product: 'x' }, rows: bottom - top, columns: right - left, terms, sum, channel: c }];
  const rects = [{ node: at.inputs[0], channel: c, top, left, height: bottom - top, width: right - left }];
  if (kind === 'max')
    return { groups, rects, equation: 'maxpool', result: terms[best].a, lines: [{ label: `max, at ${terms[best].label}`, value: terms[best].a }] };
  const lines = [{ label: 'Σ', value: sum }, { label: `÷ ${terms.length} cells`, value: sum / terms.length }];
  return { groups, rects, equation: 'avgpool', result: sum / terms.length, lines };
};

/** The mean, variance and so on that apply to one number: by feature, or (layer normalisation) by row. */
export function statisticsAt(at: At, index: number[]) {
  const cache = at.context.values.nodes[at.node].cache as NormalizationCache | null;
  const x = inputOf(at);
  if (!cache || !x) return null;
  const features = x.shape[x.shape.length - 1];
  const position = flat(x.shape, index);
  const f = position % features;
  const k = at.layer.class === 'LayerNormalization' ? Math.floor(position / features) : f;
  return {
    x: x.data[position],
    mean: cache.mean[k],
    variance: cache.variance[k],
    inverse: cache.inverse[k],
    xhat: cache.xhat[position],
    gamma: at.parameters.get('gamma')?.data[f] ?? 1,
    beta: at.parameters.get('beta')?.data[f] ?? 0,
    batch: cache.batch,
    f,
    k,
    features,
    cache,
  };
}

const normalization: Explainer = (at, index) => {
  const s = statisticsAt(at, index);
  const equation = at.layer.class === 'LayerNormalization' ? 'layernorm' : 'batchnorm';
  if (!s) return empty(equation);
  const which = equation === 'layernorm' ? 'of this position' : s.batch ? `of this image, channel ${s.f}` : `moving, channel ${s.f}`;
  const lines: Line[] = [
    { label: indexed('x', index), value: s.x },
    { label: `μ, ${which}`, value: s.mean },
    { label: `σ², ${which}`, value: s.variance },
    { label: 'x̂ = (x − μ) / √(σ² + ε)', value: s.xhat, how: `ε = ${at.options.epsilon}` },
    { label: `γ[${s.f}]`, value: s.gamma },
    { label: `β[${s.f}]`, value: s.beta },
    { label: 'y = γ·x̂ + β', value: s.gamma * s.xhat + s.beta },
  ];
  return { groups: [], lines, rects: [cellRect(at.inputs[0], shapeOf(at, at.inputs[0]), index)], equation, result: s.gamma * s.xhat + s.beta };
};

/** Lines for softmax: exponentials of all scores, their sum, and the share of one. */
function softmaxParts(z: Tensor, index: number[], name: string): Parts {
  const n = z.shape[z.shape.length - 1];
  const row = index.slice(0, -1);
  const i = index[index.length - 1];
  const scores = Array.from({ length: n }, (_, k) => read(z, [...row, k]));
  const largest = Math.max(...scores);
  const terms = scores.map((a, k): Term => ({ a, b: 1, product: Math.exp(a - largest), label: indexed('z', [...row, k]) }));
  const sum = sumOf(terms);
  const group = { title: `${n} scores`, names: { a: 'z', b: '', product: 'exp(z − max)' }, rows: n, columns: 1, terms, sum, channel: 0 };
  const p = terms[i].product / sum;
  const lines = [
    { label: 'max z', value: largest },
    { label: 'Σ exp(z − max)', value: sum },
    { label: `exp(z[${i}] − max)`, value: terms[i].product },
    { label: `p[${i}] = exp / Σ`, value: p },
    ...(name === 'log_softmax' ? [{ label: `log p[${i}]`, value: Math.log(p) }] : []),
  ];
  return { groups: [group], lines, rects: [], equation: 'softmax', result: name === 'softmax' ? p : Math.log(p) };
}

/** A number that is copied from one cell of one input. */
function copied(at: At, k: number, source: number[], equation: string): Parts {
  const x = inputOf(at, k);
  const value = read(x, source);
  return { groups: [], lines: [{ label: indexed('x', source), value }], rects: [cellRect(at.inputs[k], shapeOf(at, at.inputs[k]), source)], equation, result: value };
}

const activation: Explainer = (at, index) => {
  const x = inputOf(at);
  if (!x) return empty('activation');
  const name: string = at.options.name;
  if (name.endsWith('softmax')) {
    const parts = softmaxParts(x, index, name);
    return { ...parts, rects: [{ node: at.inputs[0], channel: null, top: 0, left: 0, height: 1, width: x.data.length }] };
  }
  const parts = copied(at, 0, index, 'activation');
  const result = activationForward({ shape: [1], data: Float64Array.of(parts.result) }, at.options as never).data[0];
  return { ...parts, lines: [...parts.lines, { label: `${name}(x)`, value: result }], result };
};

const merging = (symbol: string): Explainer => (at, index) => {
  const lines = at.inputs.map((from, k) => ({ label: `${k ? symbol : ' '} ${at.context.record.nodes[from].name}`, value: read(inputOf(at, k), index) }));
  const result = read(outputOf(at), index);
  const rects = at.inputs.map((from) => cellRect(from, shapeOf(at, from), index));
  return { groups: [], lines, rects, equation: 'merge', result };
};

const concatenation: Explainer = (at, index) => {
  let channel = index[index.length - 1];
  const k = at.inputs.findIndex((from) => {
    const width = shapeOf(at, from)[index.length - 1];
    if (channel < width) return true;
    channel -= width;
    return false;
  });
  return copied(at, k, [...index.slice(0, -1), channel], 'concatenate');
};

const padding = (direction: 1 | -1): Explainer => (at, index) => {
  const shape = shapeOf(at, at.inputs[0]);
  const pads = direction === 1 ? at.options.pads : negated(at.options.pads);
  const source = paddingSources(shape, pads).source[flat(shapeOf(at), index)];
  if (source < 0) return { ...empty('padding'), lines: [{ label: 'a cell of the padding', value: 0 }], result: 0 };
  return copied(at, 0, unflat(shape, source), direction === 1 ? 'padding' : 'cropping');
};

const reshaping: Explainer = (at, index) =>
  copied(at, 0, unflat(shapeOf(at, at.inputs[0]), flat(shapeOf(at), index)), 'reshape');

const upsampling: Explainer = (at, [oy, ox, c]) => {
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
  const group = { title: `channel ${c}`, names: { a: 'x', b: 'share', product: 'x·share' }, rows: 1, columns: terms.length, terms, sum, channel: c };
  return { groups: [group], lines: [{ label: 'Σ', value: sum }], rects, equation: 'upsampling', result: sum };
};

const scaled = (value: number | number[], c: number): number => (Array.isArray(value) ? value[c % value.length] : value);

const rescaling: Explainer = (at, index) => {
  const parts = copied(at, 0, index, 'rescaling');
  const c = index[index.length - 1];
  const [scale, offset] = [scaled(at.options.scale, c), scaled(at.options.offset, c)];
  const result = parts.result * scale + offset;
  return { ...parts, lines: [...parts.lines, { label: '· scale', value: scale }, { label: '+ offset', value: offset }], result };
};

const explainers = new Map<string, Explainer>([
  ['InputLayer', (at, index) => ({ ...empty('input'), result: read(outputOf(at), index) })],
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
  ...['Activation', 'ReLU', 'LeakyReLU', 'ELU', 'Softmax'].map((name): [string, Explainer] => [name, activation]),
  ...['Dropout', 'SpatialDropout2D', 'RandomFlip', 'RandomTranslation', 'RandomRotation', 'RandomZoom'].map(
    (name): [string, Explainer] => [name, (at, index) => copied(at, 0, index, 'identity')],
  ),
  ['Flatten', reshaping],
  ['Reshape', reshaping],
  ['ZeroPadding2D', padding(1)],
  ['Cropping2D', padding(-1)],
  ['UpSampling2D', upsampling],
  ['Rescaling', rescaling],
  ['Concatenate', concatenation],
  ['Add', merging('+')],
  ['Subtract', merging('−')],
  ['Multiply', merging('×')],
  ['Average', merging('and')],
  ['Maximum', merging('or')],
  ['Minimum', merging('or')],
]);

export function explainForward(context: Context, node: number, index: number[]): Explanation {
  const at = lookAt(context, node);
  const explain = explainers.get(at.layer.class);
  const recorded = read(outputOf(at), index);
  if (!explain || at.layer.options.unsupported)
    return {
      target: indexed('y', index), groups: [], rects: [], equation: 'other', result: recorded,
      lines: [{ label: 'recorded', value: recorded }],
      note: `The page does not compute ${at.layer.class}: this is the recorded value.`,
    };
  const parts = explain(at, index);
  const { activation } = at.layer;
  if (!activation) return { target: indexed('y', index), ...parts, lines: [...parts.lines, { label: 'y', value: parts.result }] };
  const lines = [...parts.lines, { label: 'z', value: parts.result }];
  if (activation.name.endsWith('softmax')) {
    const z = context.values.nodes[node].z;
    if (!z) return { target: indexed('y', index), ...parts, lines };
    const after = softmaxParts(z, index, activation.name);
    return { target: indexed('y', index), ...parts, groups: [...parts.groups, ...after.groups], lines: [...lines, ...after.lines], result: after.result };
  }
  const y = activationForward({ shape: [1], data: Float64Array.of(parts.result) }, activation).data[0];
  return { target: indexed('y', index), ...parts, lines: [...lines, { label: `y = ${activation.name}(z)`, value: y }], result: y };
}
